using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using NATS.Client.Core;

namespace Watchword.Events.Contracts;

/// <summary>Raises events of older schema versions to the version that this build knows, one version at a time.</summary>
internal static class Upcasts
{
    // A step changes the event in place and sets its new version. Never change a step that was published: add the next one.
    private static readonly Dictionary<(string Subject, int From), Action<JsonObject, Message>> Steps = new()
    {
        [("auth.user.registered", 0)] = NameTheEvent,
        [("auth.user.logged_in", 0)] = NameTheEvent,
        [("auth.user.logged_out", 0)] = NameTheEvent,
        [("auth.user.token_refreshed", 0)] = NameTheEvent,
    };

    /// <summary>The message that carried an event: its headers may hold what the body lacks.</summary>
    public readonly ref struct Message(NatsHeaders? headers, ReadOnlySpan<byte> payload)
    {
        public NatsHeaders? Headers { get; } = headers;

        public ReadOnlySpan<byte> Payload { get; } = payload;
    }

    /// <summary>The schema version of an event; the oldest when it names none.</summary>
    /// <exception cref="JsonException">The version is not a number; the path says where.</exception>
    public static int VersionOf(EventType type, JsonObject @event)
    {
        var (holder, path) = type.Stream == Streams.IdentityChanges.Name ? (@event, "$.schemaVersion") : (@event["metadata"] as JsonObject, "$.metadata.schemaVersion");
        return holder?["schemaVersion"] switch
        {
            null => Steps.ContainsKey((type.Subject, 0)) ? 0 : 1,
            JsonValue value when value.TryGetValue<int>(out var version) => version,
            _ => throw new JsonException("not a number", path, null, null),
        };
    }

    /// <summary>The oldest version from which steps lead up to <paramref name="version"/>.</summary>
    public static int Oldest(string subject, int version) => Steps.ContainsKey((subject, version - 1)) ? Oldest(subject, version - 1) : version;

    /// <summary>Raises an event from its version to the type's own. False when a step is missing.</summary>
    public static bool TryRaise(EventType type, JsonObject @event, int from, Message message)
    {
        for (var version = from; version < type.SchemaVersion; version++)
        {
            if (!Steps.TryGetValue((type.Subject, version), out var step))
                return false;
            step(@event, message);
        }
        return true;
    }

    // Spec 1's own publisher gives no event id and no correlation id. The message's id serves where it has one; otherwise a
    // hash of the body, so that every delivery of the event, also from another stream, has the same id.
    private static void NameTheEvent(JsonObject @event, Message message)
    {
        if (@event["metadata"] is not JsonObject metadata)
            return;
        var id = message.Headers.Find(EventHeaders.EventId) ?? message.Headers.Find(EventHeaders.MessageId) ?? IdOf(message.Payload);
        metadata["eventId"] ??= id;
        metadata["correlationId"] ??= message.Headers.Find(EventHeaders.CorrelationId) ?? id;
        metadata["schemaVersion"] = 1;
    }

    // RFC 9562, section 5.8: a UUID of our own making.
    private static string IdOf(ReadOnlySpan<byte> payload)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(payload, hash);
        hash[6] = (byte)((hash[6] & 0x0F) | 0x80);
        hash[8] = (byte)((hash[8] & 0x3F) | 0x80);
        return new Guid(hash[..16], bigEndian: true).ToString();
    }
}
