using System.Globalization;
using System.Text.Json;
using NATS.Client.Core;
using Npgsql;
using Watchword.Events.Contracts;

namespace Watchword.Events.Outbox;

/// <summary>An event that waits to be published.</summary>
/// <param name="Position">Its place in the outbox, and the version of what it changed.</param>
/// <param name="Id">The event's id, which is its Nats-Msg-Id.</param>
/// <param name="Subject">Where it is published.</param>
/// <param name="Key">The user or organization whose events keep their order.</param>
/// <param name="Payload">JSON in UTF-8.</param>
/// <param name="Context">The transaction's settings (trace, correlation id, actor, origin) as a JSON object; null when there are none.</param>
/// <param name="OccurredAt">When it happened, by the database's clock.</param>
/// <param name="Republished">Whether a stream had it and lost it.</param>
internal readonly record struct OutboxRow(
    long Position, string Id, string Subject, string Key, byte[] Payload, string? Context, DateTime OccurredAt, bool Republished)
{
    private const int LongestContext = 512;

    public const string Columns = "position, id, subject, key, payload, headers::text, occurred_at, stream_seq IS NOT NULL";

    public static OutboxRow Read(NpgsqlDataReader row) => new(
        row.GetInt64(0), row.GetGuid(1).ToString(), row.GetString(2), row.GetString(3),
        row.GetFieldValue<byte[]>(4), row.IsDBNull(5) ? null : row.GetString(5), row.GetDateTime(6), row.GetBoolean(7));

    /// <summary>Writes the headers: CloudEvents 1.0 in binary mode (NATS protocol binding), and our own.</summary>
    public void WriteHeaders(NatsHeaders headers, string source, string? expectedLastId)
    {
        headers.Clear();
        headers.Add("Nats-Msg-Id", Id);
        if (expectedLastId is not null)
            headers.Add(EventHeaders.ExpectedLastMessageId, expectedLastId);
        headers.Add("Content-Type", "application/json");
        headers.Add("ce-specversion", "1.0");
        headers.Add("ce-id", Id);
        headers.Add("ce-source", source);
        headers.Add("ce-type", Subject);
        headers.Add("ce-subject", IsPlain(Key) ? Key : Uri.EscapeDataString(Key));
        headers.Add("ce-time", OccurredAt.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
        headers.Add("Watchword-Version", Position.ToString(CultureInfo.InvariantCulture));
        if (Republished)
            headers.Add(EventHeaders.Republished, "1");
        if (Context is not null)
            WriteContext(headers, Context);
    }

    // A user's id can hold any character. One that holds % would be taken for an escaped one.
    private static bool IsPlain(string text) => !text.AsSpan().ContainsAnyExceptInRange('!', '~') && !text.Contains('%', StringComparison.Ordinal);

    private static void WriteContext(NatsHeaders headers, string context)
    {
        using var document = JsonDocument.Parse(context);
        if (document.RootElement.ValueKind != JsonValueKind.Object)
            return;
        foreach (var member in document.RootElement.EnumerateObject())
        {
            var name = member.Name switch
            {
                "traceparent" => "traceparent",
                "correlationId" => "Watchword-Correlation-Id",
                "actor" => "Watchword-Actor",
                "onBehalfOf" => "Watchword-On-Behalf-Of",
                "origin" => "Watchword-Origin",
                _ => null,
            };
            // Anybody can set the transaction's settings: what a header cannot carry is left out.
            if (name is not null && member.Value.ValueKind == JsonValueKind.String && member.Value.GetString() is { } value && value.Length <= LongestContext && !value.Any(char.IsControl))
                headers.Add(name, value);
        }
    }
}
