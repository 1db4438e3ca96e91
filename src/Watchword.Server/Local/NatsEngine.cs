using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Watchword.Server.Local;

/// <summary>A private nats-server with JetStream.</summary>
internal sealed class NatsEngine(DataFolder data, LocalEngineOptions options, ILogger log)
    : LocalEngine("nats-server", new(Path.Combine(data.Logs, "nats-server.log")), options, log)
{
    private const string Program = "nats-server";

    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly string _folder = Native.RealPath(data.Nats);
    private string _program = "";

    public string Url => string.Create(CultureInfo.InvariantCulture, $"nats://127.0.0.1:{Port}");

    private string PidFile => Path.Combine(_folder, "nats-server.pid");

    protected override IReadOnlyList<(int Number, string Name)> StopSignals => [(Native.SigTerm, "TERM")];

    protected override string PortTaken => "address already in use";

    protected override async Task PrepareAsync(CancellationToken cancel)
    {
        _program = new Programs(Options.ProgramFolders).Find(Program) ?? throw new LocalEngineException(Advice.NatsMissing);
        await StopLeftoversAsync(Program, _folder, AtomicFile.ReadNumber(PidFile), cancel);
        // A server that was killed leaves its file, which would vouch for a later process of the same pid.
        foreach (var file in Directory.EnumerateFiles(_folder, "*.ports"))
            File.Delete(file);
    }

    protected override int ChoosePort()
    {
        var wanted = Options.NatsPortAsked || Port == 0 ? Options.NatsPort : Port;
        if (Ports.IsFree(wanted))
            return wanted;
        return !Options.NatsPortAsked ? NextFreePort(wanted) : throw new LocalEngineException(
            $"NATS_PORT asks for port {wanted}, which another program has taken. Stop that program, ask for another port, " +
            "or leave NATS_PORT out to have a free one chosen.");
    }

    protected override Launch Describe()
    {
        // Strings of this format are written as in JSON.
        var text = string.Create(CultureInfo.InvariantCulture, $$"""
            # Rewritten at every start. Loopback only, and without a password: anyone on this machine may connect.
            listen: "127.0.0.1:{{Port}}"
            pid_file: {{Quote(PidFile)}}
            ports_file_dir: {{Quote(_folder)}}
            jetstream {
              store_dir: {{Quote(_folder)}}
              max_memory_store: 256MB
              max_file_store: 10GB
            }

            """);
        var configuration = Path.Combine(_folder, "nats-server.conf");
        AtomicFile.Write(configuration, text);
        return new([_program, "-c", configuration], _folder, EngineUser.Same);
    }

    /// <summary>nats-server writes this file, with its pid in the name, once it listens and JetStream is up.</summary>
    protected override Task<bool> IsReadyAsync(EngineProcess process, CancellationToken cancel) => Task.FromResult(
        File.Exists(Path.Combine(_folder, string.Create(CultureInfo.InvariantCulture, $"{Program}_{process.Pid}.ports"))));

    private static string Quote(string text) => JsonSerializer.Serialize(text, Relaxed);
}
