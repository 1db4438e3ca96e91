using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Watchword.Events.Subscribing;
using Watchword.Server.Store;

namespace Watchword.Server.Cli;

/// <summary><c>./run dlq …</c>: lists, redrives and discards events that a consumer could not handle.</summary>
internal static class DeadLetterCommand
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);
    private const int ShownWaiting = 10;
    private const int ShownLetters = 100;
    private const int MostTold = 100;

    public static Command Create() => new("dlq", """
        Dead letters: events that a consumer could not handle. Later events of the same user or organization wait behind them.

        Each consumer keeps its own in its own database. The default here is the target of user sync; name another
        service's database with --target-database-url.
        """) { List(), Show(), Redrive(), Discard() };

    private static Command List()
    {
        var (consumer, key, json) = (Consumer(), Key(), Json());
        var limit = WholeNumber.Option("--limit", $"Show at most this many, the oldest first. Default {ShownLetters}; with --json all.", "count");
        var list = new Command("list", """
            List dead letters, oldest first, with their reasons and the number of events that wait behind each.

            Examples:
              ./run dlq list
              ./run dlq list --limit 10
              ./run dlq list --consumer user-sync --json | jq '.[] | {id, key, reason, waiting}'
            """) { consumer, key, limit, json };
        SetVerb(list, async (parsed, letters, ct) =>
        {
            var most = parsed.GetValue(limit) ?? (parsed.GetValue(json) ? null : ShownLetters);
            var found = await letters.ListAsync(parsed.GetValue(consumer), parsed.GetValue(key), most, ct);
            if (parsed.GetValue(json))
            {
                Console.WriteLine(JsonSerializer.Serialize(found, DeadLetterJson.Default.IReadOnlyListDeadLetter));
                return;
            }
            if (found.Count == 0)
            {
                // Naming them exposes a misspelt name, which would otherwise read like good news.
                var whose = string.Concat(parsed.GetValue(consumer) is { } name ? $" of consumer {name}" : "", parsed.GetValue(key) is { } whom ? $" of key {whom}" : "");
                Console.WriteLine($"There are no dead letters{whose}.");
                return;
            }
            Terminal.WriteTable(["id", "consumer", "subject", "key", "attempts", "waiting", "at", "reason"],
                found.Select(l => (string[])[$"{l.Id}", l.Consumer, l.Subject, l.Key ?? "–", $"{l.Attempts}", $"{l.Waiting}", Time(l.At), l.Reason]));
            if (found.Count == most && await letters.CountAsync(parsed.GetValue(consumer), parsed.GetValue(key), ct) is var all && all > most)
                Console.WriteLine($"These are the oldest {found.Count:#,0} of {all:#,0}; --limit shows more, --json all of them.");
        });
        return list;
    }

    private static Command Show()
    {
        var (id, json) = (Id(), Json());
        var show = new Command("show", """
            Show one dead letter: where it came from, why it failed, its content, and what waits behind it.

            Examples:
              ./run dlq show 7
              ./run dlq show 7 --json | jq -r .payload | jq .
            """) { id, json };
        SetVerb(show, async (parsed, letters, ct) =>
        {
            var asked = parsed.GetRequiredValue(id)!.Value;
            var letter = await letters.FindAsync(asked, ct) ?? throw new DeadLetterException($"there is no dead letter {asked}");
            if (parsed.GetValue(json))
            {
                Console.WriteLine(JsonSerializer.Serialize(letter, DeadLetterJson.Default.ParkedEventDetails));
                return;
            }
            Line("consumer", letter.Consumer);
            Line("state", letter.ResolvedAt is { } at ? $"{letter.State}, {Time(at)}{(letter.ResolvedBy is { } by ? $" by {by}" : "")}{(letter.Resolution is { } why ? $": {why}" : "")}" : letter.State);
            Line("reason", letter.Reason ?? "none: it only waits");
            Line("attempts", $"{letter.Attempts}");
            Line("event", letter.Event);
            Line("subject", letter.Subject);
            Line("key", letter.Key ?? "unknown: nothing waits behind it");
            Line("from", $"{letter.Stream}, sequence {letter.Sequence}");
            Line("at", Time(letter.At));
            foreach (var header in letter.Headers)
                Line("header", $"{header[0]}: {header[1]}");
            Line("payload", letter.Payload);
            PrintWaiting(letter.Behind, letter.Waiting);
        });
        return show;
    }

    private static Command Redrive()
    {
        var id = WholeNumber.Argument("id", "One dead letter, by its id from list.", ArgumentArity.ZeroOrOne);
        var (consumer, key) = (Consumer(), Key());
        var dry = new Option<bool>("--dry-run") { Description = "Only show what would be handled, and in which order." };
        var noWait = new Option<bool>("--no-wait") { Description = "Do not wait for the outcome." };
        var redrive = new Command("redrive", """
            Have a consumer handle its dead letters again, each followed by the events that wait behind it, in order.

            Examples:
              ./run dlq redrive --consumer user-sync --key 0aFv… --dry-run
              ./run dlq redrive --consumer user-sync --key 0aFv…
              ./run dlq redrive --consumer user-sync
              ./run dlq redrive 7
            """) { id, consumer, key, dry, noWait };
        SetVerb(redrive, async (parsed, letters, ct) =>
        {
            if (parsed.GetValue(dry))
            {
                await PreviewAsync(letters, parsed.GetValue(id), parsed.GetValue(consumer), parsed.GetValue(key), ct);
                return;
            }
            var actor = Environment.UserName;
            var asked = parsed.GetValue(id) is { } one ? await letters.RedriveAsync(one, actor, ct) : await letters.RedriveAsync(parsed.GetValue(consumer)!, parsed.GetValue(key), actor, ct);
            if (parsed.GetValue(noWait))
                Console.WriteLine($"Requested: {asked.Count} dead letter{(asked.Count == 1 ? "" : "s")} and {asked.Sum(l => l.Waiting)} behind {(asked.Count == 1 ? "it" : "them")}.");
            else
                await ReportAsync(letters, asked, ct);
        },
        parsed => (parsed.GetValue(id), parsed.GetValue(consumer), parsed.GetValue(key)) switch
        {
            (null, null, _) or (not null, not null, _) => "Give the id of a dead letter, or --consumer with or without --key.",
            (not null, null, not null) => "--key needs --consumer.",
            _ => null,
        });
        return redrive;
    }

    private static Command Discard()
    {
        var id = Id();
        var reason = new Option<string>("--reason") { Description = "Why the event may be discarded; it is recorded with your name.", HelpName = "text", Required = true };
        var discard = new Command("discard", """
            Discard a dead letter for good. The events that wait behind it are then handled.

            Examples:
              ./run dlq discard 7 --reason "a test account, deleted since"
            """) { id, reason };
        SetVerb(discard, async (parsed, letters, ct) =>
        {
            await letters.DiscardAsync(parsed.GetRequiredValue(id)!.Value, parsed.GetValue(reason)!, Environment.UserName, ct);
            Console.WriteLine($"Dead letter {parsed.GetValue(id)} was discarded. What waits behind it is handled as soon as its consumer runs.");
        });
        return discard;
    }

    private static async Task PreviewAsync(DeadLetters letters, long? id, string? consumer, string? key, CancellationToken ct)
    {
        var found = id is { } one ? await letters.PreviewAsync(one, ct) : await letters.PreviewAsync(consumer!, key, ct);
        foreach (var letter in found)
        {
            Console.WriteLine($"{letter.Id}  {letter.Consumer}  {letter.Subject}  key {Terminal.OneLine(letter.Key ?? "–")}  sequence {letter.Sequence}: {letter.Reason}");
            PrintWaiting((await letters.FindAsync(letter.Id, ct))!.Behind, letter.Waiting);
        }
        var events = found.Sum(l => l.Waiting + 1);
        Console.WriteLine($"{events} event{(events == 1 ? "" : "s")} would be handled, each key's in this order. Nothing was done.");
    }

    private static async Task ReportAsync(DeadLetters letters, IReadOnlyList<DeadLetter> asked, CancellationToken ct)
    {
        var deadline = DateTime.UtcNow + Patience;
        var total = Math.Max(1, asked.Sum(l => l.Waiting + 1));
        long applied = 0;
        var outcomes = await Terminal.ProgressAsync(WaitAsync(), "redriving", () => (double)Interlocked.Read(ref applied) / total);
        var (failed, pending) = (outcomes.Count(o => o.Failure is not null), outcomes.Count(o => o.IsPending));
        var told = outcomes.Count <= MostTold ? outcomes : outcomes.Where(o => o.Failure is not null || o.IsPending).Take(MostTold);
        foreach (var outcome in told)
        {
            var (who, n) = ($"{outcome.Letter.Consumer}, {outcome.Letter.Key ?? $"event {outcome.Letter.Id}"}", outcome.Applied);
            Console.WriteLine(outcome switch
            {
                { IsPending: true } => $"{who}: requested; {n} handled so far, {outcome.Left} to go. It continues when {outcome.Letter.Consumer} runs.",
                { Failure: { } failure } => $"{who}: {n} handled, then it failed again, with {outcome.Left - 1} behind it: {failure}",
                _ => $"{who}: {n} handled, in order; nothing waits any more.",
            });
        }
        if (outcomes.Count > MostTold)
            Console.WriteLine($"Of {outcomes.Count:#,0} dead letters {outcomes.Count - failed - pending:#,0} went through, {failed:#,0} failed again and {pending:#,0} are not finished.");
        if (failed > 0)
            throw new CommandException("Not everything could be handled; see the reasons above.");

        // Waits while there is progress, and then a little longer: the consumer may not be running.
        async Task<IReadOnlyList<RedriveOutcome>> WaitAsync()
        {
            while (true)
            {
                var now = await letters.OutcomesAsync(asked, ct);
                var sum = now.Sum(o => o.Applied);
                if (sum > Interlocked.Exchange(ref applied, sum))
                    deadline = DateTime.UtcNow + Patience;
                if (now.All(o => !o.IsPending) || DateTime.UtcNow > deadline)
                    return now;
                await Task.Delay(Poll, ct);
            }
        }
    }

    private static void PrintWaiting(IReadOnlyList<WaitingEvent> behind, long count)
    {
        foreach (var e in behind.Take(ShownWaiting))
            Console.WriteLine($"  then  {e.Id}  {e.Subject}  sequence {e.Sequence}  {Time(e.At)}");
        if (count > ShownWaiting)
            Console.WriteLine($"  then  {count - ShownWaiting} more");
    }

    private static void SetVerb(Command command, Func<ParseResult, DeadLetters, CancellationToken, Task> run, Func<ParseResult, string?>? misuse = null)
    {
        Connections.AddTo(command, nats: false, targetDatabase: true);
        command.SetVerb(async (parsed, ct) =>
        {
            await using var database = IdentityDatabase.Open(Connections.TargetDatabase(parsed), "watchword dlq");
            await run(parsed, new DeadLetters(database), ct);
        }, misuse);
    }

    private static Argument<long?> Id() => WholeNumber.Argument("id", "Its id from list.", ArgumentArity.ExactlyOne);

    private static Option<string?> Consumer() => new Option<string?>("--consumer") { Description = "Only this consumer's, such as user-sync.", HelpName = "name" }.NotEmpty();

    private static Option<string?> Key() => new Option<string?>("--key") { Description = "Only this user's or organization's, by id.", HelpName = "id" }.NotEmpty();

    private static Option<bool> Json() => new("--json") { Description = "Print JSON, for other programs." };

    // A foreign publisher's text must not control the terminal.
    private static void Line(string name, string value) => Console.WriteLine($"{name,-9} {Terminal.OneLine(value)}");

    private static string Time(DateTime at) => at.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
