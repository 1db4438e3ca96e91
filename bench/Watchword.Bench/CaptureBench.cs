using System.Diagnostics;
using Npgsql;

namespace Watchword.Bench;

/// <summary>What the triggers add to a statement, beside the same statement without them.</summary>
internal static class CaptureBench
{
    private const int Users = 100_000;
    private const int Rounds = 3;
    private const int Single = 1_000;

    private const string Silent = "SET LOCAL session_replication_role = replica;";

    public static IReadOnlyList<string> Parts { get; } = ["bulk", "single", "backlog"];

    public static async Task<IReadOnlyList<Figure>> RunAsync(IReadOnlyCollection<string> parts, CancellationToken ct)
    {
        await using var bench = await Workbench.StartAsync(ct);
        var figures = new List<Figure>();
        if (parts.Contains("bulk"))
            figures.AddRange(await Progress.ShowAsync("statements over many rows", () => BulkAsync(bench, ct)));
        if (parts.Contains("single"))
            figures.Add(await Progress.ShowAsync("an update of one row", () => SingleAsync(bench, ct)));
        if (parts.Contains("backlog"))
            figures.Add(await Progress.ShowAsync("the relay behind a large backlog", () => BacklogBench.RunAsync(bench, ct)));
        return figures;
    }

    private static async Task<IReadOnlyList<Figure>> BulkAsync(Workbench bench, CancellationToken ct)
    {
        var identity = await bench.IdentityAsync("capture_bulk", ct);
        List<double> inserts = [], updates = [];
        for (var round = 0; round <= Rounds; round++)   // the first warms up
        {
            inserts.Add(await RatioAsync(Fill.Insert(1, Users), """DELETE FROM "user" """));
            await RunAsync(identity, $"{Silent} {Fill.Insert(1, Users)}", ct);
            updates.Add(await RatioAsync("""UPDATE "user" SET name = name || '!'""", null));
            await RunAsync(identity, $"""{Silent} DELETE FROM "user" """, ct);
        }
        await bench.DropAsync(identity, ct);
        return
        [
            new("UPDATE with capture", "× without", [new("median", updates[1..].Percentile(0.5), AtMost: 5), new("min", updates[1..].Min()), new("max", updates[1..].Max())],
                $"one statement over {Users:#,0} users, beside the same without triggers; {Rounds} rounds"),
            new("INSERT with capture", "× without", [new("median", inserts[1..].Percentile(0.5), AtMost: 5), new("min", inserts[1..].Min()), new("max", inserts[1..].Max())],
                $"one statement of {Users:#,0} users, beside the same without triggers; {Rounds} rounds"),
        ];

        async Task<double> RatioAsync(string sql, string? undo)
        {
            var bare = await RunAsync(identity, $"{Silent} {sql}", ct);
            if (undo is not null)
                await RunAsync(identity, $"{Silent} {undo}", ct);
            await RunAsync(identity, null, ct);
            var captured = await RunAsync(identity, sql, ct);
            if (undo is not null)
                await RunAsync(identity, $"{Silent} {undo}", ct);
            await RunAsync(identity, $"{Silent} TRUNCATE watchword.outbox, watchword.entity_version", ct);
            await RunAsync(identity, null, ct);
            return captured / bare;
        }
    }

    private static async Task<Figure> SingleAsync(Workbench bench, CancellationToken ct)
    {
        var identity = await bench.IdentityAsync("capture_single", ct);
        await Fill.SilentUsersAsync(identity, Users, ct);
        await using var captured = await identity.OpenConnectionAsync(ct);
        await using var quiet = await identity.OpenConnectionAsync(ct);
        await using (var off = new NpgsqlCommand("SET watchword.notify = off", quiet))
            await off.ExecuteNonQueryAsync(ct);
        await using var bare = await identity.OpenConnectionAsync(ct);
        await using (var silence = new NpgsqlCommand("SET session_replication_role = replica", bare))
            await silence.ExecuteNonQueryAsync(ct);
        List<double> with = [], withoutNotify = [], without = [];
        for (var i = 0; i < Single + 100; i++)
        {
            without.Add(await UpdateAsync(bare, i));
            with.Add(await UpdateAsync(captured, i));
            withoutNotify.Add(await UpdateAsync(quiet, i));
        }
        await captured.CloseAsync();
        await quiet.CloseAsync();
        await bare.CloseAsync();
        await bench.DropAsync(identity, ct);
        var (p, o, q) = (with[100..].Percentile(0.5), withoutNotify[100..].Percentile(0.5), without[100..].Percentile(0.5));
        return new("one-row UPDATE with capture", "ms", [new("added", p - q, AtMost: 0.15), new("by the server", o - q), new("without", q)],
            $"medians of {Single:#,0} transactions each, alternating; the server's own transactions send no NOTIFY");

        async Task<double> UpdateAsync(NpgsqlConnection connection, int i)
        {
            await using var command = new NpgsqlCommand("""UPDATE "user" SET name = name || '!' WHERE id = $1""", connection);
            command.Parameters.Add(new() { Value = $"u{1 + i % Users}" });
            await command.PrepareAsync(ct);
            var start = Stopwatch.GetTimestamp();
            await command.ExecuteNonQueryAsync(ct);
            return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }
    }

    // Returns milliseconds. Without a statement it tidies up, as autovacuum would at some other time.
    private static async Task<double> RunAsync(NpgsqlDataSource identity, string? sql, CancellationToken ct)
    {
        await using var command = identity.CreateCommand(sql is null ? "VACUUM ANALYZE" : $"BEGIN; SET LOCAL watchword.notify = off; {sql}; COMMIT");
        command.CommandTimeout = 300;
        var start = Stopwatch.GetTimestamp();
        await command.ExecuteNonQueryAsync(ct);
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}
