namespace Watchword.Nats;

/// <content>From the first connection to the last.</content>
public sealed partial class NatsConnection
{
    private TaskCompletionSource _open = NewSignal();
    private Task? _supervisor;
    private bool _connecting;
    private volatile bool _draining;

    /// <summary>It is closing in good order: nothing more is to be asked for.</summary>
    internal bool IsDraining => _draining;

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
            var session = await _connector.ConnectAsync(both.Token);
            var run = Open(session);
            lock (_gate)
                _supervisor = SuperviseAsync(run);
        }
        catch (Exception e)
        {
            LastError = e as NatsException ?? LastError;
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
    /// Connects in the background and keeps trying, so that a service can start while NATS is away. It stops when the
    /// servers refuse our credentials twice in a row (see <see cref="NatsOptions.RetryRefusedCredentials"/>). Calling
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
    /// <exception cref="NatsConnectException">The servers refused our credentials twice in a row.</exception>
    /// <exception cref="ObjectDisposedException">The connection was disposed.</exception>
    public async ValueTask WaitUntilOpenAsync(CancellationToken ct = default)
    {
        Task open;
        lock (_gate)
            open = _open.Task;
        await open.WaitAsync(ct);
    }

    /// <summary>
    /// Closes in good order: ends the subscriptions and pull consumers, lets their readers finish what they have been
    /// given (they see the end of their messages), then waits for outstanding acks and answers, flushes and closes.
    /// Readers may publish, ask and ack while it goes on; new subscriptions are refused.
    /// </summary>
    /// <returns>False when <see cref="NatsOptions.DrainTimeout"/> ran out first; the connection is closed all the same.</returns>
    public async ValueTask<bool> DrainAsync(CancellationToken ct = default)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
            _draining = true;
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(Options.DrainTimeout);
        try
        {
            var readers = _subscriptions.Values.Where(s => !s.Receiver.IsInbox).ToArray();
            foreach (var reader in readers)
                SendUnsubscribe(reader);
            await FenceAsync(limit.Token);
            foreach (var reader in readers)
                _subscriptions.TryRemove(reader.Sid, out _);
            await Task.WhenAll(readers.Select(r => r.Receiver.DrainAsync())).WaitAsync(limit.Token);
            await Task.WhenAll(_subscriptions.Values.Select(s => s.Receiver.DrainAsync())).WaitAsync(limit.Token);
            return true;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            await DisposeAsync();
        }
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
        End(reason: null);
        lock (_gate)
            _open.TrySetException(new ObjectDisposedException(nameof(NatsConnection)));
        _ = _open.Task.Exception; // nobody may be waiting
        SetState(NatsConnectionState.Closed);
    }

    /// <summary>Ends one subscription: what the server sent before it heard of it has been handed over when this completes.</summary>
    internal async Task FinishAsync(Subscription subscription, CancellationToken ct)
    {
        SendUnsubscribe(subscription);
        await FenceAsync(ct);
        _subscriptions.TryRemove(subscription.Sid, out _);
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void SendUnsubscribe(Subscription subscription) => _session?.Outbound.TryAppend(ProtocolWriter.Unsubscribe(subscription.Sid));

    /// <summary>Waits until the server has read all that was written so far; a connection that is away has nothing more to bring.</summary>
    private async Task FenceAsync(CancellationToken ct)
    {
        if (_session is { } session && session.TryPing(out var pong))
            await pong.WaitAsync(ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        ct.ThrowIfCancellationRequested();
    }

    /// <summary>All subscriptions are over.</summary>
    private void End(NatsException? reason)
    {
        foreach (var (sid, subscription) in _subscriptions)
            if (_subscriptions.TryRemove(sid, out _))
                subscription.Receiver.OnEnded(reason);
    }
}
