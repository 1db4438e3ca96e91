using System.CommandLine;
using System.Diagnostics;
using Watchword.Events.Replay;

namespace Watchword.Server.Cli;

/// <summary><c>./run events replay</c>: events again, to a file, a subject or a consumer.</summary>
internal static class EventsReplay
{
    private const string StandardOutput = "-";

    public static Command Create()
    {
        var stream = new Option<string>("--stream") { Description = "The stream: auth-events, identity-changes, or another.", HelpName = "name", Required = true }.NotEmpty();
        var from = WholeNumber.Option("--from-sequence", "The first sequence. Default: the oldest that stream or outbox keeps.", "number", least: 0);
        var to = WholeNumber.Option("--to-sequence", "The last sequence. Default: the stream's last at the start.", "number", least: 0);
        var since = MomentOption.Create("--since", "Only what happened then or later.");
        var until = MomentOption.Create("--until", "Only what happened then or earlier.");
        var user = new Option<string?>("--user") { Description = "Only events of this user or organization, by id.", HelpName = "id" }.NotEmpty();
        var type = new Option<string?>("--type") { Description = "Only this type, finer subjects of it included: auth.user.registered.", HelpName = "subject" }.NotEmpty();
        var file = new Option<string?>("--to-file") { Description = "A line of JSON for each, into a file that appears when it is whole, its owner's alone; - is standard output.", HelpName = "path" };
        var subject = new Option<string?>("--to-subject") { Description = "Publish again, marked with Watchword-Replay, on a subject or under a prefix such as 'replay.>'.", HelpName = "subject" }.NotEmpty();
        var consumer = new Option<string?>("--to-consumer") { Description = "Make a durable consumer that begins there and goes on with what comes.", HelpName = "name" }.NotEmpty();
        var force = new Option<bool>("--force") { Description = "Publish also to Watchword's own streams, where everybody takes it for news." };
        var dry = new Option<bool>("--dry-run") { Description = "Count the events, and do nothing with them." };
        var replay = new Command("replay", """
            Play events again, in their order: from the outbox where the stream has let go of them, else from the stream.

            Examples:
              ./run events replay --stream auth-events --since 24h --to-file yesterday.ndjson
              ./run events replay --stream identity-changes --user 0aFv… --to-file - | jq .event
              ./run events replay --stream identity-changes --type user.sync --to-subject 'replay.>' --dry-run
              ./run events replay --stream identity-changes --from-sequence 1200 --to-consumer rebuild
            """) { stream, from, to, since, until, user, type, file, subject, consumer, force, dry };
        Connections.AddTo(replay, database: true);
        replay.SetVerb(async (parsed, ct) =>
        {
            await using var nats = await Connections.ConnectAsync(parsed, "watchword events replay", ct);
            await using var database = Connections.OpenDatabase(parsed, "watchword events replay");
            var events = new EventReplay(nats, database);
            var clock = Stopwatch.StartNew();
            var plan = await events.PlanAsync(new(parsed.GetValue(stream)!)
            {
                FromSequence = (ulong?)parsed.GetValue(from),
                ToSequence = (ulong?)parsed.GetValue(to),
                Since = parsed.GetValue(since),
                Until = parsed.GetValue(until),
                User = parsed.GetValue(user),
                Type = parsed.GetValue(type),
            }, ct);
            var (path, target, name) = (parsed.GetValue(file), parsed.GetValue(subject), parsed.GetValue(consumer));
            var work = parsed.GetValue(dry) ? events.CountAsync(plan, ct)
                : target is not null ? events.ToSubjectAsync(plan, target, parsed.GetValue(force), ct)
                : name is not null ? events.ToConsumerAsync(plan, name, ct)
                : path == StandardOutput ? ToStandardOutputAsync(events, plan, ct)
                : events.ToFileAsync(plan, path!, ct);
            var result = await Terminal.ProgressAsync(work, plan.Filter.Stream, () =>
                Math.Clamp(((double)events.Position - plan.From) / Math.Max(1, plan.To - plan.From), 0, 1));
            // Standard output may hold the events themselves.
            await (path == StandardOutput ? Console.Error : Console.Out).WriteLineAsync(
                parsed.GetValue(dry) ? $"Would replay {Events(result)}."
                : name is not null ? $"Consumer {name} of {plan.Filter.Stream} begins at {Start(plan)}: {Counted(result.Events)} wait{(result.Events == 1 ? "s" : "")} in it, and what comes follows."
                : $"Replayed {Events(result)}, {(target is null ? $"to {path}" : To(target, result))}, in {clock.Elapsed.TotalSeconds:0.00} s ({result.Events / clock.Elapsed.TotalSeconds:N0} events/s). Replay {result.ReplayId}.");
        },
        parsed =>
        {
            var targets = ((string?[])[parsed.GetValue(file), parsed.GetValue(subject), parsed.GetValue(consumer)]).Count(t => t is not null);
            return targets > 1 || (targets == 0 && !parsed.GetValue(dry)) ? "Give one of --to-file, --to-subject and --to-consumer, or --dry-run." : null;
        });
        return replay;
    }

    private static async Task<ReplayResult> ToStandardOutputAsync(EventReplay events, ReplayPlan plan, CancellationToken ct)
    {
        await using var output = Terminal.OpenOutput();
        return await events.ToStreamAsync(plan, output, ct);
    }

    private static string Events(ReplayResult result) =>
        $"{Counted(result.Events)} ({result.FromStream:N0} from the stream, {result.FromOutbox:N0} from the outbox), sequences {result.FirstSequence} to {result.LastSequence}";

    private static string Counted(long events) => events == 1 ? "1 event" : $"{events:N0} events";

    private static string To(string target, ReplayResult result) =>
        result.Stored == result.Events ? $"to {target}, stored by {string.Join(", ", result.Streams)}"
        : result.Stored == 0 ? $"to {target}, which no stream stores: who listened has them"
        : $"to {target}, {result.Stored:N0} of them stored by {string.Join(", ", result.Streams)}";

    private static string Start(ReplayPlan plan) =>
        plan.Filter is { Since: { } since, FromSequence: null } ? $"{since.UtcDateTime:yyyy-MM-ddTHH:mm:ss.fffZ}" : $"sequence {Math.Max(plan.From, plan.StreamFirst)}";
}
