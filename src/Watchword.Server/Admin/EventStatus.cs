using System.Text.Json;
using Npgsql;
using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Server.Admin;

/// <summary>A stream, as <c>stream status</c> and <c>GET /admin/streams</c> show it.</summary>
/// <param name="MaxMessages">Null: no limit; so are the other two.</param>
/// <param name="FirstTime">Null while it is empty, as is <paramref name="LastTime"/>.</param>
/// <param name="LastAudit">The newest row of <c>watchword.stream_audit</c>; null before the first audit.</param>
internal sealed record StreamStatus(
    string Name, long Messages, long? MaxMessages, long Bytes, long? MaxBytes, double? MaxAgeSeconds,
    ulong FirstSequence, DateTimeOffset? FirstTime, ulong LastSequence, DateTimeOffset? LastTime, int Consumers, JsonElement? LastAudit);

/// <summary>A consumer, as <c>consumer status</c> and <c>GET /admin/consumers</c> show it.</summary>
/// <param name="Pending">Never delivered yet.</param>
/// <param name="AckPending">Delivered, and not yet acknowledged.</param>
/// <param name="LagSeconds">The age of the oldest message that is not done; 0 when all are.</param>
/// <param name="LastActive">The last delivery or acknowledgement; null before the first.</param>
internal sealed record ConsumerStatus(
    string Stream, string Name, bool Durable, long Pending, long AckPending, long Redelivered, double LagSeconds, long WaitingPulls, DateTimeOffset? LastActive);

/// <summary>How streams and consumers stand.</summary>
internal sealed class EventStatus(JetStream jetStream, NpgsqlDataSource? database)
{
    // Its oldest message may be gone by the time it is asked for.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>In the order of their names.</summary>
    public async Task<List<StreamStatus>> StreamsAsync(CancellationToken ct)
    {
        var audits = await AuditsAsync(ct);
        var streams = new List<StreamStatus>();
        await foreach (var stream in jetStream.ListStreamsAsync(ct: ct))
        {
            var (config, state) = (stream.Config, stream.State);
            var any = state.Messages > 0;
            streams.Add(new(config.Name, (long)state.Messages, Limit(config.MaxMessages), (long)state.Bytes, Limit(config.MaxBytes),
                config.MaxAge > TimeSpan.Zero ? config.MaxAge.TotalSeconds : null,
                state.FirstSequence, any ? state.FirstTimestamp : null, state.LastSequence, any ? state.LastTimestamp : null, state.ConsumerCount,
                audits.TryGetValue(config.Name, out var audit) ? audit : null));
        }
        return streams;
    }

    /// <summary>Of all streams, in the order of these and of their own names.</summary>
    public async Task<List<ConsumerStatus>> ConsumersAsync(CancellationToken ct)
    {
        var names = new List<string>();
        await foreach (var stream in jetStream.ListStreamNamesAsync(ct: ct))
            names.Add(stream);
        var consumers = new List<ConsumerStatus>();
        foreach (var stream in names)
        {
            var infos = new List<ConsumerInfo>();
            await foreach (var info in jetStream.ListConsumersAsync(stream, ct))
                infos.Add(info);
            foreach (var info in infos.OrderBy(i => i.Name, StringComparer.Ordinal))
                consumers.Add(new(stream, info.Name, info.Config.DurableName is not null, (long)info.Pending, info.AckPending, info.Redelivered,
                    await LagAsync(info, ct), info.Waiting, Later(info.Delivered.LastActive, info.AckFloor.LastActive)));
        }
        return consumers;
    }

    private async Task<double> LagAsync(ConsumerInfo info, CancellationToken ct)
    {
        if (info is { Pending: 0, AckPending: 0 })
            return 0;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(Patience);
        try
        {
            // Its filter may pass over what lies right behind: only the server knows the next one.
            await using var messages = await jetStream.OrderedConsumeAsync(info.Stream, new()
            {
                DeliverPolicy = DeliverPolicy.ByStartSequence,
                StartSequence = (info.AckPending > 0 ? info.AckFloor.Stream : info.Delivered.Stream) + 1,
                FilterSubject = info.Config.FilterSubject,
                HeadersOnly = true,
                Consume = new() { MaxMessages = 1 },
            }, patience.Token);
            await foreach (var message in messages.ReadAllAsync(patience.Token))
                return Math.Max(0, (DateTimeOffset.UtcNow - message.Timestamp).TotalSeconds);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            // Deleted meanwhile.
        }
        return 0;
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

    private static long? Limit(long limit) => limit < 0 ? null : limit;

    private static DateTimeOffset? Later(DateTimeOffset? one, DateTimeOffset? other) => one is null || other > one ? other : one;
}
