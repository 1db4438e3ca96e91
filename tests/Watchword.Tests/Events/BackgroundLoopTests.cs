using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Watchword.Events;
using Watchword.Events.JetStream;

namespace Watchword.Tests.Events;

/// <summary>Work in the background goes on, whatever interrupts it, and never takes the process down.</summary>
public class BackgroundLoopTests
{
    private sealed class Loop(Func<int, Exception?> run, ILogger logger) : BackgroundLoop(logger)
    {
        private int _runs;
        public TaskCompletionSource Settled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        protected override TimeSpan RetryDelayMin => TimeSpan.FromMilliseconds(1);
        protected override TimeSpan RetryDelayMax => TimeSpan.FromMilliseconds(2);

        protected override async Task RunAsync(CancellationToken ct)
        {
            if (run(++_runs) is { } failure)
                throw failure;
            Settled.SetResult();
            await Task.Delay(Timeout.Infinite, ct);
        }
    }

    private sealed class HangingLoop(ILogger logger) : BackgroundLoop(logger)
    {
        public ManualResetEventSlim Answer { get; } = new();
        public TaskCompletionSource Begun { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        protected override TimeSpan StopPatience => TimeSpan.FromMilliseconds(50);

        protected override async Task RunAsync(CancellationToken ct)
        {
            await using var cancelled = ct.Register(Answer.Wait);   // as a statement of npgsql's does when its server hangs
            Begun.SetResult();
            await Task.Delay(Timeout.Infinite, ct);
        }
    }

    private sealed class Lines : ILogger
    {
        public ConcurrentQueue<(LogLevel Level, string Text)> Written { get; } = [];
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
        public bool IsEnabled(LogLevel logLevel) => true;
        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Written.Enqueue((logLevel, formatter(state, exception)));
    }

    [Fact]
    public async Task A_server_that_went_away_is_a_warning_and_a_fault_of_ours_an_error()
    {
        var log = new Lines();
        using var loop = new Loop(run => run switch { 1 => new NatsAwayException("late"), 2 => new InvalidOperationException("a fault"), _ => null }, log);
        await loop.StartAsync(default);
        await loop.Settled.Task.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal([LogLevel.Warning, LogLevel.Error], log.Written.Select(l => l.Level));
        Assert.Contains("late", log.Written.First().Text, StringComparison.Ordinal);
        await loop.StopAsync(default);
        Assert.True(loop.ExecuteTask!.IsCompletedSuccessfully);
    }

    [Fact]
    public async Task It_can_be_stopped_twice_and_while_it_waits_to_begin_again()
    {
        using var loop = new Loop(_ => new IOException("away"), new Lines());
        await loop.StartAsync(default);
        await loop.StopAsync(default);
        await loop.StopAsync(default);
        Assert.True(loop.ExecuteTask!.IsCompleted);
        Assert.False(loop.ExecuteTask.IsFaulted);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task One_that_waits_for_a_server_that_does_not_answer_is_left_behind(bool hostHasNoPatience)
    {
        var log = new Lines();
        var loop = new HangingLoop(log);
        await loop.StartAsync(default);
        await loop.Begun.Task;
        await loop.StopAsync(new(canceled: hostHasNoPatience)).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Contains("did not stop in time", Assert.Single(log.Written).Text, StringComparison.Ordinal);
        loop.Answer.Set();
        await loop.ExecuteTask!;
        loop.Dispose();
    }
}
