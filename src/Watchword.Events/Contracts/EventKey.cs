using System.Text.Json;
using NATS.Client.Core;

namespace Watchword.Events.Contracts;

/// <summary>The key of an event: the user or organization whose events keep their order.</summary>
public static class EventKey
{
    /// <summary>The key from the headers, or for foreign publishers from <c>data.userId</c>, <c>data.organizationId</c> or <c>data.ownerId</c>. Null when neither names one.</summary>
    public static string? Of(string subject, NatsHeaders? headers, ReadOnlySpan<byte> payload)
    {
        if (headers.Find(EventHeaders.Key) is { Length: > 0 } key)
            return key.Contains('%', StringComparison.Ordinal) ? Uri.UnescapeDataString(key) : key;
        return FromPayload(subject.StartsWith("apiKey.", StringComparison.Ordinal) ? "ownerId"u8 : IsOfOrganization(subject) ? "organizationId"u8 : "userId"u8, payload);
    }

    private static bool IsOfOrganization(string subject) =>
        subject.StartsWith("organization", StringComparison.Ordinal) || subject.StartsWith("invitation.", StringComparison.Ordinal)
        || subject.StartsWith("member.", StringComparison.Ordinal) || subject.StartsWith("team.", StringComparison.Ordinal);

    // A key that comes before the first fault in the JSON counts: a broken event still has its place in its user's order.
    private static string? FromPayload(ReadOnlySpan<byte> member, ReadOnlySpan<byte> payload)
    {
        try
        {
            var json = new Utf8JsonReader(payload);
            if (!EventData.TryEnter(ref json))
                return null;
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                var isKey = json.ValueTextEquals(member);
                json.Read();
                if (isKey)
                    return json.TokenType == JsonTokenType.String && json.GetString() is { Length: > 0 } key && !key.Contains('\0', StringComparison.Ordinal) ? key : null;
                json.Skip();
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Not JSON, or half of a surrogate pair.
        }
        return null;
    }
}
