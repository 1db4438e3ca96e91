using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Events.Subscribing;

/// <summary>A subscriber's durable consumer on the server: made when it is missing, and changed as the options change.</summary>
internal sealed class Durable(string name, string stream, SubscriberOptions options, JetStream jetStream, ILogger logger)
{
    private static readonly TimeSpan ShortAckWait = TimeSpan.FromSeconds(1);

    private bool _mayNotChange;

    /// <summary>How long the server waits for a sign of life.</summary>
    public TimeSpan AckWait { get; private set; } = options.AckWait;

    /// <summary>Null when it was deleted.</summary>
    public Task<ConsumerInfo?> FindAsync(CancellationToken ct) => jetStream.FindConsumerAsync(stream, name, ct);

    /// <summary>Makes it, or changes what differs; where this user may not change it, it is taken as it is.</summary>
    /// <exception cref="NatsException">It is not there, and this user may not make it; says who makes it how.</exception>
    public async Task<ConsumerInfo> EnsureAsync(string? filter, DeliverPolicy startAt, CancellationToken ct)
    {
        var found = await FindAsync(ct);
        // nats-server 2.9 then passes over all that comes, in silence: it does not notice that a filter has got wildcards.
        if (found is not null && HasWildcard(filter) && !HasWildcard(found.Config.FilterSubject))
            filter = null;
        var wanted = options.Consumer(name, filter) with { DeliverPolicy = startAt };
        var consumer = found is null ? await MakeAsync(wanted, ct)
            : Differences(found.Config, wanted) is { Count: > 0 } differences ? await ChangeAsync(found, wanted, differences, ct)
            : found;
        AckWait = consumer.Config.AckWait ?? options.AckWait;
        return consumer;
    }

    /// <summary>For a moment in which what was under way is wanted back soon. Where this user may not, the whole wait has to pass.</summary>
    public Task ShortenAckWaitAsync(CancellationToken ct) => SetAckWaitAsync(ShortAckWait, ct);

    /// <summary>After <see cref="ShortenAckWaitAsync"/>.</summary>
    public Task RestoreAckWaitAsync(CancellationToken ct) => SetAckWaitAsync(AckWait, ct);

    private async Task<ConsumerInfo> MakeAsync(ConsumerConfig wanted, CancellationToken ct)
    {
        try
        {
            return await jetStream.CreateConsumerAsync(stream, wanted, ct);
        }
        catch (NatsPermissionException e)
        {
            var filter = wanted.FilterSubject is null ? "" : $" --filter '{wanted.FilterSubject}'";
            var fromNow = wanted.DeliverPolicy == DeliverPolicy.New ? " --from-now" : "";
            throw new NatsException($"stream {stream} has no durable consumer {name}, and this user may not make it. Have it made: ./run consumer create {name} --stream {stream}{filter}{fromNow}", isTransient: false, e);
        }
    }

    private async Task<ConsumerInfo> ChangeAsync(ConsumerInfo found, ConsumerConfig wanted, List<string> differences, CancellationToken ct)
    {
        try
        {
            // Where it began cannot be changed any more.
            var changed = await jetStream.CreateConsumerAsync(stream, found.Config with
            {
                FilterSubject = wanted.FilterSubject,
                AckWait = wanted.AckWait,
                MaxAckPending = wanted.MaxAckPending,
                MaxDeliver = wanted.MaxDeliver,
            }, ct);
            return await FindAsync(ct) ?? changed;   // the answer to a change may be as old as the server
        }
        catch (NatsPermissionException)
        {
            logger.ConsumerNotChanged(name, stream, string.Join(", ", differences));
            return found;
        }
    }

    private async Task SetAckWaitAsync(TimeSpan wait, CancellationToken ct)
    {
        if (_mayNotChange || AckWait <= ShortAckWait || await FindAsync(ct) is not { } consumer)
            return;
        try
        {
            await jetStream.CreateConsumerAsync(stream, consumer.Config with { AckWait = wait }, ct);
        }
        catch (NatsPermissionException)
        {
            _mayNotChange = true;
        }
    }

    private static bool HasWildcard(string? filter) => filter is not null && filter.AsSpan().ContainsAny('*', '>');

    private static List<string> Differences(ConsumerConfig found, ConsumerConfig wanted)
    {
        List<string> differences = [];
        Compare("filter", found.FilterSubject ?? "none", wanted.FilterSubject ?? "none");
        Compare("ack wait", $"{found.AckWait}", $"{wanted.AckWait}");
        Compare("max ack pending", $"{found.MaxAckPending}", $"{wanted.MaxAckPending}");
        Compare("max deliver", $"{found.MaxDeliver}", $"{wanted.MaxDeliver}");
        return differences;

        void Compare(string what, string has, string wants)
        {
            if (has != wants)
                differences.Add($"{what} {has} instead of {wants}");
        }
    }
}
