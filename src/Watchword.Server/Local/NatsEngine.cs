using System.Diagnostics;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Watchword.Server.Local;

/// <summary>A private nats-server with JetStream: adopted when one of ours runs already, else started.</summary>
internal sealed class NatsEngine(DataFolder data, LocalEngineOptions options, ILogger log) : IEngine
{
    private const string Program = "nats-server";
    private const string RunningFile = "running";
    private const int PortAttempts = 20;

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan SamePortPatience = TimeSpan.FromSeconds(3);
    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly EngineLog _output = new(Path.Combine(data.Logs, "nats-server.log"));
    private bool _wasReady;

    public string Name => "nats-server";

    /// <summary>Kept over restarts, for clients know it.</summary>
    public int Port { get; private set; }

    public string Url => string.Create(CultureInfo.InvariantCulture, $"nats://127.0.0.1:{Port}");

    public async Task<EngineProcess> StartAsync(CancellationToken cancel)
    {
        var program = new Programs(options.ProgramFolders).Find(Program) ?? throw new LocalEngineException(Advice.NatsMissing);
        if (await AdoptAsync(cancel) is { } adopted)
            return adopted;
        _output.Prepare();
        Port = !_wasReady ? FirstPort() : await SamePortAsync(cancel);
        return await LaunchAsync(program, cancel);
    }

    public Task StopAsync(EngineProcess process) => process.StopAsync(options.StopTimeout, Native.SigTerm);

    private async Task<EngineProcess?> AdoptAsync(CancellationToken cancel)
    {
        var running = ReadRunning();
        foreach (var pid in ProcessTable.Find(Program, data.Nats, running?.Pid))
        {
            var process = EngineProcess.Adopt(pid);
            var port = running?.Pid == pid ? running.Port : (int?)null;
            var reason = port is null ? "its port is unknown"
                : options.NatsPortAsked && !_wasReady && port != options.NatsPort ? "another port was asked for"
                : await NatsInfo.AskAsync(port.Value, cancel) is not { JetStream: true } ? "it does not answer"
                : null;
            if (reason is null)
            {
                Port = port!.Value;
                _wasReady = true;
                log.EngineAdopted(Name, pid, Port);
                return process;
            }

            log.EngineReplaced(Name, pid, reason);
            await StopAsync(process);
        }

        return null;
    }

    private int FirstPort()
    {
        if (Ports.IsFree(options.NatsPort))
            return options.NatsPort;
        if (options.NatsPortAsked)
            throw Taken(options.NatsPort);
        var port = Ports.From(options.NatsPort + 1);
        log.PortMoved(Name, options.NatsPort, Ports.DescribeListener(options.NatsPort), port);
        return port;
    }

    private async Task<int> SamePortAsync(CancellationToken cancel)
    {
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < SamePortPatience; await Task.Delay(Poll, cancel))
            if (Ports.IsFree(Port))
                return Port;
        var next = Ports.From(Port + 1);
        log.PortMoved(Name, Port, Ports.DescribeListener(Port), next);
        return next;
    }

    private static LocalEngineException Taken(int port) => new(
        $"NATS_PORT asks for port {port}, which is taken by {Ports.DescribeListener(port)}. Stop that, ask for another port, " +
        "or leave NATS_PORT out to let a free one be chosen.");

    private async Task<EngineProcess> LaunchAsync(string program, CancellationToken cancel)
    {
        for (var attempt = 1; ; attempt++)
        {
            log.EngineStarting(Name, "with JetStream", Port, data.Nats);
            var serverName = "watchword-" + Guid.NewGuid().ToString("N")[..8];
            var configuration = WriteConfiguration(serverName);
            var mark = _output.Mark();
            var process = EngineProcess.OfChild(Command.StartDetached(
                program, ["-c", configuration], data.Nats, _output, EngineUser.Same));
            try
            {
                WriteRunning(new(process.Pid, Port));
                if (await IsReadyAsync(process, serverName, cancel))
                {
                    _wasReady = true;
                    log.EngineReady(Name, Port, process.Pid);
                    return process;
                }

                var words = _output.Since(mark);
                if (attempt >= PortAttempts || !words.Contains("address already in use", StringComparison.Ordinal))
                    throw Advice.EngineFailed(Name, data.Nats, _output, words);
                if (options.NatsPortAsked && !_wasReady)
                    throw Taken(Port);
                var taken = Port;
                Port = Ports.From(Port + 1);
                log.PortMoved(Name, taken, Ports.DescribeListener(taken), Port);
            }
            catch
            {
                await StopAsync(process);
                throw;
            }
        }
    }

    private async Task<bool> IsReadyAsync(EngineProcess process, string serverName, CancellationToken cancel)
    {
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < options.StartTimeout; await Task.Delay(Poll, cancel))
        {
            if (!process.IsAlive)
                return false;
            // Its own name proves that this is the one, and not a program that took the port first.
            if (await NatsInfo.AskAsync(Port, cancel) is { JetStream: true } info && info.ServerName == serverName)
                return true;
        }

        throw new LocalEngineException(
            $"{Name} (pid {process.Pid}) did not answer on 127.0.0.1:{Port} within {options.StartTimeout.TotalSeconds:F0} s. Its log is {_output.Path}");
    }

    private string WriteConfiguration(string serverName)
    {
        // JSON strings are strings of this format too.
        var text = string.Create(CultureInfo.InvariantCulture, $$"""
            # Written at every start. Loopback only, and open there: whoever is on this machine may look and try.
            server_name: {{Quote(serverName)}}
            listen: "127.0.0.1:{{Port}}"
            jetstream {
              store_dir: {{Quote(data.Nats)}}
              max_memory_store: 256MB
              max_file_store: 10GB
            }

            """);
        var path = Path.Combine(data.Nats, "nats-server.conf");
        AtomicFile.Write(path, text);
        return path;
    }

    private static string Quote(string text) => JsonSerializer.Serialize(text, Relaxed);

    // Ours, and not the pid file that nats-server can write: this one also tells the port.
    private sealed record Running(int Pid, int Port);

    private Running? ReadRunning()
    {
        var words = AtomicFile.Read(Path.Combine(data.Nats, RunningFile))?.Split(' ');
        return words is [var pid, var port]
               && int.TryParse(pid, CultureInfo.InvariantCulture, out var pidNumber)
               && int.TryParse(port, CultureInfo.InvariantCulture, out var portNumber)
            ? new(pidNumber, portNumber)
            : null;
    }

    private void WriteRunning(Running running) => AtomicFile.Write(
        Path.Combine(data.Nats, RunningFile),
        string.Create(CultureInfo.InvariantCulture, $"{running.Pid} {running.Port}"));
}
