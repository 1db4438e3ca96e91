using System.Diagnostics;
using Watchword.Server.Local;

namespace Watchword.Tests.Local;

/// <summary>What a killed server leaves behind. The server is a process of its own: only that can be killed for real.</summary>
public class LeftoverTests
{
    private const string DataVariable = "WATCHWORD_TEST_LEFTOVER_DATA";

    [Fact]
    public async Task Healthy_engines_of_a_killed_server_are_adopted_and_supervised()
    {
        using var room = new EngineRoom();
        var left = await LeaveBehindAsync(room);

        await using (var engines = await room.StartAsync())
        {
            Assert.Equal((left.NatsPid, left.PostgresPid), (engines.NatsPid, engines.PostgresPid));
            Assert.Equal((left.Nats, left.Database), (engines.NatsUrl, engines.DatabaseUrl));
            Assert.False(File.Exists(Path.Combine(room.Data, "endpoints.json")), "it spoke of the killed server");

            await EngineRoom.UntilChangedAsync(engines, () => Native.Signal(left.NatsPid!.Value, Native.SigKill));
            Assert.Equal(left.Nats, engines.NatsUrl);
            await EngineRoom.UntilChangedAsync(engines, () => Native.Signal(left.PostgresPid!.Value, Native.SigKill));
            Assert.Equal(1, await EngineRoom.QueryAsync<int>(engines.DatabaseUrl, "SELECT 1"));
        }
    }

    [Fact]
    public async Task Adopted_engines_stop_with_their_new_server()
    {
        using var room = new EngineRoom();
        var left = await LeaveBehindAsync(room);

        await (await room.StartAsync()).DisposeAsync();

        Assert.Null(ProcessTable.Look(left.NatsPid!.Value));
        Assert.Null(ProcessTable.Look(left.PostgresPid!.Value));
    }

    [Fact]
    public async Task Engines_that_do_not_answer_are_replaced()
    {
        Assert.SkipWhen(OperatingSystem.IsMacOS(), "the signal's number is Linux's");
        const int stop = 19;
        using var room = new EngineRoom();
        var left = await LeaveBehindAsync(room);
        Native.Signal(left.NatsPid!.Value, stop);
        Native.Signal(left.PostgresPid!.Value, stop);

        await using var engines = await room.StartAsync();

        Assert.NotEqual(left.NatsPid, engines.NatsPid);
        Assert.NotEqual(left.PostgresPid, engines.PostgresPid);
        Assert.Null(ProcessTable.Look(left.NatsPid!.Value));
        Assert.Null(ProcessTable.Look(left.PostgresPid!.Value));
        Assert.Equal(1, await EngineRoom.QueryAsync<int>(engines.DatabaseUrl, "SELECT 1"));
    }

    [Fact]
    public async Task Engines_of_another_folder_are_left_alone()
    {
        using var room = new EngineRoom();
        var left = await LeaveBehindAsync(room);
        var mine = room.Data;
        room.Data = Path.Combine(room.Root, "copy");
        await Command.RunAsync("cp", ["-a", mine, room.Data], cancel: TestContext.Current.CancellationToken);

        await using (var engines = await room.StartAsync(room.NatsOnly))
            Assert.NotEqual(left.NatsPid, engines.NatsPid);

        Assert.NotNull(ProcessTable.Look(left.NatsPid!.Value));
        Assert.NotNull(ProcessTable.Look(left.PostgresPid!.Value));
        room.Data = mine;
        await (await room.StartAsync()).DisposeAsync();
    }

    /// <summary>Not a test: the server that the tests kill. They run it in a process of its own.</summary>
    [Fact(Explicit = true)]
    public async Task Serve_until_killed()
    {
        var data = Environment.GetEnvironmentVariable(DataVariable);
        Assert.SkipWhen(data is null, "run by the other tests");
        var room = new EngineRoom { Data = data };
        room.Dispose(); // The folder of its own, which a killed process could not remove.
        await using var engines = await room.StartAsync();
        new EndpointsFile(data).Write(new()
        {
            Http = "",
            Nats = engines.NatsUrl!,
            Database = engines.DatabaseUrl!,
            TargetDatabase = engines.TargetDatabaseUrl!,
            NatsPid = engines.NatsPid,
            PostgresPid = engines.PostgresPid,
        });
        await Task.Delay(Timeout.Infinite, TestContext.Current.CancellationToken);
    }

    private static async Task<Endpoints> LeaveBehindAsync(EngineRoom room)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "Watchword.Tests");
        var method = $"{typeof(LeftoverTests).FullName}.{nameof(Serve_until_killed)}";
        var info = new ProcessStartInfo(program, ["-method", method, "-explicit", "only"])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            Environment = { [DataVariable] = room.Data },
        };
        using var server = Process.Start(info)!;
        try
        {
            await EngineRoom.UntilAsync(
                () => server.HasExited || File.Exists(Path.Combine(room.Data, "endpoints.json")), "the other server");
            Assert.False(server.HasExited, server.HasExited ? await server.StandardOutput.ReadToEndAsync() : "");
        }
        finally
        {
            server.Kill();
            await server.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        return EndpointsFile.Read(room.Data)!;
    }
}
