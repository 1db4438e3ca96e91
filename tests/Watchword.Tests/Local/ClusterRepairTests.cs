using System.Globalization;
using Watchword.Server.Local;

namespace Watchword.Tests.Local;

/// <summary>A stopped cluster with a row in it. Each test damages it in another way.</summary>
public sealed class StoppedCluster : IAsyncLifetime
{
    internal EngineRoom Room { get; } = new();
    internal string Folder => Path.Combine(Room.Data, "postgres");
    private int PortAtFirst { get; set; }

    public async ValueTask InitializeAsync()
    {
        await using var engines = await Room.StartAsync(Room.PostgresOnly);
        await EngineRoom.QueryAsync<object>(engines.DatabaseUrl, "CREATE TABLE kept AS SELECT 42 AS answer");
        PortAtFirst = new Uri(engines.DatabaseUrl!).Port;
    }

    internal async Task StartsWithItsDataAsync()
    {
        await using var engines = await Room.StartAsync(Room.PostgresOnly);
        Assert.Equal(42, await EngineRoom.QueryAsync<int>(engines.DatabaseUrl, "SELECT answer FROM kept"));
        Assert.Equal(PortAtFirst, new Uri(engines.DatabaseUrl!).Port);
    }

    public ValueTask DisposeAsync()
    {
        Room.Dispose();
        return ValueTask.CompletedTask;
    }
}

public class ClusterRepairTests(StoppedCluster stopped) : IClassFixture<StoppedCluster>
{
    [Fact]
    public async Task A_pid_file_that_names_another_program_is_removed_and_the_program_left_alone()
    {
        var file = Path.Combine(stopped.Folder, "postmaster.pid");
        await File.WriteAllTextAsync(
            file,
            $"{Environment.ProcessId}\n{stopped.Folder}\n1700000000\n5432\n\n127.0.0.1\n  5432001 65537\nready\n",
            TestContext.Current.CancellationToken);

        await stopped.StartsWithItsDataAsync();

        Assert.Contains("Removed the stale " + file, stopped.Room.Log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lost_password_is_replaced()
    {
        File.Delete(Path.Combine(stopped.Room.Data, "secrets", "postgres-password"));
        await stopped.StartsWithItsDataAsync();
    }

    [Fact]
    public async Task A_password_that_does_not_match_is_replaced()
    {
        await File.WriteAllTextAsync(
            Path.Combine(stopped.Room.Data, "secrets", "postgres-password"), "another", TestContext.Current.CancellationToken);
        await stopped.StartsWithItsDataAsync();
    }

    [Fact]
    public async Task Loose_permissions_are_tightened()
    {
        File.SetUnixFileMode(stopped.Folder, File.GetUnixFileMode(stopped.Folder) | UnixFileMode.OtherRead);
        await stopped.StartsWithItsDataAsync();
    }

    [Fact]
    public async Task A_cluster_of_another_user_is_an_error_that_says_how_to_hand_it_over()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root can give files to another user");
        await GiveAsync("0");
        var error = await stopped.Room.FailsAsync(stopped.Room.PostgresOnly);
        await GiveAsync("postgres");

        Assert.Contains("sudo chown -R postgres " + stopped.Folder, error.Message, StringComparison.Ordinal);
        await stopped.StartsWithItsDataAsync();

        async Task GiveAsync(string user)
        {
            var answer = await Command.RunAsync("chown", ["-R", user, stopped.Folder], cancel: TestContext.Current.CancellationToken);
            Assert.Equal(0, answer.ExitCode);
        }
    }

    [Fact]
    public async Task A_cluster_of_another_version_is_an_error_that_names_the_package()
    {
        var file = Path.Combine(stopped.Folder, "PG_VERSION");
        var cancel = TestContext.Current.CancellationToken;
        var version = await File.ReadAllTextAsync(file, cancel);
        await File.WriteAllTextAsync(file, "11\n", cancel);

        var error = await stopped.Room.FailsAsync(stopped.Room.PostgresOnly);
        await File.WriteAllTextAsync(file, version, cancel);

        Assert.Contains("written by PostgreSQL 11", error.Message, StringComparison.Ordinal);
        Assert.Contains("postgresql-11", error.Message, StringComparison.Ordinal);
        await stopped.StartsWithItsDataAsync();
    }

    [Fact]
    public async Task An_engine_that_fails_to_start_is_quoted()
    {
        var file = Path.Combine(stopped.Folder, "postgresql.conf");
        var cancel = TestContext.Current.CancellationToken;
        var settings = await File.ReadAllTextAsync(file, cancel);
        await File.WriteAllTextAsync(file, settings + "max_connections = many\n", cancel);

        var error = await stopped.Room.FailsAsync(stopped.Room.PostgresOnly);
        await File.WriteAllTextAsync(file, settings, cancel);

        Assert.Contains("max_connections", error.Message, StringComparison.Ordinal);
        Assert.Contains("postgres.log", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_that_another_program_took_is_replaced()
    {
        var kept = int.Parse(
            await File.ReadAllTextAsync(Path.Combine(stopped.Room.Data, "postgres.port"), TestContext.Current.CancellationToken),
            CultureInfo.InvariantCulture);
        using var other = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, kept);
        other.Start();

        await using (var engines = await stopped.Room.StartAsync(stopped.Room.PostgresOnly))
            Assert.NotEqual(kept, new Uri(engines.DatabaseUrl!).Port);

        other.Stop();
        await File.WriteAllTextAsync(
            Path.Combine(stopped.Room.Data, "postgres.port"), $"{kept}", TestContext.Current.CancellationToken);
    }
}
