using System.Diagnostics;

namespace Watchword.Nats;

/// <content>Making the connection, keeping it, and making it again.</content>
public sealed partial class NatsConnection
{
    private TaskCompletionSource _open = NewSignal();
    private Task? _supervisor;
    private bool _connecting;

    /// <summary>Why the last attempt or session ended; null while all is well.</summary>
    public NatsException? LastError { get; private set; }

    /// <summary>
    /// Tries every configured server once and completes when one has accepted us; from then on the connection keeps
    /// itself up. After <see cref="Start"/> it just waits like <see cref="WaitUntilOpenAsync"/>.
    /// </summary>
    /// <exception cref="NatsConnectException">No server could be reached or none accepted us; the message says why.</exception>
    public async ValueTask ConnectAsync(CancellationToken ct = default)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
            if (_connecting)
                throw new InvalidOperationException("ConnectAsync is already under way.");
            _connecting = _supervisor is null;
        }

        if (!_connecting)
        {
            await WaitUntilOpenAsync(ct);
            return;
        }

        try
        {
            SetState(NatsConnectionState.Connecting);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(ct, _disposed.Token);
            var session = await ConnectOnceAsync(both.Token);
            var run = Open(session);
            lock (_gate)
                _supervisor = SuperviseAsync(run);
        }
        catch
        {
            SetState(NatsConnectionState.Closed);
            throw;
        }
        finally
        {
            lock (_gate)
                _connecting = false;
        }
    }

    /// <summary>
    /// Connects in the background and keeps trying for ever, so that a service can start while NATS is away. Calling
    /// it again does nothing.
    /// </summary>
    public void Start()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
            if (_connecting)
                throw new InvalidOperationException("ConnectAsync is already under way.");
            _supervisor ??= Task.Run(() => SuperviseAsync(run: null));
        }
    }

    /// <summary>Completes when the connection is open; at once if it is.</summary>
    /// <exception cref="NatsConnectException">The servers refused our credentials twice in a row. (The connection goes on trying.)</exception>
    /// <exception cref="ObjectDisposedException">The connection was disposed.</exception>
    public async ValueTask WaitUntilOpenAsync(CancellationToken ct = default)
    {
        Task open;
        lock (_gate)
            open = _open.Task;
        await open.WaitAsync(ct);
    }

    /// <summary>
    /// Sends what is still in the write buffer (for a second at most) and closes. Subscriptions end, and whoever waits
    /// for an answer gets <see cref="NatsDisconnectedException"/>. Safe to call twice.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        if (_session is { } session && session.TryPing(out var flushed))
            await ((Task)Task.WhenAny(flushed, Task.Delay(TimeSpan.FromSeconds(1), _disposed.Token))).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        Task? supervisor;
        lock (_gate)
        {
            supervisor = _supervisor;
            if (!_disposed.IsCancellationRequested)
                _disposed.Cancel();
        }

        _session?.Abort(new NatsDisconnectedException("The connection was disposed."));
        if (supervisor is not null)
            await supervisor;
        foreach (var (sid, subscription) in _subscriptions)
            if (_subscriptions.TryRemove(sid, out _))
                subscription.Receiver.OnEnded(reason: null);
        lock (_gate)
            _open.TrySetException(new ObjectDisposedException(nameof(NatsConnection)));
        _ = _open.Task.Exception; // nobody may be waiting
        SetState(NatsConnectionState.Closed);
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task SuperviseAsync(Task<NatsException>? run)
    {
        var failures = 0;
        var started = Stopwatch.GetTimestamp();
        try
        {
            while (!_disposed.IsCancellationRequested)
            {
                if (run is null)
                {
                    SetState(Server is null ? NatsConnectionState.Connecting : NatsConnectionState.Reconnecting);
                    run = await TryConnectAsync(failures);
                    started = Stopwatch.GetTimestamp();
                    if (run is null)
                    {
                        failures++;
                        continue;
                    }
                }

                Closed(await run);
                run = null;

                // A server that accepts us and then throws us out must not be asked in a tight circle.
                failures = Stopwatch.GetElapsedTime(started) > Options.ReconnectDelayMax ? 0 : failures + 1;
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
            LastError = new NatsException("The connection has failed for good.", isTransient: false, e);
            SetState(NatsConnectionState.Closed);
            throw;
        }
    }

    private async Task<Task<NatsException>?> TryConnectAsync(int failures)
    {
        var delay = Backoff.Delay(failures, Options.ReconnectDelayMin, Options.ReconnectDelayMax);
        if (delay > TimeSpan.Zero)
            await Task.Delay(delay, _disposed.Token);
        var before = LastError;
        try
        {
            return Open(await ConnectOnceAsync(_disposed.Token));
        }
        catch (NatsConnectException e)
        {
            Log.ConnectFailed(failures + 1, e.Message);
            if (e.IsAuthentication && before is NatsConnectException { IsAuthentication: true })
                FailWaiters(e);
            return null;
        }
    }

    /// <summary>Tries each server once, in order.</summary>
    private async Task<Session> ConnectOnceAsync(CancellationToken ct)
    {
        var problems = new List<NatsConnectException>();
        foreach (var server in _servers.InOrder())
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
            limit.CancelAfter(Options.ConnectTimeout);
            try
            {
                return await Session.OpenAsync(this, server, limit.Token);
            }
            catch (NatsConnectException e)
            {
                problems.Add(e);
            }
            catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
            {
                problems.Add(new NatsConnectException($"{server} did not answer within {Options.ConnectTimeout.TotalSeconds:0.###} s.", isTransient: true, e));
            }
            catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException or NatsException)
            {
                problems.Add(new NatsConnectException($"{server} cannot be reached: {e.Message}", isTransient: true, e));
            }
        }

        var error = problems is [var only]
            ? only
            : new NatsConnectException(string.Join(" ", problems.Select(p => p.Message)), problems.Exists(p => p.IsTransient), problems[^1])
            {
                IsAuthentication = problems.TrueForAll(p => p.IsAuthentication),
            };
        LastError = error;
        throw error;
    }

    /// <summary>Puts a session into service: first the subscriptions, then everyone else's writes.</summary>
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
            _session = session;
            if (_disposed.IsCancellationRequested)
                session.Abort(Disconnected());
        }

        var run = session.RunAsync();
        if (again)
            ReconnectCount++;
        Log.Connected(session.Server, session.Info.ServerName, session.Info.Version, ReconnectCount);
        foreach (var subscription in subscriptions)
            subscription.Receiver.OnOpen();
        SetState(NatsConnectionState.Open);
        lock (_gate)
            _open.TrySetResult();
        return run;
    }

    /// <summary>Takes a session out of service and tells everyone who waits for something from it.</summary>
    private void Closed(NatsException reason)
    {
        lock (_gate)
        {
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

    private void FailWaiters(NatsException reason)
    {
        lock (_gate)
        {
            _open.TrySetException(reason);
            _ = _open.Task.Exception; // nobody may be waiting
            _open = NewSignal();
        }
    }

    private void SetState(NatsConnectionState state)
    {
        if (State == state)
            return;
        State = state;
        try
        {
            StateChanged?.Invoke(state);
        }
        catch (Exception e)
        {
            Log.HandlerFailed(e);
        }
    }
}
