using Npgsql;

namespace Watchword.Bench;

/// <summary>Fills an outbox through the real triggers, with nobody carrying it.</summary>
internal static class Fill
{
    private const int PerTransaction = 10_000;

    /// <summary>Users whose creation left no event.</summary>
    public static async Task SilentUsersAsync(NpgsqlDataSource identity, int count, CancellationToken ct)
    {
        await RunAsync(identity, $"SET LOCAL session_replication_role = replica; {Insert(1, count)}", ct);
        await TidyAsync(identity, ct);
    }

    /// <summary>One user.sync event and one auth.user.registered a user.</summary>
    public static async Task RegisterAsync(NpgsqlDataSource identity, int count, CancellationToken ct)
    {
        for (var first = 1; first <= count; first += PerTransaction)
            await RunAsync(identity, Insert(first, Math.Min(count, first + PerTransaction - 1)), ct);
        await TidyAsync(identity, ct);
    }

    /// <summary>One user.sync event a user and round.</summary>
    public static async Task UpdateAsync(NpgsqlDataSource identity, int users, int rounds, CancellationToken ct)
    {
        for (var round = 0; round < rounds; round++)
            for (var first = 1; first <= users; first += PerTransaction)
                await RunAsync(identity, $"""
                    UPDATE "user" SET name = 'User ' || clock_timestamp()
                    WHERE substr(id, 2)::int BETWEEN {first} AND {first + PerTransaction - 1}
                    """, ct);
        await TidyAsync(identity, ct);
    }

    /// <summary>Users first to last, in one statement.</summary>
    public static string Insert(int first, int last) => $"""
        INSERT INTO "user" (id, name, email, "emailVerified")
        SELECT 'u' || i, 'User ' || i, 'user' || i || '@example.com', false FROM generate_series({first}, {last}) i
        """;

    private static async Task RunAsync(NpgsqlDataSource identity, string sql, CancellationToken ct)
    {
        await using var command = identity.CreateCommand($"BEGIN; SET LOCAL watchword.notify = off; {sql}; COMMIT");
        command.CommandTimeout = 300;
        await command.ExecuteNonQueryAsync(ct);
    }

    // What autovacuum would do meanwhile: not in the middle of a measurement.
    private static async Task TidyAsync(NpgsqlDataSource identity, CancellationToken ct)
    {
        await using var command = identity.CreateCommand("VACUUM ANALYZE");
        command.CommandTimeout = 300;
        await command.ExecuteNonQueryAsync(ct);
    }
}
