using System.Collections.Concurrent;
using Npgsql;
using NpgsqlTypes;
using Watchword.Events;
using Watchword.Events.JetStream;
using Watchword.Server.Store;

namespace Watchword.Server.Sessions;

/// <summary>
/// The ended sessions whose access tokens may not have expired yet, mirrored in memory: checking a token is a local
/// look-up.
/// </summary>
/// <remarks>
/// The transaction that ends a session writes its row. The mirror reads new rows twice a second, and at once on a
/// <c>logged_out</c> event. If the last read is older than <see cref="Bound"/>, each check asks the database instead.
/// Rows become visible when they are committed, not at their timestamp. The mirror therefore reads on by transaction id,
/// and misses no row however long its transaction took.
/// </remarks>
internal sealed class EndedSessions(NpgsqlDataSource database, IdentityTables tables, JetStreamClient nats, TimeProvider clock, ILogger<EndedSessions> logger) : BackgroundLoop(logger)
{
    /// <summary>How old the last read may be before the mirror is no longer trusted.</summary>
    internal static readonly TimeSpan Bound = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    // A little more than the longest lifetime of an access token.
    private static readonly TimeSpan Kept = TimeSpan.FromHours(25);

    private readonly ConcurrentDictionary<string, DateTime> _ended = new(StringComparer.Ordinal);
    private readonly Signal _hint = new();
    private long _readAt = long.MinValue;
    private ulong? _next;   // the oldest transaction that the last read may have missed
    private bool _failing;

    /// <summary>Whether a session has ended. Asks the database only if the mirror is older than <see cref="Bound"/>.</summary>
    public async ValueTask<bool> HasEndedAsync(string sessionId, CancellationToken ct)
    {
        if (_ended.ContainsKey(sessionId))
            return true;
        var readAt = Interlocked.Read(ref _readAt);
        if (readAt != long.MinValue && clock.GetElapsedTime(readAt) < Bound)
            return false;
        await using var command = database.CreateCommand(tables.Render("SELECT NOT EXISTS (SELECT 1 FROM {session} WHERE id = $1)"));
        command.Parameters.Add(new() { Value = sessionId });
        return (bool)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>Adds a session that this process has just ended, without waiting for the next read.</summary>
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

    // Retries twice a second while the database is unreachable, and logs that once.
    private async Task TryCatchUpAsync(CancellationToken ct)
    {
        try
        {
            await CatchUpAsync(ct);
        }
        catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException)
        {
            if (!_failing)
                logger.EndedSessionsNotRead(e.Message);
            _failing = true;
        }
    }

    private async Task ListenAsync(CancellationToken ct)
    {
        await nats.WaitUntilOpenAsync(ct);   // NATS.Net cannot cancel a subscribe that waits for the connection
        await using var subscription = await nats.Connection.SubscribeCoreAsync<byte[]>("auth.user.logged_out", cancellationToken: ct);
        await foreach (var _ in subscription.Msgs.ReadAllAsync(ct))
            _hint.Pulse();
    }

    /// <summary>Reads the sessions that ended since the last read.</summary>
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
        // Only after the last row: a read that fails halfway is repeated.
        _next = unseen;
        Interlocked.Exchange(ref _readAt, started);
        _failing = false;
        foreach (var (id, knownSince) in _ended)
        {
            if (knownSince < now - Kept)
                _ended.TryRemove(id, out _);
        }
    }
}
