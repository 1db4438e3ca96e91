using System.CommandLine;
using System.Diagnostics;
using Watchword.Events.Replay;

namespace Watchword.Server.Cli;

/// <summary><c>./run events replay</c>: reads events again, into a file or to a subject.</summary>
internal static class EventsReplay
{
    private const string StandardOutput = "-";

    public static Command Create()
    {
        var stream = new Option<string>("--stream") { Description = "The stream: auth-events, identity-changes, or another.", HelpName = "name", Required = true }.NotEmpty();
        var from = WholeNumber.Option("--from-sequence", "The first sequence. Default: the oldest that the stream or the outbox has.", "number", least: 0);
        var to = WholeNumber.Option("--to-sequence", "The last sequence. Default: the stream's last when the replay begins.", "number", least: 0);
        var since = MomentOption.Create("--since", "Only events that happened then or later.");
        var until = MomentOption.Create("--until", "Only events that happened then or earlier.");
        var user = new Option<string?>("--user") { Description = "Only events of this user or organization, by id.", HelpName = "id" }.NotEmpty();
        var type = new Option<string?>("--type") { Description = "Only events of this type, such as auth.user.registered; wildcards are allowed.", HelpName = "subject" }.NotEmpty();
        var file = new Option<string?>("--to-file") { Description = "Write a line of JSON per event to a file, which appears when it is complete; - is standard output.", HelpName = "path" };
        var subject = new Option<string?>("--to-subject") { Description = "Publish the events again, marked with Watchword-Replay, to a subject or below a prefix such as 'replay.>'.", HelpName = "subject" }.NotEmpty();
        var force = new Option<bool>("--force") { Description = "Allow Watchword's own streams, whose readers take the replay for new events." };
        var dry = new Option<bool>("--dry-run") { Description = "Only count the events." };
        var replay = new Command("replay", """
            Read events again, in order: from the stream, and from the outbox what the stream no longer holds.
            To read a stream from some place on and keep reading, use ./run consumer create.

            Examples:
              ./run events replay --stream auth-events --since 24h --to-file yesterday.ndjson
              ./run events replay --stream identity-changes --user 0aFv… --to-file - | jq .event
              ./run events replay --stream identity-changes --type user.sync --to-subject 'replay.>' --dry-run
            """) { stream, from, to, since, until, user, type, file, subject, force, dry };
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
            var (path, target) = (parsed.GetValue(file), parsed.GetValue(subject));
            var work = parsed.GetValue(dry) ? events.CountAsync(plan, ct)
                : target is not null ? events.ToSubjectAsync(plan, target, parsed.GetValue(force), ct)
                : path == StandardOutput ? ToStandardOutputAsync(events, plan, ct)
                : events.ToFileAsync(plan, path!, ct);
            var result = await Terminal.ProgressAsync(work, plan.Filter.Stream, () =>
                Math.Clamp(((double)events.Position - plan.From) / Math.Max(1, plan.To - plan.From), 0, 1));
            // Standard output may hold the events themselves.
            await (path == StandardOutput ? Console.Error : Console.Out).WriteLineAsync(
                parsed.GetValue(dry) ? $"Would replay {Events(result)}."
                : $"Replayed {Events(result)}, {(target is null ? $"to {path}" : To(target, result))}, in {clock.Elapsed.TotalSeconds:0.00} s ({result.Events / clock.Elapsed.TotalSeconds:N0} events/s). Replay {result.ReplayId}.");
        },
        parsed => (parsed.GetValue(file), parsed.GetValue(subject), parsed.GetValue(dry)) switch
        {
            (not null, not null, _) or (null, null, false) => "Give either --to-file or --to-subject, or --dry-run.",
            _ => null,
        });
        return replay;
    }

    private static async Task<ReplayResult> ToStandardOutputAsync(EventReplay events, ReplayPlan plan, CancellationToken ct)
    {
        await using var output = Terminal.OpenOutput();
        return await events.ToStreamAsync(plan, output, ct);
    }

    private static string Events(ReplayResult result) =>
        $"{(result.Events == 1 ? "1 event" : $"{result.Events:N0} events")} ({result.FromStream:N0} from the stream, {result.FromOutbox:N0} from the outbox), sequences {result.FirstSequence} to {result.LastSequence}";

    private static string To(string target, ReplayResult result) =>
        result.Stored == result.Events ? $"to {target}, stored by {string.Join(", ", result.Streams)}"
        : result.Stored == 0 ? $"to {target}, which no stream stores: only current subscribers received them"
        : $"to {target}, {result.Stored:N0} of them stored by {string.Join(", ", result.Streams)}";
}
