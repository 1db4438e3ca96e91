using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using NATS.Client.Core;

namespace Watchword.Events.JetStream;

/// <summary>
/// Says in one line why NATS cannot be reached, and keeps it for whoever asks.
/// </summary>
/// <remarks>
/// NATS.Net 3.3.2 throws "can not connect uris" without the cause (<c>NatsConnection.InitialConnectAsync</c>) and logs the
/// cause with its stack trace, at every attempt. This takes the place of its logger: each new cause is told once.
/// </remarks>
internal sealed class ConnectionLog(ILoggerFactory? logs) : ILoggerFactory, ILogger
{
    private readonly ILogger _logger = (logs ?? NullLoggerFactory.Instance).CreateLogger("Watchword.Events.Nats");
    private readonly Lock _gate = new();
    private string? _lastFailure;

    /// <summary>Why the last attempt to connect failed; null while connected.</summary>
    public string? LastFailure
    {
        get
        {
            lock (_gate)
                return _lastFailure;
        }
    }

    /// <summary>The log of a connection that <see cref="NatsSettings"/> made; null for one that the host made.</summary>
    public static ConnectionLog? Of(INatsConnection connection) => connection.Opts.LoggerFactory as ConnectionLog;

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (exception is not null && eventId.Id == NatsLogEvents.Connection.Id)
            Failed(exception);
        else if (logLevel >= LogLevel.Warning && eventId.Id != NatsLogEvents.Security.Id && formatter(state, null) is var text && !text.StartsWith("Subscription GCd", StringComparison.Ordinal))
            _logger.NatsClientSaid(text);
    }

    /// <summary>Connected: the next failure is news again.</summary>
    public void Connected(string server)
    {
        lock (_gate)
            _lastFailure = null;
        _logger.NatsConnected(server);
    }

    public void Dropped(string server) => _logger.NatsDropped(server);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public void Dispose()
    {
        // The host's own factory is the host's to dispose of.
    }

    /// <summary>An attempt to connect failed.</summary>
    public void Failed(Exception cause)
    {
        var reason = InWords(cause);
        lock (_gate)
        {
            if (_lastFailure == reason)
                return;
            _lastFailure = reason;
        }
        _logger.NatsUnreachable(reason);
    }

    /// <summary>The cause of a failed connection, for an operator.</summary>
    public static string InWords(Exception e)
    {
        var innermost = e;
        while (innermost.InnerException is { } inner)
            innermost = inner;
        return innermost is System.Security.Authentication.AuthenticationException
            ? $"the TLS handshake failed: {innermost.Message} (is the server's certificate signed by an authority that NATS_CA names, for this host name?)"
            : innermost is NatsServerException { IsAuthError: true } ? $"the server refused the credentials: {innermost.Message}"
            : innermost.Message;
    }
}
