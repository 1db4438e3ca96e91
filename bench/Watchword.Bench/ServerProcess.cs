using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Watchword.Server.Local;

namespace Watchword.Bench;

/// <summary>The identity server as people run it: a process of its own, its data in a temporary folder.</summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    public const string Password = "correct horse battery staple";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly TemporaryFolder _folder = new();
    private readonly Process _process;
    private readonly StreamWriter _log;

    private ServerProcess(params (string Name, string Value)[] environment)
    {
        var port = Ports.Any();
        Http = new() { BaseAddress = new Uri($"http://127.0.0.1:{port}"), Timeout = TimeSpan.FromSeconds(30) };
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Watchword.Server.dll")])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = _folder.Path,
        };
        start.Environment["PORT"] = port.ToString(CultureInfo.InvariantCulture);
        start.Environment["WATCHWORD_DATA"] = DataFolder;
        foreach (var name in (string[])["DATABASE_URL", "TARGET_DATABASE_URL", "NATS_URL", "NATS_PORT", "WATCHWORD_ROLES"])
            start.Environment.Remove(name);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        _log = new StreamWriter(LogFile) { AutoFlush = true };
        _process = Process.Start(start)!;
        _process.OutputDataReceived += Keep;
        _process.ErrorDataReceived += Keep;
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public HttpClient Http { get; }

    public Endpoints Endpoints => EndpointsFile.Read(DataFolder) ?? throw new InvalidOperationException("The server is not ready.");

    private string DataFolder => Path.Combine(_folder.Path, "data");

    private string LogFile => Path.Combine(_folder.Path, "server.log");

    /// <summary>Returns when the server has announced itself.</summary>
    public static async Task<ServerProcess> StartAsync(CancellationToken ct, params (string Name, string Value)[] environment)
    {
        var server = new ServerProcess(environment);
        try
        {
            for (var clock = Stopwatch.StartNew(); EndpointsFile.Read(server.DataFolder) is null; await Task.Delay(50, ct))
                if (server._process.HasExited || clock.Elapsed > Patience)
                    throw new InvalidOperationException("The server did not become ready:\n" + server.Log());
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Resident memory of the server process alone, in MB, averaged over five seconds.</summary>
    public async Task<double> MemoryAsync(CancellationToken ct)
    {
        var samples = new List<double>();
        for (; samples.Count < 10; await Task.Delay(500, ct))
        {
            var line = File.ReadLines($"/proc/{_process.Id}/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
            samples.Add(double.Parse(line["VmRSS:".Length..^"kB".Length], CultureInfo.InvariantCulture) / 1024);
        }
        return samples.Average();
    }

    /// <summary>Registers a user; answers their id.</summary>
    public async Task<string> RegisterAsync(string email, CancellationToken ct)
    {
        using var answer = await Http.PostAsJsonAsync("/auth/register", new { email, password = Password, name = "Bench" }, ct);
        answer.EnsureSuccessStatusCode();
        var body = await answer.Content.ReadFromJsonAsync<JsonElement>(ct);
        return body.GetProperty("user").GetProperty("id").GetString()!;
    }

    public async Task LoginAsync(string email, CancellationToken ct)
    {
        using var answer = await Http.PostAsJsonAsync("/auth/login", new { email, password = Password }, ct);
        answer.EnsureSuccessStatusCode();
    }

    private string Log()
    {
        lock (_log)
            _log.Flush();
        return File.ReadAllText(LogFile);
    }

    private void Keep(object sender, DataReceivedEventArgs line)
    {
        lock (_log)
            if (line.Data is not null && _log.BaseStream.CanWrite)
                _log.WriteLine(line.Data);
    }

    public async ValueTask DisposeAsync()
    {
        // SIGTERM: it stops its engines too.
        if (!_process.HasExited)
            Native.Signal(_process.Id, Native.SigTerm);
        await _process.WaitForExitAsync();
        _process.Dispose();
        Http.Dispose();
        lock (_log)
            _log.Dispose();
        _folder.Dispose();
    }
}
