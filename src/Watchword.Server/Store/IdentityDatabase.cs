using Npgsql;
using Watchword.Events.Postgres;
using Watchword.Server.Configuration;

namespace Watchword.Server.Store;

/// <summary>Opens the databases with the settings of a server, and brings the identity store up to date.</summary>
internal static class IdentityDatabase
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(1);

    /// <summary>A pool; what the connection string leaves open is set for a server.</summary>
    /// <param name="connectionString">Npgsql's.</param>
    /// <param name="applicationName">As <c>pg_stat_activity</c> shows it.</param>
    /// <param name="searchPath">The schema of tables that SQL names without one; null: PostgreSQL's default, which depends on the role's name.</param>
    public static NpgsqlDataSource Open(string connectionString, string applicationName, string? searchPath = null)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        Default("Application Name", applicationName);
        if (searchPath is not null)
            Default("Search Path", $"\"{searchPath.Replace("\"", "\"\"", StringComparison.Ordinal)}\"");
        Default("Maximum Pool Size", 40);
        Default("Max Auto Prepare", 64);
        Default("Timeout", 5);
        Default("Command Timeout", 30);
        Default("Keepalive", 30);
        return NpgsqlDataSource.Create(settings);

        void Default(string keyword, object value)
        {
            if (!settings.ContainsKey(keyword) || !new System.Data.Common.DbConnectionStringBuilder { ConnectionString = connectionString }.ContainsKey(keyword))
                settings[keyword] = value;
        }
    }

    /// <summary>Waits up to a minute for the database, then migrates it, writes down who publishes, and returns the tables that it has.</summary>
    /// <exception cref="StartException">It does not answer, refuses us, or cannot be migrated.</exception>
    public static async Task<IdentityTables> PrepareAsync(NpgsqlDataSource database, string schema, string service, string environment, ILogger logger, CancellationToken ct)
    {
        var deadline = DateTime.UtcNow + Patience;
        while (true)
        {
            try
            {
                var tables = await IdentitySchema.ApplyAsync(database, schema, logger, ct);
                await using var publisher = database.CreateCommand(
                    "UPDATE watchword.publisher SET service = $1, version = $2, environment = $3 WHERE (service, version, environment) <> ($1, $2, $3)");
                publisher.Parameters.Add(new() { Value = service });
                publisher.Parameters.Add(new() { Value = typeof(IdentityDatabase).Assembly.GetName().Version!.ToString(3) });
                publisher.Parameters.Add(new() { Value = environment });
                await publisher.ExecuteNonQueryAsync(ct);
                await using var raise = database.CreateCommand("SELECT watchword.raise_position()");
                await raise.ExecuteNonQueryAsync(ct);
                return tables;
            }
            catch (NpgsqlException e) when (e.IsTransient && DateTime.UtcNow < deadline)
            {
                logger.DatabaseNotReady(e.Message);
                await Task.Delay(RetryInterval, ct);
            }
            catch (Exception e) when (e is NpgsqlException or MigrationException)
            {
                throw new StartException($"the identity store (DATABASE_URL) cannot be used: {e.Message}", e);
            }
        }
    }
}
