using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;

namespace Watchword.Tests;

/// <summary>
/// One real nats-server with JetStream on loopback, with a port and a data folder that stay over restarts. It is a
/// child that dies with the test run, and its folder goes with it.
/// </summary>
public sealed partial class NatsServer : IAsyncDisposable
{
    private const int Kill = 9;
    private const int Terminate = 15;
    private const int Continue = 18;
    private const int Stop = 19;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly string _folder = Directory.CreateTempSubdirectory("watchword-nats-").FullName;
    private readonly string _extra;
    private Process? _process;

    /// <param name="extraConfig">More lines of nats-server configuration, such as accounts.</param>
    /// <param name="jetStream">Whether it has JetStream, which an operator's configuration does not allow without more ado.</param>
    public NatsServer(string extraConfig = "", bool jetStream = true)
    {
        _extra = extraConfig + (jetStream ? $$"""

            jetstream { store_dir: "{{Path.Combine(_folder, "data")}}" }
            """ : "");
        Port = TestPorts.Free();
    }

    public int Port { get; }

    public string Url => string.Create(CultureInfo.InvariantCulture, $"nats://127.0.0.1:{Port}");

    /// <summary>The address with a user's name and password.</summary>
    public string UrlOf(string user, string password) => string.Create(CultureInfo.InvariantCulture, $"nats://{user}:{password}@127.0.0.1:{Port}");

    public bool HasExited => Running.HasExited;

    private Process Running => _process ?? throw new InvalidOperationException("The server is not running.");

    /// <summary>Starts it and waits until it accepts connections, or says why it does not.</summary>
    public async Task StartAsync()
    {
        var config = Path.Combine(_folder, "server.conf");
        await File.WriteAllTextAsync(config, string.Create(CultureInfo.InvariantCulture, $$"""
            {{_extra}}
            host: 127.0.0.1
            port: {{Port}}
            log_file: "{{LogFile}}"
            """));
        _process = await LaunchAsync(config);
        var deadline = Stopwatch.GetTimestamp();
        while (!await AcceptsAsync())
        {
            if (_process.HasExited || Stopwatch.GetElapsedTime(deadline) > Patience)
                throw new InvalidOperationException("nats-server did not start: " + (File.Exists(LogFile) ? await File.ReadAllTextAsync(LogFile) : "no log"));
            await Task.Delay(20); // there is no signal to wait for: it is another process
        }
    }

    /// <summary>SIGKILL: it dies in the middle of whatever it does.</summary>
    public Task KillAsync() => EndAsync(Kill);

    /// <summary>SIGTERM: it stops in its own time.</summary>
    public Task StopAsync() => EndAsync(Terminate);

    /// <summary>SIGSTOP: its sockets stay open and nothing answers.</summary>
    public void Suspend()
    {
        Send(Stop);
        // Its threads may still be at work when the signal is sent: the kernel says T once they stand.
        SpinWait.SpinUntil(() => File.ReadAllText($"/proc/{Running.Id}/stat") is var stat && stat[stat.LastIndexOf(')') + 2] == 'T');
    }

    /// <summary>SIGCONT.</summary>
    public void Resume() => Send(Continue);

    /// <summary>What JetStream had stored is gone, as after a power cut before it reached the disk. Only while it is stopped.</summary>
    public void LoseData() => Directory.Delete(Path.Combine(_folder, "data"), recursive: true);

    /// <summary>Copies what JetStream has stored, as a backup does. Only while it is stopped.</summary>
    public void SaveData() => Copy("data", "saved");

    /// <summary>What JetStream has stored is again what it was at <see cref="SaveData"/>. Only while it is stopped.</summary>
    public void RestoreData()
    {
        LoseData();
        Copy("saved", "data");
    }

    /// <summary>Whether a text is in the files of JetStream, deleted or not. Only while it is stopped.</summary>
    public bool HasStored(string text) => Directory.GetFiles(Path.Combine(_folder, "data"), "*", SearchOption.AllDirectories)
        .Any(file => File.ReadAllBytes(file).AsSpan().IndexOf(Encoding.UTF8.GetBytes(text)) >= 0);

    /// <summary>SIGKILL and a new start on the same port and data.</summary>
    public async Task RestartAsync()
    {
        await KillAsync();
        await StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
            await KillAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private void Copy(string from, string to)
    {
        foreach (var file in Directory.GetFiles(Path.Combine(_folder, from), "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(_folder, to, Path.GetRelativePath(Path.Combine(_folder, from), file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }

    private string LogFile => Path.Combine(_folder, "server.log");

    private static Task<Process> LaunchAsync(string config)
        => ChildProcess.StartAsync(
            ChildProcess.Find("nats-server")
                ?? throw new InvalidOperationException("nats-server is not installed, and these tests are worth nothing without it: apt-get install nats-server (2.9 or later)."),
            "-c",
            config);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int processId, int signal);

    private async Task<bool> AcceptsAsync()
    {
        try
        {
            // Its greeting, not the mere socket, shows that it serves.
            using var client = new TcpClient();
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5));
            await client.ConnectAsync(IPAddress.Loopback, Port, limit.Token);
            return await client.GetStream().ReadAsync(new byte[64], limit.Token) > 0;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private async Task EndAsync(int signal)
    {
        if (!Running.HasExited)
            Send(signal);
        using var limit = new CancellationTokenSource(Patience);
        await Running.WaitForExitAsync(limit.Token);
        Running.Dispose();
        _process = null;
    }

    private void Send(int signal)
    {
        if (SendSignal(Running.Id, signal) != 0)
            throw new InvalidOperationException($"kill({Running.Id}, {signal}) failed with {Marshal.GetLastPInvokeError()}.");
    }
}
