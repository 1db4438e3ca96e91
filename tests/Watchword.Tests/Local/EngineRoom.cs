using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Server.Local;

namespace Watchword.Tests.Local;

/// <summary>A temporary data folder, and helpers to use the engines in it.</summary>
internal sealed class EngineRoom : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public EngineRoom()
    {
        // Not CreateTempSubdirectory: that keeps other users out, such as the one that PostgreSQL may have to run as.
        Directory.CreateDirectory(Root);
        Root = Native.RealPath(Root);
        Data = Path.Combine(Root, "data");
    }

    public string Root { get; } = Path.Combine(Path.GetTempPath(), "watchword-" + Guid.NewGuid().ToString("N")[..12]);
    public string Data { get; set; }
    public TestLog Log { get; } = new();

    public LocalEngineOptions Options => new()
    {
        DataFolder = Data,
        NatsPort = Ports.Any(),
        SyncNewCluster = false,
        SystemFolder = Path.Combine(Root, "system"),
    };

    public LocalEngineOptions PostgresOnly => Options with { StartNats = false };
    public LocalEngineOptions NatsOnly => Options with { StartPostgres = false };

    /// <summary>Puts the data where other users, such as <c>postgres</c>, cannot reach it.</summary>
    public void HideData()
    {
        var home = Path.Combine(Root, "root");
        Directory.CreateDirectory(home, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Data = Path.Combine(home, "data");
    }

    public Task<LocalEngines> StartAsync(LocalEngineOptions? options = null) =>
        LocalEngines.StartAsync(options ?? Options, Log, TestContext.Current.CancellationToken);

    public async Task<LocalEngineException> FailsAsync(LocalEngineOptions options) =>
        await Assert.ThrowsAsync<LocalEngineException>(() => StartAsync(options));

    public static async Task<T?> QueryAsync<T>(string? url, string sql)
    {
        var cancel = TestContext.Current.CancellationToken;
        var uri = new Uri(url!);
        var user = uri.UserInfo.Split(':');
        var settings = new NpgsqlConnectionStringBuilder
        {
            Host = uri.Host,
            Port = uri.Port,
            Username = user[0],
            Password = user[1],
            Database = uri.AbsolutePath[1..],
            Pooling = false,
        };
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync(cancel);
        await using var command = new NpgsqlCommand(sql, connection);
        return (T?)await command.ExecuteScalarAsync(cancel);
    }

    /// <summary>Connects, which fails unless something listens there.</summary>
    public static async Task ConnectAsync(string? url)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, new Uri(url!).Port, TestContext.Current.CancellationToken);
    }

    /// <summary>Does something to the engines, and waits for the event that one of them came back.</summary>
    public static async Task UntilChangedAsync(LocalEngines engines, Action act)
    {
        var changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        engines.Changed += OnChanged;
        try
        {
            act();
            await changed.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
        }
        finally
        {
            engines.Changed -= OnChanged;
        }

        void OnChanged() => changed.TrySetResult();
    }

    /// <summary>Polls for a condition that raises no event, such as the end of another process's child.</summary>
    public static async Task UntilAsync(Func<bool> holds, string what)
    {
        for (var clock = Stopwatch.StartNew(); !holds(); await Task.Delay(20, TestContext.Current.CancellationToken))
            Assert.True(clock.Elapsed < Patience, "gave up waiting for: " + what);
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}

/// <summary>Keeps what was logged, for assertions and for whoever reads a failure.</summary>
internal sealed class TestLog : ILogger
{
    private readonly List<string> _lines = [];

    public string Text
    {
        get
        {
            lock (_lines)
                return string.Join('\n', _lines);
        }
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        var line = $"{logLevel} {eventId.Id} {formatter(state, exception)} {exception?.Message}";
        lock (_lines)
            _lines.Add(line);
        TestContext.Current.TestOutputHelper?.WriteLine(line);
    }
}
