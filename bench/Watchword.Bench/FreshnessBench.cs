using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Npgsql;
using Watchword.Server.Store;
using static Watchword.Events.Postgres.DatabaseUrl;

namespace Watchword.Bench;

/// <summary>How long after a commit in the identity store its row stands in the target: the running server, all parts.</summary>
/// <remarks>
/// The clock is this process's: from the commit's answer to the target's notification, sent by a trigger on its users
/// table and so at the commit there. A row that arrives before the commit's answer counts as zero.
/// </remarks>
internal static class FreshnessBench
{
    private const int ChangesPerSecond = 100;
    private const int Warmup = 500;
    private const int Changes = 2_000;
    private const int Registrations = 40;

    public static async Task<IReadOnlyList<Figure>> RunAsync(ServerProcess server, CancellationToken ct)
    {
        await using var identity = IdentityDatabase.Open(ToConnectionString(server.Endpoints.Database), "watchword-bench");
        await using var target = IdentityDatabase.Open(ToConnectionString(server.Endpoints.TargetDatabase), "watchword-bench");
        await using (var trigger = target.CreateCommand("""
            CREATE FUNCTION bench_arrived() RETURNS trigger LANGUAGE plpgsql AS
              $$ BEGIN PERFORM pg_notify('bench_arrived', NEW.auth_id); RETURN NULL; END $$;
            CREATE TRIGGER bench_arrived AFTER INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION bench_arrived();
            """))
            await trigger.ExecuteNonQueryAsync(ct);
        await using var arrivals = await Arrivals.ListenAsync(target, ct);

        await using (var insert = identity.CreateCommand($"""
            INSERT INTO "user" (id, name, email, "emailVerified")
            SELECT 'f' || i, 'User ' || i, 'f' || i || '@example.com', false FROM generate_series(1, {Warmup + Changes}) i
            """))
            await insert.ExecuteNonQueryAsync(ct);
        await arrivals.CountAsync(Warmup + Changes, ct);

        await using var connection = await identity.OpenConnectionAsync(ct);
        await ChangeAsync(connection, arrivals, 1, Warmup, ct);
        var changes = await ChangeAsync(connection, arrivals, Warmup + 1, Changes, ct);

        var registrations = new List<double>();
        for (var i = 0; i < Registrations; i++)
        {
            var id = await server.RegisterAsync($"fresh{i}@example.com", ct);
            registrations.Add(await arrivals.SinceAsync(Stopwatch.GetTimestamp(), id, ct));
        }
        return
        [
            new("commit → row in the target", "ms", changes.Percentiles(p50: 10, p99: 50),
                $"{Changes:#,0} SQL updates of distinct users at {ChangesPerSecond} a second, beside the running server"),
            new("register → row in the target", "ms", registrations.Percentiles(),
                $"{Registrations} POST /auth/register, from the 201 on"),
        ];
    }

    private static async Task<List<double>> ChangeAsync(NpgsqlConnection connection, Arrivals arrivals, int first, int count, CancellationToken ct)
    {
        arrivals.Clear();
        await using var update = new NpgsqlCommand("""UPDATE "user" SET name = name || '!' WHERE id = $1""", connection);
        var id = update.Parameters.Add(new() { Value = "" });
        var committed = new long[count];
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < count; i++)
        {
            var early = TimeSpan.FromSeconds((double)i / ChangesPerSecond) - Stopwatch.GetElapsedTime(start);
            if (early > TimeSpan.FromMilliseconds(0.5))
                await Task.Delay(early, ct);
            id.Value = "f" + (first + i).ToString(CultureInfo.InvariantCulture);
            await update.ExecuteNonQueryAsync(ct);
            committed[i] = Stopwatch.GetTimestamp();
        }
        var latencies = new List<double>(count);
        for (var i = 0; i < count; i++)
            latencies.Add(await arrivals.SinceAsync(committed[i], "f" + (first + i).ToString(CultureInfo.InvariantCulture), ct));
        return latencies;
    }

    /// <summary>Which user's row changed in the target when.</summary>
    private sealed class Arrivals : IAsyncDisposable
    {
        private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

        private readonly ConcurrentDictionary<string, long> _seen = new(StringComparer.Ordinal);
        private readonly CancellationTokenSource _stop = new();
        private readonly NpgsqlConnection _connection;
        private Task _listening = Task.CompletedTask;

        private Arrivals(NpgsqlConnection connection)
        {
            _connection = connection;
            connection.Notification += (_, n) => _seen[n.Payload] = Stopwatch.GetTimestamp();
        }

        public static async Task<Arrivals> ListenAsync(NpgsqlDataSource target, CancellationToken ct)
        {
            var arrivals = new Arrivals(await target.OpenConnectionAsync(ct));
            await using (var listen = new NpgsqlCommand("LISTEN bench_arrived", arrivals._connection))
                await listen.ExecuteNonQueryAsync(ct);
            arrivals._listening = Task.Run(async () =>
            {
                while (true)
                    await arrivals._connection.WaitAsync(arrivals._stop.Token);
            }, ct);
            return arrivals;
        }

        public void Clear() => _seen.Clear();

        public Task CountAsync(int users, CancellationToken ct) => UntilAsync(() => _seen.Count >= users, ct);

        /// <summary>Milliseconds from that moment to the user's arrival.</summary>
        public async Task<double> SinceAsync(long committed, string user, CancellationToken ct)
        {
            await UntilAsync(() => _seen.ContainsKey(user), ct);
            return Math.Max(0, Stopwatch.GetElapsedTime(committed, _seen[user]).TotalMilliseconds);
        }

        private async Task UntilAsync(Func<bool> holds, CancellationToken ct)
        {
            for (var clock = Stopwatch.StartNew(); !holds(); await Task.Delay(1, ct))
                if (clock.Elapsed > Patience || _listening.IsCompleted)
                    throw new InvalidOperationException($"A change did not reach the target within {Patience.TotalSeconds} s.");
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _listening.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await _connection.DisposeAsync();
            _stop.Dispose();
        }
    }
}
