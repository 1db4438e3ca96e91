using Npgsql;
using Watchword.Events.Outbox;
using Watchword.Events.Postgres;
using Watchword.Server.Configuration;

namespace Watchword.Server.Store;

/// <summary>Creates the identity store: the outbox, the server's own tables, Better Auth's where there are none, and the triggers that capture changes.</summary>
internal static class IdentitySchema
{
    // Table, trigger function, operations that change what is published.
    private static readonly (string Table, string Function, string Operations)[] Captured =
    [
        ("user", "capture_user", "insert,update,delete"),
        ("session", "capture_session", "delete"),
        ("account", "capture_row", "insert,update,delete"),
        ("organization", "capture_row", "insert,update,delete"),
        ("member", "capture_member", "insert,update,delete"),
        ("invitation", "capture_row", "insert,update,delete"),
        ("team", "capture_row", "insert,update,delete"),
        ("teamMember", "capture_row", "insert,update,delete"),
        ("organizationRole", "capture_row", "insert,update,delete"),
        ("apikey", "capture_row", "insert,update,delete"),
        ("passkey", "capture_row", "insert,update,delete"),
        ("twoFactor", "capture_row", "insert,update,delete"),
    ];

    private static readonly MigrationSet BetterAuth = Resources("better-auth", "BetterAuth");
    private static readonly MigrationSet Capture = Resources("capture", "Capture");

    private static IReadOnlyList<MigrationSet> OurOwn { get; } = [OutboxSchema.Migrations, Resources("identity", "Schema")];

    /// <summary>Brings a database up to date and returns its tables.</summary>
    /// <param name="database">The identity store.</param>
    /// <param name="schema">Where Better Auth's tables are, or are to be. It is created where it is missing.</param>
    /// <param name="logger">Names what was applied.</param>
    /// <exception cref="StartException">The tables that are there are not whole.</exception>
    /// <exception cref="MigrationException">See <see cref="MigrationRunner"/>.</exception>
    public static async Task<IdentityTables> ApplyAsync(NpgsqlDataSource database, string schema, ILogger logger, CancellationToken ct = default)
    {
        await MigrationRunner.ApplyAsync(database, OurOwn, logger, ct);
        await using var connection = await database.OpenConnectionAsync(ct);
        var tables = await IdentityTables.FindAsync(connection, schema, ct);
        // Only where we made the tables do we change them later.
        if (tables is null || await MigrationRunner.HasAppliedAsync(connection, BetterAuth.Name, ct))
        {
            await MigrationRunner.ApplyAsync(database, [BetterAuth with { Schema = schema }], logger, ct);
            tables = await IdentityTables.FindAsync(connection, schema, ct)
                ?? throw new StartException($"schema {schema} of the identity store has no identity tables, for this database has them in another schema: name that one in {Setting.DatabaseSchema.Key}");
        }
        var functions = tables.Render(Capture.Migrations.Single().Sql);
        var triggers = Captured.Where(c => tables.NameOf(c.Table) is not null)
            .Select(c => $"SELECT watchword.capture('{tables.NameOf(c.Table)!.Replace("'", "''", StringComparison.Ordinal)}', '{c.Function}', '{c.Table}', '{{{c.Operations}}}');");
        var complete = await AreAllTriggersThereAsync(connection, tables, ct);
        await MigrationRunner.ApplyRepeatableAsync(database, Capture.Name, functions + "\n" + string.Join('\n', triggers), complete, logger, ct);
        return tables;
    }

    // A table that was dropped and made again has lost them.
    private static async Task<bool> AreAllTriggersThereAsync(NpgsqlConnection connection, IdentityTables tables, CancellationToken ct)
    {
        var captured = Captured.Where(c => tables.NameOf(c.Table) is not null).ToList();
        await using var command = new NpgsqlCommand("SELECT count(*) FROM pg_trigger WHERE tgrelid = ANY ($1::regclass[]) AND starts_with(tgname, 'watchword_capture_')", connection);
        command.Parameters.Add(new() { Value = captured.Select(c => tables.NameOf(c.Table)!).ToArray() });
        return (long)(await command.ExecuteScalarAsync(ct))! == captured.Sum(c => c.Operations.Split(',').Length + 1);   // and that of TRUNCATE
    }

    private static MigrationSet Resources(string name, string folder) =>
        MigrationSet.FromResources(name, typeof(IdentitySchema).Assembly, "Watchword.Server.Store." + folder);
}
