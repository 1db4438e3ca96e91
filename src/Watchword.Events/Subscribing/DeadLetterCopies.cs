using System.Globalization;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using NATS.Client.JetStream;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;

namespace Watchword.Events.Subscribing;

/// <summary>Copies dead letters to the stream <c>dead-letters</c>, subject <c>dlq.&lt;consumer&gt;</c>: the original bytes and headers, with the reason of the failure.</summary>
internal sealed class DeadLetterCopies(string consumer, ParkedEvents store, ParkingLot lot, JetStreamClient jetStream, ILogger logger)
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(2);

    // They belong to the original publish.
    private static readonly string[] NotCopied = [EventHeaders.MessageId, "Nats-Expected-Last-Msg-Id", "Nats-Expected-Stream", "Nats-Expected-Last-Sequence"];

    /// <summary>Copies until cancelled.</summary>
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
            // The row has the whole event.
            logger.DeadLetterNotCopied(letter.Id, consumer, e.Message);
        }
        await store.CopiedAsync(letter, ct);
    }

    /// <summary>Returns when the stream has the copy. The payload is left out where the copy would be too large.</summary>
    public static async Task PublishAsync(JetStreamClient jetStream, string consumer, EventContext letter, int attempts, string reason, CancellationToken ct)
    {
        var headers = new NatsHeaders();
        // With the sequence: an event that was resolved and comes again, by a replay, is another dead letter.
        headers[EventHeaders.MessageId] = string.Create(CultureInfo.InvariantCulture, $"dlq/{consumer}/{letter.EventId}/{letter.Sequence}/{attempts}");
        headers["Watchword-Consumer"] = consumer;
        headers["Watchword-Reason"] = SubscriberFailure.OneLine(reason);
        headers["Watchword-Attempts"] = attempts.ToString(CultureInfo.InvariantCulture);
        headers["Watchword-Subject"] = letter.Subject;
        headers["Watchword-Stream"] = letter.Stream;
        headers["Watchword-Sequence"] = letter.Sequence.ToString(CultureInfo.InvariantCulture);
        var subject = "dlq." + consumer;
        var whole = new NatsHeaders();
        foreach (var (name, values) in letter.Headers ?? [])
            if (!NotCopied.Contains(name, StringComparer.OrdinalIgnoreCase))
                foreach (var value in values)
                    whole.AddForeign(name, value);
        foreach (var (name, value) in headers)
            whole[name] = value;
        try
        {
            await jetStream.PublishAsync(subject, letter.Payload.ToArray(), whole, ct);
        }
        catch (NatsException e) when (IsTooLarge(e))
        {
            headers["Watchword-Left-Out"] = letter.Payload.Length.ToString(CultureInfo.InvariantCulture);
            await jetStream.PublishAsync(subject, [], headers, ct);
        }
    }

    private static bool IsTooLarge(NatsException e) => !e.IsTransient() && e is NatsPayloadTooLargeException or NatsJSApiException;
}
