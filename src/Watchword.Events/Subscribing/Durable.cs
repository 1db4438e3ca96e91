using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using NATS.Client.JetStream.Models;
using Watchword.Events.JetStream;

namespace Watchword.Events.Subscribing;

/// <summary>A durable consumer on the server: made when it is missing, and changed as the options change.</summary>
internal sealed class Durable(string stream, ConsumerConfig wanted, JetStreamClient jetStream, ILogger logger)
{
    private static readonly TimeSpan ShortAckWait = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan StreamPoll = TimeSpan.FromMilliseconds(250);

    private readonly string _name = wanted.DurableName!;
    private bool _mayNotChange;

    /// <summary>How long the server waits for a sign of life before it delivers an event again.</summary>
    public TimeSpan AckWait { get; private set; } = wanted.AckWait;

    /// <summary>Null when it was deleted.</summary>
    public Task<ConsumerInfo?> FindAsync(CancellationToken ct) => jetStream.FindConsumerAsync(stream, _name, ct);

    /// <summary>Waits until somebody has made the stream.</summary>
    /// <param name="waiting">Called once when it is not there yet.</param>
    /// <param name="ct">Gives up.</param>
    public async Task WaitForStreamAsync(Action waiting, CancellationToken ct)
    {
        for (var told = false; await jetStream.FindStreamAsync(stream, ct) is null; told = true)
        {
            if (!told)
            {
                logger.WaitsForStream(_name, stream);
                waiting();
            }
            await Task.Delay(StreamPoll, ct);
        }
    }

    /// <summary>Makes it, or changes what differs. Where this user may not change it, it is read as it is.</summary>
    /// <exception cref="NatsException">It is not there and this user may not make it (says how to have it made), or NATS is unreachable.</exception>
    public async Task<ConsumerInfo> EnsureAsync(CancellationToken ct)
    {
        var found = await FindAsync(ct);
        var config = Fitting(found);
        var consumer = found is null ? await MakeAsync(config, ct)
            : found.Config.AckPolicy != config.AckPolicy ? await MakeAnewAsync(config, ct)
            : Differences(found.Config, config) is { Count: > 0 } differences ? await ChangeAsync(found, config, differences, ct)
            : found;
        AckWait = consumer.Config.AckWait;
        return consumer;
    }

    /// <summary>For a moment in which unanswered events are wanted back soon. Where this user may not change the consumer, the whole wait has to pass.</summary>
    public Task ShortenAckWaitAsync(CancellationToken ct) => SetAckWaitAsync(ShortAckWait, ct);

    /// <summary>After <see cref="ShortenAckWaitAsync"/>.</summary>
    public Task RestoreAckWaitAsync(CancellationToken ct) => SetAckWaitAsync(AckWait, ct);

    // nats-server 2.9 skips everything, in silence, when a plain filter becomes one with a wildcard: it does not notice the wildcard.
    private ConsumerConfig Fitting(ConsumerInfo? found) =>
        found is not null && HasWildcard(wanted.FilterSubject) && !HasWildcard(found.Config.FilterSubject) ? wanted with { FilterSubject = null } : wanted;

    private async Task<ConsumerInfo> MakeAsync(ConsumerConfig config, CancellationToken ct)
    {
        try
        {
            return await jetStream.CreateConsumerAsync(stream, config, ct);
        }
        catch (NatsDeniedException e)
        {
            var filter = config.FilterSubject is null ? "" : $" --filter '{config.FilterSubject}'";
            throw new NatsDeniedException($"stream {stream} has no durable consumer {_name}, and this user may not make it. Have it made: ./run consumer create {_name} --stream {stream}{filter}", e);
        }
    }

    // The server changes no ack policy. A consumer that is made anew delivers every event once more.
    private async Task<ConsumerInfo> MakeAnewAsync(ConsumerConfig config, CancellationToken ct)
    {
        await jetStream.CallAsync(async c => await jetStream.Context.DeleteConsumerAsync(stream, _name, c), ["CONSUMER", "DELETE", stream, _name], ct);
        return await MakeAsync(config, ct);
    }

    private async Task<ConsumerInfo> ChangeAsync(ConsumerInfo found, ConsumerConfig config, List<string> differences, CancellationToken ct)
    {
        try
        {
            // Where it began cannot be changed.
            var changed = await jetStream.CreateConsumerAsync(stream, found.Config with
            {
                FilterSubject = config.FilterSubject,
                AckWait = config.AckWait,
                MaxAckPending = config.MaxAckPending,
                MaxDeliver = config.MaxDeliver,
            }, ct);
            return await FindAsync(ct) ?? changed;   // the answer to a change may show the old state
        }
        catch (NatsDeniedException)
        {
            logger.ConsumerNotChanged(_name, stream, string.Join(", ", differences));
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
        catch (NatsDeniedException)
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
