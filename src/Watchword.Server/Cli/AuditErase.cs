using System.CommandLine;
using System.Text.Json;
using Npgsql;
using Watchword.Events.Postgres;
using Watchword.Server.Erasure;
using Watchword.Server.Store;

namespace Watchword.Server.Cli;

/// <summary><c>./run audit erase</c>: erases a person from everything that Watchword keeps.</summary>
internal static class AuditErase
{
    private const string Name = "watchword audit erase";

    public static Command Create()
    {
        var user = new Option<string>("--user") { Description = "Whom to erase, by user id.", HelpName = "id", Required = true }.NotEmpty();
        var reason = new Option<string>("--reason") { Description = "Why. The audit log keeps it for good, with your name: write nothing about the person.", HelpName = "text", Required = true }.NotEmpty();
        var account = new Option<bool>("--with-account") { Description = "Delete the account first, which publishes user.deleted." };
        var known = new Option<string[]>("--known") { Description = "Another address or telephone number of the person. Those in the person's own events are found.", HelpName = "text" }.NotEmpty();
        var url = new Option<string>("--audit-database-url") { Description = "Database of the audit log, if it is neither the identity store nor the target of user sync.", HelpName = "value" }.NotEmpty();
        var yes = new Option<bool>("--yes") { Description = "Do not ask for confirmation." };
        var json = new Option<bool>("--json") { Description = "Print JSON, for other programs." };
        var erase = new Command("erase", """
            Erase a person: every event about them in the audit log, the outbox, the parked events and dead letters, and the
            streams. The audit log still verifies, and says what was erased, by whom and why. At the end user.erased is
            published, for those who keep copies. If it fails, repeat it: it erases what is left.

            Copies elsewhere are not reached: see docs/security.md.

            Examples:
              ./run audit erase --user 0aFv… --reason "request 4711"
              ./run audit erase --user 0aFv… --reason "request 4711" --with-account --yes --json
            """) { user, reason, account, known, url, yes, json };
        Connections.AddTo(erase, database: true, databaseSchema: true, targetDatabase: true);
        erase.SetVerb(async (parsed, ct) =>
        {
            await using var nats = await Connections.ConnectAsync(parsed, Name, ct);
            await using var identity = Connections.OpenIdentityDatabase(parsed, Name);
            await using var target = Open(Connections.FindTargetDatabase(parsed));
            await using var audit = Open(parsed.GetValue(url) is { } own ? ConnectionString(own) : null);
            var tables = await Connections.IdentityTablesAsync(parsed, identity, ct);
            var erasure = new PersonErasure(identity, tables, [.. Others(target, audit)], nats);
            try
            {
                var id = parsed.GetValue(user)!;
                await erasure.CheckAsync(id, parsed.GetValue(account), ct);
                if (!parsed.GetValue(yes) && !IsConfirmed(id))
                    throw new CommandException("Nothing was erased.");
                var erased = await erasure.RunAsync(id, Environment.UserName, parsed.GetValue(reason)!, parsed.GetValue(account), parsed.GetValue(known) ?? [], ct);
                if (parsed.GetValue(json))
                    Console.WriteLine(JsonSerializer.Serialize(erased, ErasedPersonJson.Default.ErasedPerson));
                else
                    Print(erased);
            }
            catch (ErasureRefusedException e)
            {
                throw new CommandException(e.Message);
            }
        },
        parsed => !parsed.GetValue(yes) && Console.IsInputRedirected ? "This cannot be undone, and nobody is there to ask: give --yes." : null);
        return erase;
    }

    private static string ConnectionString(string url)
    {
        try
        {
            return DatabaseUrl.ToConnectionString(url, "--audit-database-url");
        }
        catch (FormatException e)
        {
            throw new CommandException(e.Message);
        }
    }

    private static NpgsqlDataSource? Open(string? connectionString) => connectionString is null ? null : IdentityDatabase.Open(connectionString, Name);

    private static IEnumerable<(string, NpgsqlDataSource)> Others(NpgsqlDataSource? target, NpgsqlDataSource? audit)
    {
        if (target is not null)
            yield return ("target database", target);
        if (audit is not null)
            yield return ("audit database", audit);
    }

    private static bool IsConfirmed(string user)
    {
        Console.Error.Write($"Erase everything about user {Terminal.OneLine(user)}? It cannot be undone. [y/N] ");
        return Console.ReadLine()?.Trim() is "y" or "Y" or "yes";
    }

    private static void Print(ErasedPerson erased)
    {
        Terminal.WriteTable(["place", "erased"], erased.Places.Select(p => (string[])[p.Place, $"{p.Count:N0}"]));
        Console.WriteLine($"User {erased.UserId} was erased{(erased.AccountDeleted ? ", the account too" : "")}. Repeat this after a minute: a consumer may have had an event in hand.");
    }
}
