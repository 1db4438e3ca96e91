using Microsoft.Extensions.Logging;

namespace Watchword.Nats;

/// <summary>
/// What a pull consumer does when the server is silent or says no: notices missed heartbeats, spaces out further
/// attempts, and finds out whether a consumer that nobody serves still exists.
/// </summary>
internal sealed class PullRecovery(
    JetStream jetStream,
    string stream,
    string consumer,
    ConsumeOptions options,
    Func<bool> isWaiting, // whether the server owes us messages or heartbeats
    Action pullAgain, // gives up all open pulls and pulls anew
    Action<NatsException> end) // ends the consumer for good
    : IAsyncDisposable
{
    /// <summary>After that many 503s in a row the server is asked whether the consumer exists.</summary>
    private const int EscalateAfter = 3;

    private static readonly TimeSpan DelayMax = TimeSpan.FromSeconds(5);

    private readonly TimeSpan _silence = options.Heartbeat * 2;
    private readonly ILogger _log = jetStream.Connection.Log;
    private readonly CancellationTokenSource _stopped = new();
    private readonly Lock _gate = new();
    private Timer? _watchdog;
    private Timer? _retry;
    private Task _check = Task.CompletedTask;
    private long _lastSign = Environment.TickCount64;
    private int _refusals;
    private int _unserved;

    /// <summary>The server said something.</summary>
    public void Sign() => Volatile.Write(ref _lastSign, Environment.TickCount64);

    /// <summary>The server serves this consumer: past refusals are forgotten.</summary>
    public void Served()
    {
        if (_refusals != 0 || _unserved != 0)
            (_refusals, _unserved) = (0, 0);
    }

    /// <summary>The connection is open: the silence is counted from now.</summary>
    public void Resume()
    {
        Sign();
        lock (_gate)
        {
            if (_stopped.IsCancellationRequested)
                return;
            _watchdog ??= new Timer(static me => ((PullRecovery)me!).Watch(), this, Timeout.Infinite, Timeout.Infinite);
            _watchdog.Change(_silence / 4, _silence / 4);
        }
    }

    /// <summary>The connection is away, so silence means nothing and pulling is of no use.</summary>
    public void Pause()
    {
        lock (_gate)
        {
            _watchdog?.Change(Timeout.Infinite, Timeout.Infinite);
            _retry?.Change(Timeout.Infinite, Timeout.Infinite);
        }
    }

    /// <summary>A pull was turned down. Tries again after a while, longer each time.</summary>
    public void Refused(PullAction action, int code, string text)
    {
        var delay = Backoff.Delay(++_refusals, options.RetryDelay, DelayMax);
        _log.PullRefused(stream, consumer, code, text, delay);
        _unserved = action == PullAction.NoResponders ? _unserved + 1 : 0;
        lock (_gate)
        {
            if (_stopped.IsCancellationRequested)
                return;
            _retry ??= new Timer(static me => ((PullRecovery)me!).Retry(), this, Timeout.Infinite, Timeout.Infinite);
            _retry.Change(delay, Timeout.InfiniteTimeSpan);
            if (_unserved >= EscalateAfter)
                CheckExists();
        }
    }

    /// <summary>No more attempts. Safe to call twice.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            _stopped.Cancel();
            _watchdog?.Change(Timeout.Infinite, Timeout.Infinite);
            _retry?.Change(Timeout.Infinite, Timeout.Infinite);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Stop();
        await _check;
        if (_watchdog is not null)
            await _watchdog.DisposeAsync();
        if (_retry is not null)
            await _retry.DisposeAsync();
    }

    private void Watch()
    {
        if (!isWaiting() || Environment.TickCount64 - Volatile.Read(ref _lastSign) <= _silence.TotalMilliseconds)
            return;
        _log.HeartbeatsMissed(stream, consumer, _silence);
        Sign();
        pullAgain();

        // nats-server 2.9 meets a pull from a consumer that is gone with silence, not with a 503.
        lock (_gate)
            CheckExists();
    }

    private void Retry()
    {
        if (!_stopped.IsCancellationRequested)
            pullAgain();
    }

    private void CheckExists()
    {
        if (_check.IsCompleted && !_stopped.IsCancellationRequested)
            _check = CheckExistsAsync();
    }

    /// <summary>Only a plain "there is no such consumer" ends it; no answer proves nothing.</summary>
    private async Task CheckExistsAsync()
    {
        await Task.Yield(); // off the read loop, which the answer needs
        try
        {
            if (await jetStream.FindConsumerAsync(stream, consumer, _stopped.Token) is null)
                end(new JetStreamApiException(404, JetStreamApi.ConsumerNotFound, $"consumer {stream}/{consumer} not found"));
        }
        catch (Exception e) when (e is NatsException or OperationCanceledException)
        {
            // Asked again at the next refusal.
        }
    }
}
