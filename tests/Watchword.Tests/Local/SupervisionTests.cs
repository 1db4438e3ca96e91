using Watchword.Server.Local;

namespace Watchword.Tests.Local;

/// <summary>One pair of engines, which the tests kill one after the other.</summary>
public sealed class RunningEngines : IAsyncLifetime
{
    internal EngineRoom Room { get; } = new();
    internal LocalEngines Engines { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Engines = await Room.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await Engines.DisposeAsync();
        Room.Dispose();
    }
}

public class SupervisionTests(RunningEngines running) : IClassFixture<RunningEngines>
{
    private LocalEngines Engines => running.Engines;

    [Fact]
    public async Task Both_engines_are_usable_when_start_returns()
    {
        Assert.Equal("watchword", await EngineRoom.QueryAsync<string>(Engines.DatabaseUrl, "SELECT current_database()::text"));
        Assert.Equal("app", await EngineRoom.QueryAsync<string>(Engines.TargetDatabaseUrl, "SELECT current_database()::text"));
        await EngineRoom.ConnectAsync(Engines.NatsUrl);
        Assert.True(Directory.Exists(Path.Combine(Engines.DataFolder, "nats", "jetstream")));
    }

    [Theory]
    [InlineData("SELECT setting FROM pg_settings WHERE name = 'fsync'", "on")]
    [InlineData("SELECT setting FROM pg_settings WHERE name = 'listen_addresses'", "127.0.0.1")]
    [InlineData("SELECT string_agg(DISTINCT auth_method, ' ') FROM pg_hba_file_rules", "scram-sha-256")]
    [InlineData("SELECT upper('é') || lower('É')", "Éé")]
    public async Task The_database_is_configured_as_for_production(string sql, string answer) =>
        Assert.Equal(answer, await EngineRoom.QueryAsync<string>(Engines.DatabaseUrl, sql));

    [Fact]
    public async Task A_killed_nats_server_comes_back_on_its_port()
    {
        var (url, pid) = (Engines.NatsUrl, Engines.NatsPid!.Value);

        await EngineRoom.UntilChangedAsync(Engines, () => Native.Signal(pid, Native.SigKill));

        Assert.Equal(url, Engines.NatsUrl);
        Assert.NotEqual(pid, Engines.NatsPid);
        await EngineRoom.ConnectAsync(url);
    }

    [Fact]
    public async Task A_killed_postgres_comes_back_with_its_data()
    {
        var (url, pid) = (Engines.DatabaseUrl, Engines.PostgresPid!.Value);
        await EngineRoom.QueryAsync<object>(url, "CREATE TABLE kept AS SELECT 42 AS answer");

        await EngineRoom.UntilChangedAsync(Engines, () => Native.Signal(pid, Native.SigKill));

        Assert.Equal(url, Engines.DatabaseUrl);
        Assert.NotEqual(pid, Engines.PostgresPid);
        Assert.Equal(42, await EngineRoom.QueryAsync<int>(url, "SELECT answer FROM kept"));
    }

    [Fact]
    public async Task A_busy_session_of_a_killed_postgres_does_not_block_the_new_one()
    {
        var pid = Engines.PostgresPid!.Value;
        // While it computes it does not notice that its postmaster has died.
        var busy = EngineRoom.QueryAsync<object>(Engines.DatabaseUrl, "SELECT count(*) FROM generate_series(1, 100000000000)");
        await EngineRoom.UntilAsync(
            () => Leftovers.Find("postgres", Path.Combine(Engines.DataFolder, "postgres"), pid).Count > 1, "a session");

        await EngineRoom.UntilChangedAsync(Engines, () => Native.Signal(pid, Native.SigKill));

        await Assert.ThrowsAnyAsync<Exception>(() => busy);
        Assert.Equal(1, await EngineRoom.QueryAsync<int>(Engines.DatabaseUrl, "SELECT 1"));
    }

    [Fact]
    public async Task A_suspended_nats_server_does_not_count_as_dead()
    {
        const int stop = 19;
        Assert.SkipWhen(OperatingSystem.IsMacOS(), "the signal's number is Linux's");
        var pid = Engines.NatsPid!.Value;
        Native.Signal(pid, stop);
        try
        {
            // The restart of the other engine gives a wrong supervisor time to show itself.
            await EngineRoom.UntilChangedAsync(Engines, () => Native.Signal(Engines.PostgresPid!.Value, Native.SigKill));
            Assert.Equal(pid, Engines.NatsPid);
        }
        finally
        {
            Native.Signal(pid, Native.SigCont);
        }

        await EngineRoom.ConnectAsync(Engines.NatsUrl);
        Assert.Equal(pid, Engines.NatsPid);
    }

    [Fact]
    public async Task Ctrl_C_in_the_terminal_reaches_the_server_alone()
    {
        foreach (var pid in new[] { Engines.NatsPid!.Value, Engines.PostgresPid!.Value })
        {
            var answer = await Command.RunAsync("ps", ["-o", "pgid=", "-p", $"{pid}"], cancel: TestContext.Current.CancellationToken);
            Assert.Equal($"{pid}", answer.Output.Trim());
        }
    }

    [Fact]
    public async Task A_second_server_on_the_same_folder_fails_and_names_the_first()
    {
        var error = await running.Room.FailsAsync(running.Room.Options);

        Assert.Contains($"pid {Environment.ProcessId}", error.Message, StringComparison.Ordinal);
        Assert.Contains("WATCHWORD_DATA", error.Message, StringComparison.Ordinal);
        Assert.Equal(1, await EngineRoom.QueryAsync<int>(Engines.DatabaseUrl, "SELECT 1"));
    }
}
