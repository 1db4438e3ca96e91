using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Watchword.Tests;

/// <summary>The identity server as people run it: a process of its own, configured by its environment.</summary>
public sealed partial class ServerProcess : IAsyncDisposable
{
    public const string Secret = "a-secret-for-tests-of-48-characters-or-thereabout";

    private readonly Dictionary<string, string> _environment;
    private readonly ConcurrentQueue<string> _output = [];
    private Process? _process;

    /// <param name="environment">On top of a free PORT, a data folder of its own and <see cref="Secret"/>.</param>
    public ServerProcess(params (string Name, string Value)[] environment)
    {
        Port = TestPorts.Free();
        DataFolder = Directory.CreateTempSubdirectory("watchword-server-").FullName;
        _environment = new(StringComparer.Ordinal)
        {
            ["PORT"] = Port.ToString(CultureInfo.InvariantCulture),
            ["WATCHWORD_DATA"] = DataFolder,
            ["BETTER_AUTH_SECRET"] = Secret,
        };
        foreach (var (name, value) in environment)
            _environment[name] = value;
        Http = new() { BaseAddress = new Uri($"http://127.0.0.1:{Port}"), Timeout = TimeSpan.FromSeconds(30) };
    }

    public int Port { get; }

    public string DataFolder { get; }

    public HttpClient Http { get; }

    public int ProcessId => _process!.Id;

    /// <summary>Everything printed so far, standard output and error.</summary>
    public string Output => string.Join('\n', _output);

    /// <summary>Returns when the server announces itself.</summary>
    public async Task StartAsync()
    {
        Launch();
        for (var clock = Stopwatch.StartNew(); !File.Exists(Path.Combine(DataFolder, "endpoints.json"));)
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(60) && !_process!.HasExited, $"the server did not become ready:\n{Output}");
            await Task.Delay(20);
        }
    }

    /// <summary>For a server that is expected to refuse. Answers its exit code.</summary>
    public async Task<int> RunToEndAsync()
    {
        Launch();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await _process!.WaitForExitAsync(patience.Token);
        return _process.ExitCode;
    }

    /// <summary>SIGKILL.</summary>
    public async Task KillAsync()
    {
        File.Delete(Path.Combine(DataFolder, "endpoints.json"));
        _process!.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>SIGTERM; answers the exit code.</summary>
    public async Task<int> StopAsync()
    {
        _ = Send(_process!.Id, 15);
        await _process.WaitForExitAsync();
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
            await StopAsync();
        _process?.Dispose();
        Http.Dispose();
        Directory.Delete(DataFolder, recursive: true);
    }

    private void Launch()
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Watchword.Server.dll")])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in _environment)
            start.Environment[name] = value;
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) => _output.Enqueue(line.Data ?? "");
        _process.ErrorDataReceived += (_, line) => _output.Enqueue(line.Data ?? "");
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Send(int pid, int signal);
}
