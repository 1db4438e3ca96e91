using System.Diagnostics;
using System.Threading.Channels;
using Watchword.Server.Local;

namespace Watchword.Tests.Local;

/// <summary>A supervisor whose engine fails to restart. The engine is a process that sleeps.</summary>
public class EngineSupervisorTests
{
    [Fact]
    public async Task It_retries_until_the_engine_is_back()
    {
        var engine = new SleepingEngine();
        var changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var supervisor = new EngineSupervisor(engine, new TestLog(), changed.SetResult);
        await supervisor.StartAsync(TestContext.Current.CancellationToken);
        engine.Failures = 2;

        Native.Signal(supervisor.Pid!.Value, Native.SigKill);
        await changed.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);

        Assert.Equal(4, engine.Starts);
        Assert.NotNull(supervisor.Pid);
    }

    [Fact]
    public async Task It_can_be_disposed_twice_while_the_engine_is_down()
    {
        var engine = new SleepingEngine();
        await using var supervisor = new EngineSupervisor(engine, new TestLog(), () => { });
        await supervisor.StartAsync(TestContext.Current.CancellationToken);
        engine.Failures = int.MaxValue;
        Native.Signal(supervisor.Pid!.Value, Native.SigKill);
        await engine.Failed.Reader.ReadAsync(TestContext.Current.CancellationToken);

        await supervisor.DisposeAsync();
        await supervisor.DisposeAsync();

        Assert.Null(supervisor.Pid);
    }

    [Fact]
    public async Task A_callback_that_throws_does_not_end_it()
    {
        var engine = new SleepingEngine();
        var log = new TestLog();
        await using var supervisor = new EngineSupervisor(engine, log, () => throw new InvalidOperationException("not now"));
        await supervisor.StartAsync(TestContext.Current.CancellationToken);

        for (var starts = 2; starts <= 3; starts++)
        {
            var pid = supervisor.Pid!.Value;
            Native.Signal(pid, Native.SigKill);
            await EngineRoom.UntilAsync(() => supervisor.Pid is { } next && next != pid, "another one");
        }

        Assert.Equal(3, engine.Starts);
        Assert.Contains("not now", log.Text, StringComparison.Ordinal);
    }

    private sealed class SleepingEngine : IEngine
    {
        public string Name => "sleep";
        public int Starts { get; private set; }
        public int Failures { get; set; }
        public Channel<bool> Failed { get; } = Channel.CreateUnbounded<bool>();

        public Task<EngineProcess> StartAsync(CancellationToken cancel)
        {
            Starts++;
            if (Failures-- <= 0)
                return Task.FromResult(new EngineProcess(Process.Start("sleep", ["1000"])));
            Failed.Writer.TryWrite(true);
            throw new LocalEngineException("not yet");
        }

        public Task StopAsync(EngineProcess process) => process.StopAsync(TimeSpan.FromSeconds(5), Native.SigTerm);
    }
}
