namespace Watchword.Events.Outbox;

/// <summary>
/// Adds what an operator knows to auth events, on their way to the stream. Register an implementation with the host's
/// services. It runs on a thread of its own: one that throws is passed over, one that is slow is left out for a while,
/// and of each second all events together wait for it half at most.
/// </summary>
public interface IEventEnricher
{
    /// <summary>Adds members to the event's <c>data.context</c>, 4,096 characters in all at most. Never called by two threads at once.</summary>
    void Enrich(EventFacts facts, IDictionary<string, string> context);
}

/// <summary>What is known of an event while it is enriched.</summary>
/// <param name="Subject">Such as <c>auth.user.logged_in</c>.</param>
/// <param name="UserId">Whose event it is.</param>
/// <param name="Ip">The client's address; null when unknown.</param>
/// <param name="UserAgent">The client's program, as it names itself; null when unknown.</param>
public sealed record EventFacts(string Subject, string UserId, string? Ip, string? UserAgent);

/// <summary>What auth events get on their way.</summary>
public sealed record EnrichmentOptions
{
    /// <summary>Lines <c>192.0.2.0/24,NL</c>; null: no country is known.</summary>
    public string? CountryFile { get; init; }

    /// <summary>Whether <c>data.context.country</c> is added.</summary>
    public bool Country { get; init; }

    /// <summary>Whether <c>data.context.device</c> is added.</summary>
    public bool Device { get; init; }

    /// <summary>How often the file is looked at for a change.</summary>
    public TimeSpan ReloadInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long an event waits for an enricher.</summary>
    public TimeSpan TimeLimit { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>How long an enricher is left out that took longer.</summary>
    public TimeSpan RestAfterOverrun { get; init; } = TimeSpan.FromMinutes(1);
}
