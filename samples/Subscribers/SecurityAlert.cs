using System.Text.Json;
using System.Text.Json.Serialization;

namespace Watchword.Samples.Subscribers;

/// <summary>Something about a user's logins deserves a look; on subject <c>security.alert</c>.</summary>
internal sealed record SecurityAlert(string Subject, SecurityAlertData Data, SecurityAlertMetadata Metadata)
{
    public const string AlertSubject = "security.alert";

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, SampleJson.Default.SecurityAlert);
}

internal sealed record SecurityAlertData(
    string UserId, string Kind, string Detail, DateTime Timestamp,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Ip = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? UserAgent = null);

internal sealed record SecurityAlertMetadata(string Service, string Version, string Environment, string EventId, string CorrelationId, int SchemaVersion = 1);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(SecurityAlert))]
[JsonSerializable(typeof(AuthEventBody))]
internal sealed partial class SampleJson : JsonSerializerContext;
