using System.CommandLine;
using Watchword.Events.Contracts;
using Watchword.Events.Replay;
using Watchword.Events.Subscribing;
using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Server.Cli;

/// <summary><c>./run consumer create</c>: a durable consumer for a subscriber that may read, and not make its own.</summary>
internal static class ConsumerCreateCommand
{
    private const int FilterNotTaken = 10093;   // JSConsumerFilterNotSubsetErr

    public static Command Create()
    {
        var name = new Argument<string>("name") { Description = "The subscriber's name." };
        var stream = new Option<string>("--stream") { Description = "The stream that it reads.", HelpName = "name", DefaultValueFactory = _ => Streams.AuthEvents.Name }.NotEmpty();
        var filter = new Option<string?>("--filter") { Description = "The subject that it reads of the stream; wildcards are allowed. Default: all.", HelpName = "subject" }.NotEmpty();
        var fromNow = new Option<bool>("--from-now") { Description = "Begin at the next event. Default: at the oldest that the stream holds." };
        var create = new Command("create", """
            Make the durable consumer of a subscriber that has no right to make it itself (deploy/nats). It works once: one
            that is there already is left as it is.

            Examples:
              ./run consumer create email-service --filter auth.user.registered
              ./run consumer create audit-log --stream identity-changes
            """) { name, stream, filter, fromNow };
        Connections.AddTo(create);
        create.SetVerb(async (parsed, ct) =>
        {
            await using var nats = await Connections.ConnectAsync(parsed, "watchword consumer create", ct);
            await CreateAsync(new JetStream(nats), parsed.GetValue(name)!, parsed.GetValue(stream)!, parsed.GetValue(filter), parsed.GetValue(fromNow), ct);
        });
        return create;
    }

    private static async Task CreateAsync(JetStream jetStream, string name, string stream, string? filter, bool fromNow, CancellationToken ct)
    {
        if (!SubjectPattern.IsName(name))
            throw new CommandException($"'{name}' cannot be a consumer's name: it has no blanks, dots, wildcards or slashes.");
        if (!SubjectPattern.IsName(stream))
            throw new CommandException($"--stream is '{stream}': a stream's name has no blanks, dots, wildcards or slashes.");
        if (filter is not null && SubjectPattern.Fault(filter) is { } fault)
            throw new CommandException($"--filter {fault}.");
        if (await jetStream.FindStreamAsync(stream, ct) is not { } found)
            throw new CommandException($"There is no stream {stream}; ./run stream status shows those that there are.");
        if (filter is not null)
            await CheckAsync(jetStream, stream, filter, ct);
        if (await jetStream.FindConsumerAsync(stream, name, ct) is { } there)
            throw new CommandException($"Stream {stream} has a consumer {name} already, which reads {there.Config.FilterSubject ?? "all of it"}: it was left as it is.");
        ConsumerInfo made;
        try
        {
            made = await jetStream.CreateConsumerAsync(stream, new SubscriberOptions { StartAt = fromNow ? DeliverPolicy.New : DeliverPolicy.All }.Consumer(name, filter), ct);
        }
        catch (JetStreamApiException e) when (e.ErrorCode == FilterNotTaken)
        {
            throw new CommandException($"--filter is '{filter}', which stream {stream} does not take: it takes {string.Join(", ", found.Config.Subjects ?? [])}.");
        }
        Console.WriteLine($"Consumer {name} of {stream} was made; {made.Pending:#,0} event{(made.Pending == 1 ? " waits" : "s wait")} for it.");
    }

    // A consumer whose filter has a typing error would be made, and never get anything.
    private static async Task CheckAsync(JetStream jetStream, string stream, string filter, CancellationToken ct)
    {
        if (filter.Contains('*', StringComparison.Ordinal) || filter.EndsWith('>') || !EventCatalogue.All.Any(t => t.Stream == stream))
            return;
        try
        {
            await KnownTypes.CheckAsync(jetStream, [stream], filter, ct);
        }
        catch (ReplayRefusedException e)
        {
            throw new CommandException($"--filter {e.Reason}.");
        }
    }
}
