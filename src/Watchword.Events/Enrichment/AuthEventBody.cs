using System.Buffers;
using System.Text.Json;
using Watchword.Events.Contracts;

namespace Watchword.Events.Enrichment;

/// <summary>What enrichment needs from an auth event's body.</summary>
/// <param name="Ip"><c>data.ip</c>; null when absent.</param>
/// <param name="UserAgent"><c>data.userAgent</c>; null when absent.</param>
/// <param name="DataEnd">Offset in bytes of the brace that closes <c>data</c>; -1 when nothing can be added.</param>
internal readonly record struct AuthEventBody(string? Ip, string? UserAgent, int DataEnd)
{
    /// <exception cref="JsonException">The body is not JSON.</exception>
    public static AuthEventBody Read(ReadOnlySpan<byte> payload)
    {
        string? ip = null, userAgent = null;
        var json = new Utf8JsonReader(payload);
        if (!EventData.TryEnter(ref json))
            return new(null, null, -1);
        var members = 0;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            members++;
            var (isIp, isAgent, isContext) = (json.ValueTextEquals("ip"u8), json.ValueTextEquals("userAgent"u8), json.ValueTextEquals("context"u8));
            json.Read();
            if (isContext)
                return new(ip, userAgent, -1);   // the publisher's own stays
            if (isIp && json.TokenType == JsonTokenType.String)
                ip = json.GetString();
            else if (isAgent && json.TokenType == JsonTokenType.String)
                userAgent = json.GetString();
            else
                json.Skip();
        }
        return new(ip, userAgent, members > 0 ? (int)json.TokenStartIndex : -1);
    }

    /// <summary>The body with <c>data.context</c> as the last member of <c>data</c>. Every other byte stays the same.</summary>
    public byte[] WithContext(byte[] payload, IReadOnlyDictionary<string, string> context)
    {
        if (DataEnd < 0)
            return payload;
        var result = new ArrayBufferWriter<byte>(payload.Length + 64 + context.Count * 32);
        result.Write(payload.AsSpan()[..DataEnd]);
        result.Write(",\"context\":"u8);
        using (var json = new Utf8JsonWriter(result))
        {
            json.WriteStartObject();
            foreach (var (name, value) in context)
                json.WriteString(name, value);
            json.WriteEndObject();
        }
        result.Write(payload.AsSpan()[DataEnd..]);
        return result.WrittenSpan.ToArray();
    }
}
