using System.Globalization;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;

namespace Watchword.Events.Subscribing;

/// <summary>Copies dead letters to the stream <c>dead-letters</c>, subject <c>dlq.&lt;consumer&gt;</c>, as they came, with what is known of their failure.</summary>
internal sealed class DeadLetterCopies(string consumer, ParkedEvents store, ParkingLot lot, JetStream jetStream, ILogger logger)
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(2);

    // Of the original publish, and wrong for this one.
    private static readonly string[] NotCopied = [EventHeaders.MessageId, "Nats-Expected-Last-Msg-Id", "Nats-Expected-Stream", "Nats-Expected-Last-Sequence"];

    /// <summary>Until cancelled.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        var told = false;
        while (true)
        {
            try
            {
                while (await store.UncopiedAsync(ct) is { Count: > 0 } letters)
                    foreach (var letter in letters)
                        await CopyAsync(letter, ct);
                told = false;
            }
            catch (NatsException e)
            {
                if (!told)
                    logger.DeadLettersAway(consumer, e.Message);
                told = true;
                await Task.Delay(RetryDelay, ct);
                continue;
            }
            await lot.Failed.WaitAsync(Timeout.InfiniteTimeSpan, ct);
        }
    }

    private async Task CopyAsync(ParkedEvent letter, CancellationToken ct)
    {
        try
        {
            await PublishAsync(jetStream, consumer, new EventContext(letter, letter.Attempts), letter.Attempts, letter.Reason ?? "", ct);
        }
        catch (NatsException e) when (IsTooLarge(e))
        {
            // The row has it whole.
            logger.DeadLetterNotCopied(letter.Id, consumer, e.Message);
        }
        await store.CopiedAsync(letter, ct);
    }

    /// <summary>Returns when the stream has it; without its payload where it is too large with what is added to it.</summary>
    public static async Task PublishAsync(JetStream jetStream, string consumer, EventContext letter, int attempts, string reason, CancellationToken ct)
    {
        var headers = new NatsHeaders();
        // The sequence too: an event that was settled and comes again, by a replay, is another dead letter.
        headers.TryAdd(EventHeaders.MessageId, string.Create(CultureInfo.InvariantCulture, $"dlq/{consumer}/{letter.EventId}/{letter.Sequence}/{attempts}"));
        headers.Add("Watchword-Consumer", consumer);
        headers.Add("Watchword-Reason", SubscriberFailure.OneLine(reason));
        headers.Add("Watchword-Attempts", attempts);
        headers.Add("Watchword-Subject", letter.Subject);
        headers.Add("Watchword-Stream", letter.Stream);
        headers.Add("Watchword-Sequence", letter.Sequence);
        var subject = "dlq." + consumer;
        var whole = new NatsHeaders();
        foreach (var (name, value) in letter.Headers ?? [])
            if (!NotCopied.Contains(name, StringComparer.OrdinalIgnoreCase))
                whole.TryAdd(name, value);
        foreach (var (name, value) in headers)
            whole.Add(name, value);
        try
        {
            await jetStream.PublishAsync(subject, letter.Payload, whole, ct: ct);
        }
        catch (NatsException e) when (IsTooLarge(e))
        {
            headers.Add("Watchword-Left-Out", letter.Payload.Length);
            await jetStream.PublishAsync(subject, ReadOnlyMemory<byte>.Empty, headers, ct: ct);
        }
    }

    private static bool IsTooLarge(NatsException e) => !e.IsTransient && e is NatsPayloadTooLargeException or JetStreamApiException;
}
