using Watchword.Events.Enrichment;

namespace Watchword.Events.Outbox;

/// <summary>How the relay works.</summary>
public sealed record RelayOptions
{
    /// <summary>The <c>ce-source</c> of what is published: a URI reference.</summary>
    public string Source { get; init; } = "/watchword";

    /// <summary>Events read in one sweep, under one snapshot. 1 to 100,000.</summary>
    public int SweepSize { get; init; } = 20_000;

    /// <summary>Publishes that may wait for their acks. 1 to 4,096.</summary>
    public int MaxInFlight { get; init; } = 1_024;

    /// <summary>Acks that are written back in one statement.</summary>
    public int MarkSize { get; init; } = 1_000;

    /// <summary>Without a signal, the outbox is read this often.</summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>After a failure, the first wait; doubles up to <see cref="RetryDelayMax"/>.</summary>
    public TimeSpan RetryDelayMin { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>The longest wait after a failure.</summary>
    public TimeSpan RetryDelayMax { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long published events are kept: the streams' retention.</summary>
    public TimeSpan Retention { get; init; } = TimeSpan.FromDays(7);

    /// <summary>How long an event that no server takes, and the later ones of its key, wait to be tried again. Default 1 minute.</summary>
    public TimeSpan HeldRetry { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How often the streams are audited from end to end.</summary>
    public TimeSpan AuditInterval { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Delay before the first full audit, so that the backlog goes first.</summary>
    public TimeSpan AuditDelay { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Which part of the users has its events published.</summary>
    public EventSampling Sampling { get; init; } = EventSampling.None;

    /// <summary>What auth events get on their way.</summary>
    public EnrichmentOptions Enrichment { get; init; } = new();
}
