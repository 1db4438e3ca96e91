using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Npgsql;

namespace Watchword.Tests.MainJob;

/// <summary><c>./run</c> as a newcomer types it: private engines, data that stays, and no process left behind.</summary>
public sealed class RunCommandTests : IDisposable
{
    private readonly string _data = Directory.CreateTempSubdirectory("watchword-run-").FullName;
    private readonly int _port = TestPorts.Free();

    [Fact]
    public async Task It_serves_keeps_its_data_and_leaves_no_process_behind()
    {
        var first = await StartAsync();
        using var registered = await PostAsync("/auth/register", """{"email":"test@example.com","password":"password123","name":"Test User"}""");
        Assert.Equal(HttpStatusCode.Created, registered.StatusCode);
        var token = (await JsonDocument.ParseAsync(await registered.Content.ReadAsStreamAsync())).RootElement.GetProperty("accessToken").GetString();
        await using (var target = NpgsqlDataSource.Create(Watchword.Events.Postgres.DatabaseUrl.ToConnectionString(first.Endpoints.GetProperty("targetDatabase").GetString()!)))
            await Eventually.TrueAsync(async () => await target.CreateCommand("SELECT count(*) FROM users WHERE email = 'test@example.com'").ExecuteScalarAsync() is 1L);
        using (var tail = await LaunchAsync("events", "tail", "--all", "--count", "2"))
        {
            var lines = (await tail.StandardOutput.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            await tail.WaitForExitAsync();
            Assert.Equal(2, lines.Length);
            Assert.Contains(lines, l => l.Contains(" auth.user.registered {", StringComparison.Ordinal));
            Assert.Contains(lines, l => l.Contains("\"event\":\"user.created\"", StringComparison.Ordinal));
        }
        await StopAsync(first);

        var second = await StartAsync();
        using var login = await PostAsync("/auth/login", """{"email":"test@example.com","password":"password123"}""");
        Assert.Equal(HttpStatusCode.OK, login.StatusCode);
        // The generated secret stays too.
        using var me = new HttpRequestMessage(HttpMethod.Get, Url("/auth/me")) { Headers = { { "Authorization", "Bearer " + token } } };
        using var http = new HttpClient();
        using var known = await http.SendAsync(me);
        Assert.Equal(HttpStatusCode.OK, known.StatusCode);
        await StopAsync(second);
    }

    [Fact]
    public async Task Its_help_names_every_setting()
    {
        using var help = await LaunchAsync("--help");
        var text = await help.StandardOutput.ReadToEndAsync();
        await help.WaitForExitAsync();
        Assert.Equal(0, help.ExitCode);
        Assert.All(Watchword.Server.Configuration.Setting.All, s => Assert.Contains(s.Option, text, StringComparison.Ordinal));
    }

    private sealed record Running(Process Process, JsonElement Endpoints);

    private async Task<Running> StartAsync()
    {
        var process = await LaunchAsync();
        var file = Path.Combine(_data, "endpoints.json");
        var output = new StringBuilder();
        process.OutputDataReceived += (_, line) => output.AppendLine(line.Data);
        process.ErrorDataReceived += (_, line) => output.AppendLine(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        // A first build may be part of it.
        for (var clock = Stopwatch.StartNew(); !File.Exists(file); await Task.Delay(50))
            Assert.True(clock.Elapsed < TimeSpan.FromMinutes(4) && !process.HasExited, $"./run did not become ready:\n{output}");
        return new(process, JsonDocument.Parse(await File.ReadAllTextAsync(file)).RootElement);
    }

    private Task<Process> LaunchAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(Repository.Root, "run"), arguments)
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        start.Environment["PORT"] = _port.ToString(CultureInfo.InvariantCulture);
        start.Environment["WATCHWORD_DATA"] = _data;
        return Task.FromResult(Process.Start(start)!);
    }

    private async Task StopAsync(Running running)
    {
        int[] engines = [running.Endpoints.GetProperty("natsPid").GetInt32(), running.Endpoints.GetProperty("postgresPid").GetInt32()];
        Assert.All(engines, pid => Assert.True(Directory.Exists($"/proc/{pid}")));
        using (var kill = Process.Start("kill", ["-TERM", running.Process.Id.ToString(CultureInfo.InvariantCulture)]))
            await kill.WaitForExitAsync();
        await running.Process.WaitForExitAsync();
        Assert.Equal(0, running.Process.ExitCode);
        Assert.All(engines, pid => Assert.False(Directory.Exists($"/proc/{pid}"), $"engine {pid} is still there"));
        Assert.False(File.Exists(Path.Combine(_data, "endpoints.json")));
        running.Process.Dispose();
    }

    private string Url(string path) => $"http://127.0.0.1:{_port}{path}";

    private async Task<HttpResponseMessage> PostAsync(string path, string json)
    {
        using var http = new HttpClient();
        using var body = new StringContent(json, Encoding.UTF8, "application/json");
        return await http.PostAsync(Url(path), body);
    }

    public void Dispose() => Directory.Delete(_data, recursive: true);
}
