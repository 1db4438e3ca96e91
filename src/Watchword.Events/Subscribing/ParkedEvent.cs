using System.Text;
using System.Text.Json;
using NATS.Client.Core;
using Npgsql;
using Watchword.Events.Contracts;

namespace Watchword.Events.Subscribing;

/// <summary>A row of <c>watchword.parked_event</c>.</summary>
/// <param name="Id">Its id, which rises within its queue.</param>
/// <param name="Queue">Its queue: one for each key.</param>
/// <param name="Key">The user or organization; null when it could not be read.</param>
/// <param name="Event">The event's id.</param>
/// <param name="Stream">The stream it came from.</param>
/// <param name="Sequence">Its sequence in the stream.</param>
/// <param name="Subject">The subject it was published to.</param>
/// <param name="Headers">As JSON: [[name, value], …].</param>
/// <param name="Payload">The bytes as they came.</param>
/// <param name="StoredAt">By the stream's clock.</param>
/// <param name="State">retrying, failed, waiting, redriven, discarded or superseded.</param>
/// <param name="Attempts">How often it was tried.</param>
/// <param name="Reason">Why it failed; null while it only waits.</param>
/// <param name="Due">Whether its retry is due.</param>
/// <param name="Suspect">Whether it may be what kills the process.</param>
internal sealed record ParkedEvent(
    long Id, string Queue, string? Key, string Event, string Stream, long Sequence, string Subject, string Headers, byte[] Payload,
    DateTime StoredAt, string State, int Attempts, string? Reason, bool Due, bool Suspect)
{
    public const string Columns =
        "id, queue, key, event, stream, sequence, subject, headers::text, payload, stored_at, state, attempts, reason, coalesce(due_at <= clock_timestamp(), false), suspect";

    public static ParkedEvent Read(NpgsqlDataReader row) => new(
        row.GetInt64(0), row.GetString(1), row.IsDBNull(2) ? null : row.GetString(2), row.GetString(3), row.GetString(4), row.GetInt64(5),
        row.GetString(6), row.GetString(7), row.GetFieldValue<byte[]>(8), row.GetDateTime(9), row.GetString(10), row.GetInt32(11),
        row.IsDBNull(12) ? null : row.GetString(12), row.GetBoolean(13), row.GetBoolean(14));

    public NatsHeaders ReadHeaders()
    {
        var headers = new NatsHeaders();
        using var json = JsonDocument.Parse(Headers);
        foreach (var pair in json.RootElement.EnumerateArray())
            headers.AddForeign(pair[0].GetString()!, pair[1].GetString());
        return headers;
    }

    // PostgreSQL stores no U+0000, and UTF-8 has no half of a surrogate pair.
    public static string Storable(string text)
    {
        var plain = text.Replace("\0", "", StringComparison.Ordinal);
        return plain.AsSpan().ContainsAnyInRange('\ud800', '\udfff') ? Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(plain)) : plain;
    }

    public static string WriteHeaders(NatsHeaders? headers)
    {
        if (headers is null)
            return "[]";
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartArray();
            foreach (var (name, values) in headers)
            {
                foreach (var value in values)
                {
                    json.WriteStartArray();
                    json.WriteStringValue(Storable(name));
                    json.WriteStringValue(Storable(value ?? ""));
                    json.WriteEndArray();
                }
            }
            json.WriteEndArray();
        }
        return Encoding.UTF8.GetString(buffer.ToArray());
    }
}
