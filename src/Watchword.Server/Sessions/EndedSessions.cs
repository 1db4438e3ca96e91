using System.Collections.Concurrent;
using Npgsql;
using Watchword.Events;
using Watchword.Nats;

namespace Watchword.Server.Sessions;

/// <summary>
/// The sessions that ended while an access token of theirs may still be alive, mirrored in this process: checking a
/// token costs a local look-up.
/// </summary>
/// <remarks>
/// The rows are written in the transaction that ends the session; reading them again is the truth, the
/// <c>logged_out</c> events are hints to do so at once. A mirror older than its bound is not asked: the database is.
/// </remarks>
internal sealed class EndedSessions(NpgsqlDataSource database, NatsConnection nats, TimeProvider clock, ILogger<EndedSessions> logger) : BackgroundService
{
    /// <summary>The oldest that the mirror may be to be believed.</summary>
    internal static readonly TimeSpan Bound = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    // The longest lifetime of an access token, and some.
    private static readonly TimeSpan Kept = TimeSpan.FromHours(25);

    // Rows become visible at their commit, not at their time: each read looks back further than a transaction lasts.
    private static readonly TimeSpan Overlap = TimeSpan.FromSeconds(60);

    private readonly ConcurrentDictionary<string, DateTime> _ended = new(StringComparer.Ordinal);
    private readonly Signal _hint = new();
    private long _readAt = long.MinValue;
    private DateTime _readTo = DateTime.MinValue;

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

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var listening = ListenAsync(stoppingToken);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await CatchUpAsync(stoppingToken);
            }
            catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException)
            {
                logger.MirrorInterrupted(e.Message);
            }
            await _hint.WaitAsync(Interval, stoppingToken);
        }
        await listening;
    }

    private async Task ListenAsync(CancellationToken ct)
    {
        try
        {
            await using var subscription = await nats.SubscribeAsync("auth.user.logged_out", ct: ct);
            await foreach (var _ in subscription.ReadAllAsync(ct))
                _hint.Pulse();
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
        }
    }

    private async Task CatchUpAsync(CancellationToken ct)
    {
        var started = clock.GetTimestamp();
        await using var command = database.CreateCommand("SELECT session_id, ended_at, clock_timestamp() FROM watchword.ended_session WHERE ended_at > $1");
        command.Parameters.Add(new() { Value = _readTo == DateTime.MinValue ? clock.GetUtcNow().UtcDateTime - Kept : _readTo - Overlap });
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            _ended[reader.GetString(0)] = reader.GetDateTime(1);
            _readTo = reader.GetDateTime(1) > _readTo ? reader.GetDateTime(1) : _readTo;
        }
        Interlocked.Exchange(ref _readAt, started);
        var forget = clock.GetUtcNow().UtcDateTime - Kept;
        foreach (var (id, endedAt) in _ended)
        {
            if (endedAt < forget)
                _ended.TryRemove(id, out _);
        }
    }
}
