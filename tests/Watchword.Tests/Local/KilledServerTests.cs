using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using Watchword.Server.Local;

namespace Watchword.Tests.Local;

/// <summary>A real server with private engines is killed with SIGKILL: no code of its own runs, only the kernel closes its files.</summary>
public sealed class KilledServerTests : IAsyncDisposable
{
    private static readonly TimeSpan Seconds = TimeSpan.FromSeconds(10);

    private const UnixFileMode Reachable =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    private readonly ServerProcess _server = new(
        ("NATS_PORT", $"{Ports.Any()}"), ("DATABASE_URL", ""), ("TARGET_DATABASE_URL", ""), ("NATS_URL", ""));

    private readonly string _data;

    public KilledServerTests()
    {
        _data = Native.RealPath(_server.DataFolder);
        // If the tests run as root, PostgreSQL runs as another user.
        File.SetUnixFileMode(_data, Reachable);
    }

    private string Nats => Path.Combine(_data, "nats");
    private string Postgres => Path.Combine(_data, "postgres");

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Its_engines_end_with_it_and_the_next_start_has_the_data()
    {
        var first = await StartAsync();
        using var registered = await PostAsync("/auth/register", new { email = "ada@example.com", password = "password123", name = "Ada" });
        registered.EnsureSuccessStatusCode();

        var clock = Stopwatch.StartNew();
        await _server.KillAsync();
        await EngineRoom.UntilAsync(() => !Runs(first), "the end of both engines");
        Assert.True(clock.Elapsed < Seconds, $"they ended after {clock.Elapsed}");
        Assert.False(File.Exists(Path.Combine(Postgres, "postmaster.pid")), "PostgreSQL did not shut down cleanly");

        await StartAsync();
        using var login = await PostAsync("/auth/login", new { email = "ada@example.com", password = "password123" });
        login.EnsureSuccessStatusCode();
        Assert.DoesNotContain("left running", _server.Output, StringComparison.Ordinal);
        Assert.Equal(0, await _server.StopAsync());
    }

    [Fact]
    public async Task Engines_that_survive_it_are_stopped_by_the_next_start()
    {
        const int stop = 19;
        Assert.SkipWhen(OperatingSystem.IsMacOS(), "the signal's number is Linux's");
        var first = await StartAsync();
        // A suspended engine cannot act on its watchdog's signal.
        Native.Signal(first.NatsPid!.Value, stop);
        Native.Signal(first.PostgresPid!.Value, stop);
        await _server.KillAsync();
        Assert.True(Leftovers.Runs(first.NatsPid.Value, "nats-server", Nats));
        Assert.True(Leftovers.Runs(first.PostgresPid.Value, "postgres", Postgres));

        var second = await StartAsync();

        Assert.False(Runs(first));
        Assert.NotEqual(first.NatsPid, second.NatsPid);
        Assert.NotEqual(first.PostgresPid, second.PostgresPid);
        Assert.Equal(1, await EngineRoom.QueryAsync<int>(second.Database, "SELECT 1"));
        Assert.Contains($"Stopping nats-server (pid {first.NatsPid}), which an earlier start left running", _server.Output, StringComparison.Ordinal);
        Assert.Contains($"Stopping postgres (pid {first.PostgresPid}), which an earlier start left running", _server.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Engines_of_another_data_folder_are_left_alone()
    {
        var others = await StartAsync();
        using var copy = new EngineRoom();
        var answer = await Command.RunAsync("cp", ["-a", _data, copy.Data], cancel: TestContext.Current.CancellationToken);
        Assert.Equal(0, answer.ExitCode);

        // Its pid files name the engines of the other folder.
        await using (var engines = await copy.StartAsync())
            Assert.NotEqual((others.NatsPid, others.PostgresPid), (engines.NatsPid, engines.PostgresPid));

        Assert.True(Leftovers.Runs(others.NatsPid!.Value, "nats-server", Nats));
        Assert.True(Leftovers.Runs(others.PostgresPid!.Value, "postgres", Postgres));
        Assert.Equal(1, await EngineRoom.QueryAsync<int>(others.Database, "SELECT 1"));
    }

    private async Task<Endpoints> StartAsync()
    {
        await _server.StartAsync();
        return EndpointsFile.Read(_data)!;
    }

    private bool Runs(Endpoints endpoints) =>
        Leftovers.Runs(endpoints.NatsPid!.Value, "nats-server", Nats) || Leftovers.Runs(endpoints.PostgresPid!.Value, "postgres", Postgres);

    private Task<HttpResponseMessage> PostAsync(string path, object body) =>
        _server.Http.PostAsJsonAsync(path, body, JsonSerializerOptions.Web, TestContext.Current.CancellationToken);
}
