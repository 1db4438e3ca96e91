using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using Npgsql;
using Spectre.Console;
using Watchword.Auditing;
using Watchword.Events.Postgres;

namespace Watchword.Server.Cli;

/// <summary><c>./run audit …</c>: checks that nobody changed the audit log, and erases a person.</summary>
internal static class AuditCommand
{
    private const int ExitWhole = 0;
    private const int ExitBroken = 1;
    private const int ExitUnknown = 2;

    public static Command Create()
    {
        var url = new Option<string>("--database-url") { Description = "Database of the audit log, postgres://… or Host=…. Default: TARGET_DATABASE_URL, otherwise the running server's target.", HelpName = "value" }.NotEmpty();
        var head = new Option<string>("--head") { Description = "HASH@POSITION, as an earlier verification printed it: the log must still contain it. Without this, a log that was rewritten up to its end looks intact.", HelpName = "head" }.NotEmpty();
        var json = new Option<bool>("--json") { Description = "Print JSON, for other programs." };
        var verify = new Command("verify", """
            Verify the audit log: recompute every hash, and find the first row that was changed, removed, moved or added.
            It also says which persons were erased, by whom and why.

            It prints the log's head. Store it out of reach of the database's owner, and pass it to the next verification.
            Exit code 0: intact; 1: broken; 2: it could not be verified.

            Examples:
              ./run audit verify
              ./run audit verify --head "$(cat head.txt)"
              ./run audit verify --database-url postgres://auditor@db.example.com/watchword_target --json
            """) { url, head, json };
        Connections.AddTo(verify, nats: false);
        verify.SetAction(async (parsed, _) =>
        {
            using var stop = new StopSignal();
            return await VerifyAsync(parsed, parsed.GetValue(url), parsed.GetValue(head), parsed.GetValue(json), stop.Token);
        });
        return new Command("audit", "Check the audit log, or erase a person.") { verify, AuditErase.Create() };
    }

    private static async Task<int> VerifyAsync(ParseResult parsed, string? url, string? noted, bool json, CancellationToken ct)
    {
        try
        {
            await using var database = NpgsqlDataSource.Create(url is null ? Connections.TargetDatabase(parsed, "--database-url") : DatabaseUrl.ToConnectionString(url, "--database-url"));
            var from = noted is null ? null : AuditHead.Parse(noted);
            // Programs get no progress bar.
            var report = Console.IsErrorRedirected
                ? await AuditLogVerifier.VerifyAsync(database, from, null, ct)
                : await WithBarAsync(progress => AuditLogVerifier.VerifyAsync(database, from, progress, ct));
            Console.WriteLine(json ? JsonSerializer.Serialize(report, AuditJson.Default.AuditReport) : Words(report));
            return report.IsWhole ? ExitWhole : ExitBroken;
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            return ExitUnknown;
        }
        catch (Exception e)
        {
            await Console.Error.WriteLineAsync($"The audit log cannot be verified: {e.Message}");
            return ExitUnknown;
        }
    }

    private static string Words(AuditReport report) => report.Fault is not { } fault
        ? $"The audit log is intact: {report.Rows:N0} rows.\n{Erasures(report.Erasures)}Head: {report.Head}"
        : $"""
            The audit log is BROKEN at position {fault.Position}{(fault.EventId is { } id ? $" (event {id})" : "")}: {fault.Problem}.
            The {report.Rows:N0} rows before it are intact.
            """;

    private static string Erasures(IReadOnlyList<AuditErasure> erasures)
    {
        if (erasures.Count == 0)
            return "";
        var (events, persons) = (erasures.Sum(e => e.Events), erasures.DistinctBy(e => e.UserId).Count());
        return $"{events:N0} event{(events == 1 ? "" : "s")} of {persons:N0} person{(persons == 1 ? "" : "s")} erased:\n" + string.Concat(erasures.Select(e =>
            Terminal.OneLine($"  {e.UserId}: {e.Events:N0} event{(e.Events == 1 ? "" : "s")}, erased on {e.At:yyyy-MM-dd HH:mm:ss'Z'} by {e.By} ({e.Reason})") + "\n"));
    }

    private static Task<AuditReport> WithBarAsync(Func<Action<long, long>, Task<AuditReport>> verify) =>
        AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) }).Progress().AutoClear(true).StartAsync(context =>
        {
            var task = context.AddTask("Verifying the audit log");
            return verify((done, all) => (task.MaxValue, task.Value) = (Math.Max(1, all), done));
        });
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, UseStringEnumConverter = true)]
[JsonSerializable(typeof(AuditReport))]
internal sealed partial class AuditJson : JsonSerializerContext;
