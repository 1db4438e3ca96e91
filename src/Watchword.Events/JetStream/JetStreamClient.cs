using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using NATS.Client.JetStream;

namespace Watchword.Events.JetStream;

/// <summary>
/// JetStream by way of a NATS.Net connection, as the relay and the subscribers need it: no call waits for an unreachable
/// server, a denied call says so, and what is not there is null. Safe for use by several threads.
/// </summary>
public sealed partial class JetStreamClient : IAsyncDisposable
{
    private static readonly TimeSpan OpenPoll = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan EventDelay = TimeSpan.FromMilliseconds(1);   // the connection has broken, and its event is on its way
    private static readonly TimeSpan DenialPatience = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan DisposePatience = TimeSpan.FromSeconds(5);

    private readonly Denials _denials;
    private readonly ConnectionLog? _log;
    private readonly bool _owns;
    private long _opened;
    private readonly CancellationTokenSource _disposed = new();
    private volatile CancellationTokenSource _life = new();
    private volatile TaskCompletionSource _whenOpen = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Uses a connection that somebody else made, and disposes of.</summary>
    public JetStreamClient(INatsConnection connection)
        : this(connection, owns: false)
    {
    }

    private JetStreamClient(INatsConnection connection, bool owns)
    {
        ArgumentNullException.ThrowIfNull(connection);
        (Connection, _owns) = (connection, owns);
        Context = new NatsJSContext(connection);
        _denials = new(connection.Opts.InboxPrefix);
        _log = ConnectionLog.Of(connection);
        connection.ConnectionOpened += OnOpened;
        connection.ConnectionDisconnected += OnDropped;
        connection.ServerError += OnServerError;
        if (connection.ConnectionState == NatsConnectionState.Open)
            _whenOpen.SetResult();
        else
            _life.Cancel();   // until the event of its opening
    }

    /// <summary>Connects in the background, and again whenever the connection breaks.</summary>
    /// <exception cref="ArgumentException">Names every fault of the settings.</exception>
    public static JetStreamClient Connect(NatsSettings settings, ILoggerFactory? logs = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (settings.Faults() is { Count: > 0 } faults)
            throw new ArgumentException(string.Join("; ", faults), nameof(settings));
        var client = new JetStreamClient(new NatsConnection(settings.ToOpts(logs) with { RetryOnInitialConnect = false }), owns: true);
        _ = client.ConnectAsync();
        return client;
    }

    /// <summary>Connects, and gives up when that fails: for commands. Once open, it reconnects like <see cref="Connect"/>.</summary>
    /// <param name="settings">Whose faults were reported before.</param>
    /// <param name="patience">How long to wait for one of several servers; a single one is asked once.</param>
    /// <param name="ct">Gives up earlier.</param>
    /// <exception cref="NatsAwayException">No server could be reached, or each refused the connection; says why.</exception>
    public static async Task<JetStreamClient> OpenAsync(NatsSettings settings, TimeSpan patience, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var options = settings.ToOpts() with { RetryOnInitialConnect = settings.Url.Contains(',', StringComparison.Ordinal) };
        var client = new JetStreamClient(new NatsConnection(options), owns: true);
        try
        {
            await client.Connection.ConnectAsync().AsTask().WaitAsync(patience, ct);
            await client._whenOpen.Task.WaitAsync(patience, ct);   // its event
            return client;
        }
        catch (Exception e) when (e is NatsException or TimeoutException)
        {
            await client.DisposeAsync();
            throw new NatsAwayException($"NATS cannot be reached ({settings}): {client._log?.LastFailure ?? ConnectionLog.InWords(e)}", e);
        }
        catch
        {
            await client.DisposeAsync();
            throw;
        }
    }

    /// <summary>The connection.</summary>
    public INatsConnection Connection { get; }

    /// <summary>NATS.Net's own view of JetStream, for calls that need none of this class's care.</summary>
    public INatsJSContext Context { get; }

    /// <summary>Whether the connection is open now.</summary>
    // The event that a connection has opened comes a little later than its state.
    public bool IsOpen => Connection.ConnectionState == NatsConnectionState.Open && !_life.IsCancellationRequested;

    /// <summary>How often the connection has opened: another number means that it broke in between.</summary>
    public long OpenedTotal => Interlocked.Read(ref _opened);

    /// <summary>The connection has opened, perhaps to a server that lost what the last one had.</summary>
    public event Action? Opened;

    /// <summary>The connection has broken.</summary>
    public event Action? Dropped;

    /// <summary>The server denied a publish: the subject, and the reason.</summary>
    internal event Action<string, NatsDeniedException>? PublishDenied
    {
        add => _denials.PublishDenied += value;
        remove => _denials.PublishDenied -= value;
    }

    /// <summary>Cancelled when the connection breaks: what NATS.Net would then hold back until it is there again ends instead.</summary>
    internal CancellationToken Life => _life.Token;

    /// <summary>Waits for the connection, however long it takes.</summary>
    /// <exception cref="NatsConnectionFailedException">The host's connection has given up for good.</exception>
    public async Task WaitUntilOpenAsync(CancellationToken ct)
    {
        while (!IsOpen)
        {
            var opened = _whenOpen.Task;
            try
            {
                if (!_owns)
                    await Connection.ConnectAsync().AsTask().WaitAsync(ct);
                if (!IsOpen)
                    await (opened.IsCompleted ? Task.Delay(EventDelay, ct) : opened.WaitAsync(OpenPoll, ct));
            }
            catch (Exception e) when (e is TimeoutException or OperationCanceledException && !ct.IsCancellationRequested)
            {
                // It broke while we waited, or takes long.
            }
        }
    }

    /// <summary>Returns when the server has read everything that was sent before: acks too. Gives up silently when NATS is unreachable, or after <paramref name="patience"/>.</summary>
    public async Task FlushAsync(TimeSpan patience)
    {
        if (!IsOpen)
            return;
        using var limit = new CancellationTokenSource(patience);
        try
        {
            await Connection.PingAsync(limit.Token).AsTask().WaitAsync(limit.Token);
        }
        catch (Exception e) when (e is NatsException or OperationCanceledException or ObjectDisposedException)
        {
            // Unreachable: what was not acknowledged comes again.
        }
    }

    /// <summary>Runs a call of the JetStream API that does not wait for an unreachable server.</summary>
    /// <param name="call">The call.</param>
    /// <param name="tokens">Tokens of its subject, by which a denial is known to concern it.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="NatsAwayException">NATS is unreachable.</exception>
    /// <exception cref="NatsDeniedException">This user may not.</exception>
    /// <exception cref="NatsException">The server refused, or did not answer.</exception>
    internal async Task<T> CallAsync<T>(Func<CancellationToken, Task<T>> call, string[] tokens, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        ThrowIfAway();
        using var watch = _denials.Begin(tokens, Life, ct);
        try
        {
            return await call(watch.Token);
        }
        catch (Exception) when (watch.Reason is not null && !ct.IsCancellationRequested)
        {
            throw watch.Reason;
        }
        catch (NatsException e) when (e is NatsJSApiNoResponseException or NatsNoReplyException)
        {
            // A denied inbox ends the call before NATS.Net 3.3.2 reports the denial.
            await Task.Delay(DenialPatience, watch.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw watch.Reason ?? e;
        }
        catch (NatsNoRespondersException e)
        {
            // An account that does not import the subject gets the same answer.
            throw new NatsJSException($"no answer to {string.Join(' ', tokens)}: JetStream is unavailable, or this account may not use it", e);
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw new NatsAwayException("the connection to NATS broke before the answer came", e);
        }
    }

    /// <exception cref="NatsAwayException">The connection is not open; says why, where that is known.</exception>
    internal void ThrowIfAway()
    {
        if (!IsOpen)
            throw new NatsAwayException(_log?.LastFailure is { } reason ? $"NATS is unreachable: {reason}" : "NATS is unreachable");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Connection.ConnectionOpened -= OnOpened;
        Connection.ConnectionDisconnected -= OnDropped;
        Connection.ServerError -= OnServerError;
        await _disposed.CancelAsync();
        if (_owns)
            // NATS.Net 3.3.2 waits for subscriptions that ask an unreachable server.
            await Connection.DisposeAsync().AsTask().WaitAsync(IsOpen ? DisposePatience : TimeSpan.Zero).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    // NATS.Net 3.3.2 retries by itself too (RetryOnInitialConnect), and keeps to itself why an attempt failed.
    private async Task ConnectAsync()
    {
        while (!_disposed.IsCancellationRequested)
        {
            try
            {
                await Connection.ConnectAsync();
                return;
            }
            catch (Exception e) when (e is NatsException or OperationCanceledException or ObjectDisposedException)
            {
                if (e.InnerException is { } cause)
                    _log?.Failed(cause);
            }
            await Task.Delay(Connection.Opts.ReconnectWaitMax, _disposed.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private ValueTask OnOpened(object? sender, NatsEventArgs e)
    {
        _log?.Connected(e.Message);
        Interlocked.Increment(ref _opened);
        if (_life.IsCancellationRequested)
            _life = new();
        _whenOpen.TrySetResult();
        Opened?.Invoke();
        return default;
    }

    private ValueTask OnDropped(object? sender, NatsEventArgs e)
    {
        // Not when the next one opens: its first denial may be told before that.
        _denials.Forget();
        _log?.Dropped(e.Message);
        if (_whenOpen.Task.IsCompleted)
            _whenOpen = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _ = _life.CancelAsync();   // whoever waits for it must not go on here, where events are handed out
        Dropped?.Invoke();
        return default;
    }

    private ValueTask OnServerError(object? sender, NatsServerErrorEventArgs e)
    {
        _denials.Report(e.Error);
        return default;
    }
}
