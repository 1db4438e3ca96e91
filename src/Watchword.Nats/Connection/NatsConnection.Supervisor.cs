using System.Diagnostics;

namespace Watchword.Nats;

/// <content>Keeping the connection, and making it again.</content>
public sealed partial class NatsConnection
{
    // A session that lasts shorter than this counts as one more failed attempt.
    private static readonly TimeSpan Stable = TimeSpan.FromSeconds(2);

    // An outage is many attempts, of which the same words are logged no more often than this.
    private static readonly TimeSpan LogInterval = TimeSpan.FromSeconds(10);

    private byte[] _unsent = [];
    private (string Reason, long At) _logged = ("", 0);

    /// <summary>Why the last attempt or session ended; null while all is well.</summary>
    public NatsException? LastError { get; private set; }

    private async Task SuperviseAsync(Task<NatsException>? run)
    {
        var failures = 0;
        var started = Stopwatch.GetTimestamp();
        var refused = false;
        try
        {
            while (!_disposed.IsCancellationRequested)
            {
                if (run is null)
                {
                    SetState(Server is null ? NatsConnectionState.Connecting : NatsConnectionState.Reconnecting);
                    await PauseAsync(failures);
                    try
                    {
                        run = Open(await _connector.ConnectAsync(_disposed.Token));
                        (started, refused) = (Stopwatch.GetTimestamp(), false);
                    }
                    catch (NatsConnectException e)
                    {
                        LastError = e;
                        LogFailure(++failures, e.Message);
                        if (e.IsAuthentication && refused)
                        {
                            if (!Options.RetryRefusedCredentials)
                            {
                                Stop(e);
                                return;
                            }

                            FailWaiters(e);
                        }

                        refused = e.IsAuthentication;
                        continue;
                    }
                }

                Closed(await run);
                run = null;

                // A server that accepts us and then throws us out must not be asked in a tight circle.
                failures = Stopwatch.GetElapsedTime(started) > Stable ? 0 : failures + 1;
            }
        }
        catch (OperationCanceledException) when (_disposed.IsCancellationRequested)
        {
            // Disposed while waiting or connecting.
        }
        catch (Exception e)
        {
            // A defect in this client. It must not look like a connection that is merely away.
            Log.SupervisorFailed(e);
            Stop(new NatsException("The connection has failed for good.", isTransient: false, e));
            throw;
        }
    }

    private void LogFailure(int attempt, string reason)
    {
        if (attempt > 1 && reason == _logged.Reason && Stopwatch.GetElapsedTime(_logged.At) < LogInterval)
            return;
        _logged = (reason, Stopwatch.GetTimestamp());
        Log.ConnectFailed(attempt, reason);
    }

    private async Task PauseAsync(int failures)
    {
        var delay = Backoff.Delay(failures, Options.ReconnectDelayMin, Options.ReconnectDelayMax);
        if (delay > TimeSpan.Zero)
            await Task.Delay(delay, _disposed.Token);
    }

    /// <summary>Puts a session into service: first the subscriptions, then what the last one could not send, then everyone's writes.</summary>
    private Task<NatsException> Open(Session session)
    {
        var again = Server is not null;
        _servers.Use(session.Server);
        _servers.Learn(session.Info);
        Server = session.Info;
        LastError = null;
        Subscription[] subscriptions;
        lock (_gate)
        {
            subscriptions = [.. _subscriptions.Values.OrderBy(s => s.Sid)];
            foreach (var subscription in subscriptions)
                session.Outbound.TryAppend(subscription.Command());
            session.Outbound.TryAppend(UnsentCommands.Within(_unsent, session.Info.MaxPayload));
            _unsent = [];
            _session = session;
            if (_disposed.IsCancellationRequested)
                session.Abort(new NatsDisconnectedException("The connection was disposed."));
        }

        Address = session.Server;
        if (again)
        {
            ReconnectCount++;
            NatsTelemetry.Reconnected(this);
        }

        Log.Connected(session.Server, session.Info.ServerName, session.Info.Version, ReconnectCount);
        foreach (var subscription in subscriptions)
            subscription.Receiver.OnOpen();
        State = NatsConnectionState.Open;

        // Only now, so that nobody is handed a message by a connection that calls itself closed; but before the handlers
        // of the news, of which one may wait for an answer.
        var run = session.RunAsync();
        Tell(StateChanged, NatsConnectionState.Open);
        lock (_gate)
            _open.TrySetResult();
        return run;
    }

    /// <summary>Takes a session out of service and tells everyone who waits for something from it.</summary>
    private void Closed(NatsException reason)
    {
        lock (_gate)
        {
            _unsent = _session?.Outbound.Unsent() ?? [];
            _session = null;
            if (_open.Task.IsCompleted)
                _open = NewSignal();
        }

        LastError = reason;
        if (!_disposed.IsCancellationRequested)
            Log.Disconnected(reason.InnerException is { } inner ? $"{reason.Message} {inner.Message}" : reason.Message);
        foreach (var (_, subscription) in _subscriptions)
            subscription.Receiver.OnDisconnected(reason);
    }

    /// <summary>Gives up for good: whoever waits or comes later is told why.</summary>
    private void Stop(NatsException reason)
    {
        LastError = _stopped = reason;
        Log.Stopped(reason.Message);
        FailWaiters(reason, forGood: true);
        End(reason);
        SetState(NatsConnectionState.Closed);
    }

    private void FailWaiters(NatsException reason, bool forGood = false)
    {
        lock (_gate)
        {
            _open.TrySetException(reason);
            _ = _open.Task.Exception; // nobody may be waiting
            if (!forGood)
                _open = NewSignal();
        }
    }

    private void SetState(NatsConnectionState state)
    {
        if (State == state)
            return;
        State = state;
        Tell(StateChanged, state);
    }

    private void Tell<T>(Action<T>? handlers, T news)
    {
        try
        {
            handlers?.Invoke(news);
        }
        catch (Exception e)
        {
            Log.HandlerFailed(e);
        }
    }
}
