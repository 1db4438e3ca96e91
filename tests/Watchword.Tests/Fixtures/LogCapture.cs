using Microsoft.Extensions.Logging;

namespace Watchword.Tests;

/// <summary>Keeps what was logged, for tests that ask whether it was said, and how often.</summary>
internal sealed class LogCapture : ILoggerFactory, ILogger
{
    private readonly Lock _gate = new();
    private readonly List<LogLine> _lines = [];
    private readonly List<(int Id, TaskCompletionSource<LogLine> Found)> _waiting = [];

    /// <summary>All lines with this event id so far.</summary>
    public IReadOnlyList<LogLine> Of(int eventId)
    {
        lock (_gate)
            return _lines.FindAll(line => line.EventId == eventId);
    }

    /// <summary>All lines so far.</summary>
    public IReadOnlyList<LogLine> All
    {
        get
        {
            lock (_gate)
                return [.. _lines];
        }
    }

    /// <summary>The first line with this event id, past or to come. Fails after 30 s.</summary>
    public Task<LogLine> LineAsync(int eventId)
    {
        var found = new TaskCompletionSource<LogLine>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_lines.Find(line => line.EventId == eventId) is { } past)
                return Task.FromResult(past);
            _waiting.Add((eventId, found));
        }

        return found.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
    }

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull
        => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        var line = new LogLine(eventId.Id, logLevel, formatter(state, exception));
        lock (_gate)
        {
            _lines.Add(line);
            foreach (var (id, found) in _waiting)
                if (id == line.EventId)
                    found.TrySetResult(line);
        }
    }

    public void Dispose()
    {
        // It holds nothing.
    }
}

internal sealed record LogLine(int EventId, LogLevel Level, string Text);
