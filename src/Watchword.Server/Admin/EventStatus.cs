using System.Globalization;
using System.Text.Json;
using NATS.Client.JetStream.Models;
using Npgsql;
using Watchword.Events.JetStream;

namespace Watchword.Server.Admin;

/// <summary>A stream, as <c>stream status</c> and <c>GET /admin/streams</c> show it.</summary>
/// <param name="MaxMessages">Null: no limit. So are <paramref name="MaxBytes"/> and <paramref name="MaxAgeSeconds"/>.</param>
/// <param name="FirstTime">Null while the stream is empty, as is <paramref name="LastTime"/>.</param>
/// <param name="LastAudit">The newest row of <c>watchword.stream_audit</c>; null before the first audit.</param>
internal sealed record StreamStatus(
    string Name, long Messages, long? MaxMessages, long Bytes, long? MaxBytes, double? MaxAgeSeconds,
    ulong FirstSequence, DateTimeOffset? FirstTime, ulong LastSequence, DateTimeOffset? LastTime, long Consumers, JsonElement? LastAudit);

/// <summary>A consumer, as <c>consumer status</c> and <c>GET /admin/consumers</c> show it.</summary>
/// <param name="Pending">How many messages were never delivered.</param>
/// <param name="AckPending">How many were delivered and not acknowledged.</param>
/// <param name="LagSeconds">The age of the oldest message that is not acknowledged; 0 when all are.</param>
/// <param name="LastActive">The last delivery or acknowledgement; null before the first.</param>
internal sealed record ConsumerStatus(
    string Stream, string Name, bool Durable, long Pending, long AckPending, long Redelivered, double LagSeconds, long WaitingPulls, DateTimeOffset? LastActive);

/// <summary>Reads the state of streams and consumers.</summary>
internal sealed class EventStatus(JetStreamClient nats, NpgsqlDataSource? database)
{
    /// <summary>All streams, by name.</summary>
    public async Task<List<StreamStatus>> StreamsAsync(CancellationToken ct)
    {
        var audits = await AuditsAsync(ct);
        return [.. (await nats.ListStreamsAsync(ct)).OrderBy(s => s.Config.Name, StringComparer.Ordinal).Select(stream =>
        {
            var (config, state) = (stream.Config, stream.State);
            var any = state.Messages > 0;
            return new StreamStatus(config.Name!, state.Messages, Limit(config.MaxMsgs), state.Bytes, Limit(config.MaxBytes),
                config.MaxAge > TimeSpan.Zero ? config.MaxAge.TotalSeconds : null,
                state.FirstSeq, any ? Time(state.FirstTs) : null, state.LastSeq, any ? Time(state.LastTs) : null, state.ConsumerCount,
                audits.TryGetValue(config.Name!, out var audit) ? audit : null);
        })];
    }

    /// <summary>The consumers of all streams, by stream and name.</summary>
    public async Task<List<ConsumerStatus>> ConsumersAsync(CancellationToken ct)
    {
        var consumers = new List<ConsumerStatus>();
        foreach (var stream in (await nats.ListStreamNamesAsync(null, ct)).Order(StringComparer.Ordinal))
            foreach (var info in (await nats.ListConsumersAsync(stream, ct)).OrderBy(i => i.Name, StringComparer.Ordinal))
                consumers.Add(new(stream, info.Name, info.Config.DurableName is not null, (long)info.NumPending, info.NumAckPending, info.NumRedelivered,
                    await LagAsync(info, ct), info.NumWaiting, LastActive(info)));
        return consumers;
    }

    private async Task<double> LagAsync(ConsumerInfo info, CancellationToken ct)
    {
        if (info is { NumPending: 0, NumAckPending: 0 })
            return 0;
        var next = (info.NumAckPending > 0 ? info.AckFloor.StreamSeq : info.Delivered.StreamSeq) + 1;
        return await nats.FindStoredAtAsync(info.StreamName, next, info.Config.FilterSubject, ct) is { } stored
            ? Math.Max(0, (DateTimeOffset.UtcNow - stored).TotalSeconds)
            : 0;   // it was deleted meanwhile
    }

    private async Task<Dictionary<string, JsonElement>> AuditsAsync(CancellationToken ct)
    {
        var audits = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        if (database is null)
            return audits;
        await using var exists = database.CreateCommand("SELECT to_regclass('watchword.stream_audit') IS NOT NULL");
        if (await exists.ExecuteScalarAsync(ct) is not true)
            return audits;
        await using var newest = database.CreateCommand("SELECT DISTINCT ON (a.stream) a.stream, to_json(a)::text FROM watchword.stream_audit a ORDER BY a.stream, a.at DESC");
        await using var reader = await newest.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
            audits[reader.GetString(0)] = JsonSerializer.Deserialize(reader.GetString(1), EventAdminJson.Default.JsonElement);
        return audits;
    }

    private static long? Limit(long limit) => limit <= 0 ? null : limit;

    private static DateTimeOffset? Time(string? text) => text is null ? null : DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);

    // Without a delivery or an acknowledgement, the server leaves the time out.
    private static DateTimeOffset? LastActive(ConsumerInfo info)
    {
        var (delivered, acknowledged) = (info.Delivered.LastActive, info.AckFloor.LastActive);
        var last = delivered > acknowledged ? delivered : acknowledged;
        return last == default ? null : last;
    }
}
