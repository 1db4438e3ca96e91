using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Watchword.Tests.Samples;

/// <summary>The sample subscribers as <c>./run --samples</c> starts them: beside a server, fed by requests over HTTP.</summary>
public sealed partial class SubscribersTests(PostgresFixture postgres, NatsFixture nats)
{
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "Watchword.Samples.Subscribers.dll");

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task User_actions_become_a_mail_a_count_an_alert_and_a_provable_row_of_the_audit_log()
    {
        await using var identity = await postgres.IdentityAsync();
        await using var target = await postgres.TargetAsync();
        var account = nats.TakeAccount();
        await using var server = new ServerProcess(
            ("DATABASE_URL", identity.ConnectionString), ("TARGET_DATABASE_URL", target.ConnectionString), ("NATS_URL", account.Url), ("WATCHWORD_SAMPLES", Program));
        await server.StartAsync();

        await PostAsync(server, "/auth/register", """{"email":"ada@example.com","password":"password123","name":"Ada"}""", "Firefox/1", HttpStatusCode.Created);
        await PostAsync(server, "/auth/login", """{"email":"ada@example.com","password":"password123"}""", "Firefox/1", HttpStatusCode.OK);
        await PostAsync(server, "/auth/login", """{"email":"ada@example.com","password":"password123"}""", "curl/8", HttpStatusCode.OK);

        var mails = Path.Combine(server.DataFolder, "mail");
        await Eventually.TrueAsync(() => Directory.Exists(mails) && Directory.GetFiles(mails, "*.eml").Length == 1);
        Assert.Contains("To: ada@example.com\r\n", await File.ReadAllTextAsync(Directory.GetFiles(mails).Single(), Ct), StringComparison.Ordinal);
        await Eventually.TrueAsync(async () => await target.ScalarAsync<bool>("SELECT to_regclass('analytics.daily_count') IS NOT NULL")
            && await target.ScalarAsync<long?>("SELECT sum(count)::bigint FROM analytics.daily_count") == 3);
        Assert.Equal(1, await target.ScalarAsync<long>("SELECT users FROM analytics.daily_active_users"));
        // The registration, two logins, the user, and the password.
        await Eventually.TrueAsync(async () => await target.ScalarAsync<long>("SELECT position FROM watchword.audit_head") == 5);
        await using (var connection = await account.ConnectAsync(Ct))
        {
            await Eventually.TrueAsync(async () => await connection.FindStreamAsync("security-alerts", Ct) is { State.Messages: 1 });
            var alert = JsonDocument.Parse((await connection.GetMessageAsync("security-alerts", 1))!.Payload).RootElement.GetProperty("data");
            Assert.Equal(("new_device", "curl/8"), (alert.GetProperty("kind").GetString(), alert.GetProperty("userAgent").GetString()));
        }

        // Finds the running server's target database by itself.
        var (code, output, _) = await AuditAsync("verify", "--data", server.DataFolder);
        Assert.Equal((0, true), (code, output.StartsWith("The audit log is intact: 5 rows.\nHead: ", StringComparison.Ordinal)));
        var head = output.Trim().Split(' ')[^1];
        Assert.Equal(0, (await AuditAsync("verify", "--data", server.DataFolder, "--head", head)).Code);

        await target.ExecuteAsync("BEGIN; SET LOCAL session_replication_role = replica; UPDATE watchword.audit_log SET payload = set_byte(payload, 20, 65) WHERE position = 3; COMMIT");
        var id = await target.ScalarAsync<string>("SELECT event_id FROM watchword.audit_log WHERE position = 3");
        (code, output, _) = await AuditAsync("verify", "--data", server.DataFolder);
        Assert.Equal(1, code);
        Assert.Contains($"BROKEN at position 3 (event {id}): its content does not match its hash.", output, StringComparison.Ordinal);
        (code, output, _) = await AuditAsync("verify", "--database-url", target.ConnectionString, "--json");
        var fault = JsonDocument.Parse(output).RootElement.GetProperty("fault");
        Assert.Equal((1, 3, id, "Changed"), (code, fault.GetProperty("position").GetInt32(), fault.GetProperty("eventId").GetString(), fault.GetProperty("kind").GetString()));

        var pid = SamplesPid(server);
        Assert.True(IsRunning(pid));
        Assert.Equal(0, await server.StopAsync());
        Assert.False(IsRunning(pid));
    }

    [Fact]
    public async Task They_restart_when_they_die_and_end_with_a_killed_server()
    {
        await using var identity = await postgres.IdentityAsync();
        await using var target = await postgres.TargetAsync();
        await using var server = new ServerProcess(
            ("DATABASE_URL", identity.ConnectionString), ("TARGET_DATABASE_URL", target.ConnectionString), ("NATS_URL", nats.TakeAccount().Url), ("WATCHWORD_SAMPLES", Program));
        await server.StartAsync();
        using (var child = Process.GetProcessById(SamplesPid(server)))
        {
            child.Kill();
            await child.WaitForExitAsync(Ct);
        }
        await Eventually.TrueAsync(() => Back().IsMatch(server.Output));
        var second = int.Parse(Back().Match(server.Output).Groups["pid"].Value, CultureInfo.InvariantCulture);
        Assert.True(IsRunning(second));

        await server.KillAsync();
        await Eventually.TrueAsync(() => !IsRunning(second));
    }

    [Fact]
    public async Task The_server_runs_none_by_default_and_refuses_a_wrong_program()
    {
        await using var server = new ServerProcess(("DATABASE_URL", "postgres://nobody@127.0.0.1/none"), ("NATS_URL", "nats://127.0.0.1:1"), ("WATCHWORD_SAMPLES", "/nowhere.dll"));
        Assert.NotEqual(0, await server.RunToEndAsync());
        Assert.Contains("there is no such program; ./run --samples builds it", server.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unreadable_audit_log_is_neither_intact_nor_broken()
    {
        await using var empty = await postgres.EmptyAsync();
        var (code, output, errors) = await AuditAsync("verify", "--database-url", empty.ConnectionString);
        Assert.Equal((2, ""), (code, output));
        Assert.Contains("there is no audit log in this database", errors, StringComparison.Ordinal);
        (code, _, errors) = await AuditAsync("verify", "--database-url", empty.ConnectionString, "--head", "nonsense");
        Assert.Equal(2, code);
        Assert.Contains("64 hexadecimal digits", errors, StringComparison.Ordinal);
        (code, _, errors) = await AuditAsync("verify", "--data", "/nowhere");
        Assert.Equal(2, code);
        Assert.Contains("No server runs on this data folder", errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--help", 0, "SECURITY_BRUTE_FORCE_USERS")]
    [InlineData("email-servise", 64, "choose from email-service, analytics, security, audit-log")]
    [InlineData("email-service", 78, "NATS_URL is not set: expected nats://user:password@host:4222\n  - DATABASE_URL is not set")]
    public async Task Wrong_arguments_and_settings_are_explained(string argument, int exit, string words)
    {
        var (code, output, errors) = await RunAsync(Program, argument);
        Assert.Equal(exit, code);
        Assert.Contains(words, output + errors, StringComparison.Ordinal);
    }

    private static async Task PostAsync(ServerProcess server, string path, string json, string userAgent, HttpStatusCode expected)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(json, System.Text.Encoding.UTF8, "application/json"), Headers = { { "User-Agent", userAgent } } };
        using var response = await server.Http.SendAsync(request, Ct);
        Assert.Equal(expected, response.StatusCode);
    }

    private static Task<(int Code, string Output, string Errors)> AuditAsync(params string[] arguments) =>
        RunAsync([Path.Combine(AppContext.BaseDirectory, "Watchword.Server.dll"), "audit", .. arguments]);

    private static async Task<(int Code, string Output, string Errors)> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var name in (string[])["NATS_URL", "DATABASE_URL", "TARGET_DATABASE_URL"])
            start.Environment.Remove(name);
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(Ct);
        var errors = process.StandardError.ReadToEndAsync(Ct);
        await process.WaitForExitAsync(Ct);
        return (process.ExitCode, await output, await errors);
    }

    private static int SamplesPid(ServerProcess server) => int.Parse(Started().Match(server.Output).Groups["pid"].Value, CultureInfo.InvariantCulture);

    // A zombie has ended, although nobody has waited for it yet.
    private static bool IsRunning(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/stat").Split(')')[^1].TrimStart()[0] is not ('Z' or 'X');
        }
        catch (IOException)
        {
            return false;
        }
    }

    [GeneratedRegex(@"sample subscribers were started \(pid (?<pid>\d+)\)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Started();

    [GeneratedRegex(@"sample subscribers is back \(pid (?<pid>\d+)\)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Back();
}
