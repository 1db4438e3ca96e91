using System.Collections.Concurrent;
using Npgsql;
using NpgsqlTypes;
using Watchword.Events;
using Watchword.Events.JetStream;

namespace Watchword.Server.Sessions;

/// <summary>
/// The sessions that ended while an access token of theirs may still be alive, mirrored in this process: checking a
/// token costs a local look-up.
/// </summary>
/// <remarks>
/// The rows are written in the transaction that ends the session; reading them again is the truth, the
/// <c>logged_out</c> events are hints to do so at once. A mirror older than its bound is not asked: the database is.
/// Rows become visible at their commit, not at their time: what is read next is told by transaction ids, so that no
/// transaction is too long to be seen.
/// </remarks>
internal sealed class EndedSessions(NpgsqlDataSource database, JetStreamClient nats, TimeProvider clock, ILogger<EndedSessions> logger) : BackgroundLoop(logger)
{
    /// <summary>The oldest that the mirror may be to be believed.</summary>
    internal static readonly TimeSpan Bound = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    // The longest lifetime of an access token, and some.
    private static readonly TimeSpan Kept = TimeSpan.FromHours(25);

    private readonly ConcurrentDictionary<string, DateTime> _ended = new(StringComparer.Ordinal);
    private readonly Signal _hint = new();
    private long _readAt = long.MinValue;
    private ulong? _next;   // the oldest transaction that the last read may not have seen
    private bool _interrupted;

    /// <summary>Whether a session has ended. Asks the database only while the mirror is older than its bound.</summary>
    public async ValueTask<bool> HasEndedAsync(string sessionId, CancellationToken ct)
    {
        if (_ended.ContainsKey(sessionId))
            return true;
        var readAt = Interlocked.Read(ref _readAt);
        if (readAt != long.MinValue && clock.GetElapsedTime(readAt) < Bound)
            return false;
        await using var command = database.CreateCommand("""SELECT NOT EXISTS (SELECT 1 FROM session WHERE id = $1)""");
        command.Parameters.Add(new() { Value = sessionId });
        return (bool)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>Known at once in the process that ended it.</summary>
    public void Add(string sessionId) => _ended[sessionId] = clock.GetUtcNow().UtcDateTime;

    protected override TimeSpan RetryDelayMax => Interval;

    protected override async Task RunAsync(CancellationToken ct)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var listening = ListenAsync(ending.Token);
        try
        {
            while (!listening.IsCompleted)
            {
                await TryCatchUpAsync(ct);
                await _hint.WaitAsync(Interval, ct);
            }
            await listening;
        }
        finally
        {
            await ending.CancelAsync();
            await listening.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // Twice a second also while the database is away, but told once.
    private async Task TryCatchUpAsync(CancellationToken ct)
    {
        try
        {
            await CatchUpAsync(ct);
        }
        catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException)
        {
            if (!_interrupted)
                logger.MirrorInterrupted(e.Message);
            _interrupted = true;
        }
    }

    private async Task ListenAsync(CancellationToken ct)
    {
        await nats.WaitUntilOpenAsync(ct);   // NATS.Net cannot cancel a subscribe that waits for the connection
        await using var subscription = await nats.Connection.SubscribeCoreAsync<byte[]>("auth.user.logged_out", cancellationToken: ct);
        await foreach (var _ in subscription.Msgs.ReadAllAsync(ct))
            _hint.Pulse();
    }

    /// <summary>Reads what ended since the last time.</summary>
    internal async Task CatchUpAsync(CancellationToken ct)
    {
        var started = clock.GetTimestamp();
        await using var command = database.CreateCommand($"""
            SELECT pg_snapshot_xmin(pg_current_snapshot()), e.session_id
            FROM (SELECT 1) one LEFT JOIN watchword.ended_session e ON {(_next is null ? "e.ended_at > clock_timestamp() - $1" : "e.ended_by >= $1")}
            """);
        command.Parameters.Add(_next is { } next ? new() { Value = next, NpgsqlDbType = NpgsqlDbType.Xid8 } : new() { Value = Kept });
        await using var reader = await command.ExecuteReaderAsync(ct);
        var now = clock.GetUtcNow().UtcDateTime;
        ulong? unseen = null;
        while (await reader.ReadAsync(ct))
        {
            unseen = reader.GetFieldValue<ulong>(0);
            if (!reader.IsDBNull(1))
                _ended.TryAdd(reader.GetString(1), now);
        }
        // Only after the last row: a read that breaks off is begun anew.
        _next = unseen;
        Interlocked.Exchange(ref _readAt, started);
        _interrupted = false;
        foreach (var (id, knownSince) in _ended)
        {
            if (knownSince < now - Kept)
                _ended.TryRemove(id, out _);
        }
    }
}
