namespace Watchword.Events.Enrichment;

/// <summary>
/// Adds what an operator knows to auth events on their way to the stream. Register an implementation with the host's
/// services.
/// </summary>
/// <remarks>
/// The relay waits for it event by event: an enricher that takes 1 ms limits the relay to a thousand auth events a
/// second. Answer from memory. One that throws is skipped for that event; one that takes longer than
/// <see cref="EnrichmentOptions.TimeLimit"/> is left out for <see cref="EnrichmentOptions.RestAfterOverrun"/>.
/// </remarks>
public interface IEventEnricher
{
    /// <summary>
    /// Adds members to the event's <c>data.context</c>: at most 4,096 characters of names and values together. Never
    /// called concurrently.
    /// </summary>
    /// <param name="facts">What is known of the event.</param>
    /// <param name="context">Empty at first. An enricher registered later replaces a member of the same name.</param>
    void Enrich(EventFacts facts, IDictionary<string, string> context);
}
