using System.Globalization;
using Microsoft.Extensions.Logging;
using Watchword.Events.Contracts;
using Watchword.Nats;

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
        catch (NatsException e) when (!e.IsTransient && e is NatsPayloadTooLargeException or JetStreamApiException)
        {
            // With its reason it is larger than the server takes. The row has it whole.
            logger.DeadLetterNotCopied(letter.Id, consumer, e.Message);
        }
        await store.CopiedAsync(letter, ct);
    }

    /// <summary>Returns when the stream has it.</summary>
    public static async Task PublishAsync(JetStream jetStream, string consumer, EventContext letter, int attempts, string reason, CancellationToken ct)
    {
        var headers = new NatsHeaders();
        foreach (var (name, value) in letter.Headers ?? [])
            if (!NotCopied.Contains(name, StringComparer.OrdinalIgnoreCase))
                headers.Add(name, value);
        headers.Add(EventHeaders.MessageId, string.Create(CultureInfo.InvariantCulture, $"dlq/{consumer}/{letter.EventId}/{attempts}"));
        headers.Add("Watchword-Consumer", consumer);
        headers.Add("Watchword-Reason", reason);
        headers.Add("Watchword-Attempts", attempts);
        headers.Add("Watchword-Subject", letter.Subject);
        headers.Add("Watchword-Stream", letter.Stream);
        headers.Add("Watchword-Sequence", letter.Sequence);
        await jetStream.PublishAsync("dlq." + consumer, letter.Payload, headers, ct: ct);
    }
}
