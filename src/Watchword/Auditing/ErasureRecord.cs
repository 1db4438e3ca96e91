using System.Text.Json;
using System.Text.Json.Serialization;

namespace Watchword.Auditing;

/// <summary>The content of the row by which the audit log records an erasure: who erased which rows about whom, and why.</summary>
/// <param name="UserId">Whom the rows were about.</param>
/// <param name="By">Who erased them.</param>
/// <param name="Reason">Why.</param>
/// <param name="Positions">Of the erased rows.</param>
internal sealed record ErasureRecord(string UserId, string By, string Reason, IReadOnlyList<long> Positions)
{
    /// <summary>In place of a stream: the row is the log's own.</summary>
    public const string Stream = "audit-log";

    /// <summary>In place of an event's subject.</summary>
    public const string Subject = "audit.erased";

    public static ReadOnlySpan<byte> StreamUtf8 => "audit-log"u8;

    public static ReadOnlySpan<byte> SubjectUtf8 => "audit.erased"u8;

    public byte[] Write() => JsonSerializer.SerializeToUtf8Bytes(this, ErasureJson.Default.ErasureRecord);

    /// <summary>Null when it is no such content.</summary>
    public static ErasureRecord? Read(ReadOnlySpan<byte> payload)
    {
        try
        {
            return JsonSerializer.Deserialize(payload, ErasureJson.Default.ErasureRecord);
        }
        catch (JsonException)
        {
            return null;   // somebody else's event of that name
        }
    }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(ErasureRecord))]
internal sealed partial class ErasureJson : JsonSerializerContext;
