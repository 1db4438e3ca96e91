using System.CommandLine;
using NATS.Client.JetStream;
using NATS.Client.JetStream.Models;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Replay;
using Watchword.Events.Subscribing;

namespace Watchword.Server.Cli;

/// <summary><c>./run consumer create</c>: makes a durable consumer, for a subscriber that may not, or that begins elsewhere.</summary>
internal static class ConsumerCreateCommand
{
    private const int FilterNotTaken = 10093;   // JSConsumerFilterNotSubsetErr

    private sealed record Wanted(string Name, string Stream, string? Filter, bool FromNow, ulong? FromSequence, DateTimeOffset? Since);

    public static Command Create()
    {
        var name = new Argument<string>("name") { Description = "The subscriber's name." };
        var stream = new Option<string>("--stream") { Description = "The stream to read.", HelpName = "name", DefaultValueFactory = _ => Streams.AuthEvents.Name! }.NotEmpty();
        var filter = new Option<string?>("--filter") { Description = "Only this subject, which may contain wildcards. Default: the whole stream.", HelpName = "subject" }.NotEmpty();
        var fromNow = new Option<bool>("--from-now") { Description = "Begin with the next event. Default: with the oldest that the stream holds." };
        var from = WholeNumber.Option("--from-sequence", "Begin with this sequence.", "number");
        var since = MomentOption.Create("--since", "Begin with the first event that was stored then or later.");
        var create = new Command("create", """
            Make a durable consumer: for a subscriber that may not make its own (deploy/nats), or to read a stream again from
            some place on. An existing consumer is never changed.

            Examples:
              ./run consumer create email-service --filter auth.user.registered
              ./run consumer create audit-log --stream identity-changes
              ./run consumer create rebuild --stream identity-changes --from-sequence 1200
            """) { name, stream, filter, fromNow, from, since };
        Connections.AddTo(create);
        create.SetVerb(async (parsed, ct) =>
        {
            var wanted = new Wanted(parsed.GetValue(name)!, parsed.GetValue(stream)!, parsed.GetValue(filter), parsed.GetValue(fromNow), (ulong?)parsed.GetValue(from), parsed.GetValue(since));
            CheckForm(wanted);
            await using var nats = await Connections.ConnectAsync(parsed, "watchword consumer create", ct);
            var made = await CreateAsync(nats, wanted, ct);
            Console.WriteLine($"Consumer {wanted.Name} of {wanted.Stream} was made; {made.NumPending:#,0} event{(made.NumPending == 1 ? " waits" : "s wait")} for it.");
        },
        parsed => (parsed.GetValue(fromNow) ? 1 : 0) + (parsed.GetValue(from) is null ? 0 : 1) + (parsed.GetValue(since) is null ? 0 : 1) > 1
            ? "Give only one of --from-now, --from-sequence and --since: a consumer begins at one place." : null);
        return create;
    }

    private static void CheckForm(Wanted wanted)
    {
        if (!SubjectPattern.IsName(wanted.Name))
            throw new CommandException($"'{wanted.Name}' cannot be a consumer's name: it has no blanks, dots, wildcards or slashes.");
        if (!SubjectPattern.IsName(wanted.Stream))
            throw new CommandException($"--stream is '{wanted.Stream}': a stream's name has no blanks, dots, wildcards or slashes.");
        if (wanted.Filter is not null && SubjectPattern.Fault(wanted.Filter) is { } fault)
            throw new CommandException($"--filter {fault}.");
        if (wanted.Since > DateTimeOffset.UtcNow)
            throw new CommandException($"--since is {wanted.Since:O}, which is in the future: use --from-now to begin with the next event.");
    }

    private static async Task<ConsumerInfo> CreateAsync(JetStreamClient nats, Wanted wanted, CancellationToken ct)
    {
        var (name, stream, filter) = (wanted.Name, wanted.Stream, wanted.Filter);
        if (await nats.FindStreamAsync(stream, ct) is not { } found)
            throw new CommandException($"There is no stream {stream}; ./run stream status lists the streams.");
        if (filter is not null)
            await CheckFilterAsync(nats, stream, filter, ct);
        CheckSequence(wanted, found.State);
        if (await nats.FindConsumerAsync(stream, name, ct) is { } existing)
            throw new CommandException($"Stream {stream} already has a consumer {name}, which reads {existing.Config.FilterSubject ?? "all of it"}. It was not changed.");
        try
        {
            return await nats.CreateConsumerAsync(stream, Begin(new SubscriberOptions().Consumer(name, filter), wanted), ct);
        }
        catch (NatsJSApiException e) when (e.Error.ErrCode == FilterNotTaken)
        {
            throw new CommandException($"--filter is '{filter}', which stream {stream} does not take: it takes {string.Join(", ", found.Config.Subjects ?? [])}.");
        }
    }

    private static ConsumerConfig Begin(ConsumerConfig consumer, Wanted wanted) => wanted switch
    {
        { FromNow: true } => consumer with { DeliverPolicy = ConsumerConfigDeliverPolicy.New },
        { FromSequence: { } sequence } => consumer with { DeliverPolicy = ConsumerConfigDeliverPolicy.ByStartSequence, OptStartSeq = sequence },
        { Since: { } since } => consumer with { DeliverPolicy = ConsumerConfigDeliverPolicy.ByStartTime, OptStartTime = since },
        _ => consumer,
    };

    // The server would begin with the oldest event, or the next one, and not say so.
    private static void CheckSequence(Wanted wanted, StreamState state)
    {
        if (wanted.FromSequence < state.FirstSeq)
            throw new CommandException($"--from-sequence is {wanted.FromSequence}, but stream {wanted.Stream} begins at {state.FirstSeq}. Older events cannot be consumed, but ./run events replay may still find them in the outbox.");
        if (wanted.FromSequence > state.LastSeq)
            throw new CommandException($"--from-sequence is {wanted.FromSequence}, but stream {wanted.Stream} ends at {state.LastSeq}: use --from-now to begin with the next event.");
    }

    // With a misspelt filter the consumer would be made, and never receive anything.
    private static async Task CheckFilterAsync(JetStreamClient nats, string stream, string filter, CancellationToken ct)
    {
        if (filter.Contains('*', StringComparison.Ordinal) || filter.EndsWith('>') || !EventCatalogue.All.Any(t => t.Stream == stream))
            return;
        try
        {
            await KnownTypes.CheckAsync(nats, [stream], filter, ct);
        }
        catch (ReplayRefusedException e)
        {
            throw new CommandException($"--filter {e.Reason}.");
        }
    }
}
