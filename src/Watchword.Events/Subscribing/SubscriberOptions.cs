using NATS.Client.JetStream.Models;

namespace Watchword.Events.Subscribing;

/// <summary>How a subscriber works.</summary>
public sealed record SubscriberOptions
{
    /// <summary>How often an event is given to its handler before it is a dead letter. 1 to 100; default 3.</summary>
    public int MaxDeliver { get; init; } = 3;

    /// <summary>The wait before the first retry. It quadruples up to <see cref="BackoffMax"/>, with a quarter of jitter.</summary>
    public TimeSpan Backoff { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>The longest wait before a retry.</summary>
    public TimeSpan BackoffMax { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How many events are handled side by side, each of a different key. 1 to 1,000; default 8.</summary>
    public int Concurrency { get; init; } = 8;

    /// <summary>With exactly-once: how many events may share a transaction. 1 to 1,000; default 16. When one fails it is taken out, and the others are handled again.</summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>A handler that takes longer has failed. Default 5 minutes.</summary>
    public TimeSpan HandlerTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long the server waits for an ack before it delivers an event again; it is extended while a handler runs. At least 1 s; default 30 s.</summary>
    public TimeSpan AckWait { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How many events may be under way. 1 to 100,000; default 2,000.</summary>
    public int MaxInFlight { get; init; } = 2_000;

    /// <summary>How long running handlers may take to finish when the subscriber stops. Default 10 s.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Skips events of this origin (header <c>Watchword-Origin</c>): what this service caused itself.</summary>
    public string? SkipOrigin { get; init; }

    /// <summary>How long the ids of handled events and resolved dead letters are kept. Longer than the streams keep their events; default 30 days.</summary>
    public TimeSpan HandledRetention { get; init; } = TimeSpan.FromDays(30);

    /// <summary>The durable consumer that a subscriber with these options reads, to make it beforehand where the subscriber itself may not.</summary>
    /// <param name="name">The subscriber's.</param>
    /// <param name="filterSubject">What it reads of the stream; null: all.</param>
    public ConsumerConfig Consumer(string name, string? filterSubject) => new()
    {
        DurableName = name,
        Description = "A Watchword subscriber",
        FilterSubject = filterSubject,
        DeliverPolicy = ConsumerConfigDeliverPolicy.All,
        AckPolicy = ConsumerConfigAckPolicy.Explicit,
        AckWait = AckWait,
        MaxAckPending = MaxInFlight,
        // Deliveries that a broken connection swallowed count too: with a limit here, a few of them would lose an event.
        MaxDeliver = -1,
    };

    /// <summary>How often the server may deliver an event before the event itself is suspected of killing the process. Some deliveries are lost with a connection, or in hand when a process is killed.</summary>
    internal int MostDeliveries => MaxDeliver + 5;

    /// <summary>The most connections that exactly-once uses: one for each running handler, live and parked, and the subscriber's own.</summary>
    internal int Connections => (2 * Concurrency) + 4;

    /// <summary>The wait before the next retry.</summary>
    /// <param name="attempts">How often it was tried, 1 or more.</param>
    internal TimeSpan DelayAfter(int attempts)
    {
        var delay = Math.Min(Backoff.TotalMilliseconds * Math.Pow(4, Math.Min(attempts, 20) - 1), BackoffMax.TotalMilliseconds);
        return TimeSpan.FromMilliseconds(delay * (0.75 + Random.Shared.NextDouble() / 2));
    }

    /// <summary>Every option that is out of range.</summary>
    internal IReadOnlyList<string> Faults()
    {
        List<string> faults = [];
        Check(MaxDeliver is >= 1 and <= 100, $"{nameof(MaxDeliver)} is {MaxDeliver}: expected 1 to 100");
        Check(Backoff >= TimeSpan.Zero && Backoff <= BackoffMax, $"{nameof(Backoff)} is {Backoff}: expected zero to {nameof(BackoffMax)}, {BackoffMax}");
        Check(BackoffMax <= TimeSpan.FromDays(1), $"{nameof(BackoffMax)} is {BackoffMax}: expected a day at most");
        Check(Concurrency is >= 1 and <= 1000, $"{nameof(Concurrency)} is {Concurrency}: expected 1 to 1,000");
        Check(BatchSize is >= 1 and <= 1000, $"{nameof(BatchSize)} is {BatchSize}: expected 1 to 1,000");
        Check(HandlerTimeout > TimeSpan.Zero && HandlerTimeout <= TimeSpan.FromDays(1), $"{nameof(HandlerTimeout)} is {HandlerTimeout}: expected more than zero, a day at most");
        Check(AckWait >= TimeSpan.FromSeconds(1) && AckWait <= TimeSpan.FromHours(1), $"{nameof(AckWait)} is {AckWait}: expected 1 second to 1 hour");
        Check(MaxInFlight is >= 1 and <= 100_000, $"{nameof(MaxInFlight)} is {MaxInFlight}: expected 1 to 100,000");
        Check(DrainTimeout >= TimeSpan.Zero && DrainTimeout <= TimeSpan.FromHours(1), $"{nameof(DrainTimeout)} is {DrainTimeout}: expected zero to 1 hour");
        Check(HandledRetention >= TimeSpan.FromDays(1), $"{nameof(HandledRetention)} is {HandledRetention}: expected a day or more");
        return faults;

        void Check(bool holds, string fault)
        {
            if (!holds)
                faults.Add(fault);
        }
    }
}
