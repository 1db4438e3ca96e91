using Microsoft.Extensions.Logging;

namespace Watchword.Events;

/// <summary>Every log line of this project, with a stable event id (2000–2999).</summary>
internal static partial class LogMessages
{
    [LoggerMessage(2000, LogLevel.Information, "Applied migration {Set}/{Number}_{Name}")]
    public static partial void MigrationApplied(this ILogger logger, string set, int number, string name);

    [LoggerMessage(2001, LogLevel.Warning, "{Loop} was interrupted; retrying: {Reason}")]
    public static partial void LoopInterrupted(this ILogger logger, string loop, string reason);

    [LoggerMessage(2002, LogLevel.Error, "{Loop} failed and is restarting; please report this")]
    public static partial void LoopFailed(this ILogger logger, Exception exception, string loop);

    [LoggerMessage(2003, LogLevel.Warning, "{Loop} did not stop in time; shutting down without waiting")]
    public static partial void LoopLeftBehind(this ILogger logger, string loop);

    [LoggerMessage(2060, LogLevel.Information, "Connected to NATS at {Server}")]
    public static partial void NatsConnected(this ILogger logger, string server);

    [LoggerMessage(2061, LogLevel.Warning, "Lost the connection to NATS at {Server}; reconnecting")]
    public static partial void NatsDropped(this ILogger logger, string server);

    [LoggerMessage(2062, LogLevel.Warning, "Cannot connect to NATS; retrying: {Reason}")]
    public static partial void NatsUnreachable(this ILogger logger, string reason);

    [LoggerMessage(2063, LogLevel.Warning, "NATS client: {Message}")]
    public static partial void NatsClientSaid(this ILogger logger, string message);

    [LoggerMessage(2010, LogLevel.Information, "JetStream stream '{Stream}' created successfully")]
    public static partial void StreamCreated(this ILogger logger, string stream);

    [LoggerMessage(2011, LogLevel.Warning, "JetStream stream '{Stream}' differs from Watchword's settings and is left as it is: {Differences}")]
    public static partial void StreamDiffers(this ILogger logger, string stream, string differences);

    // The line and the names of its members are spec 1's ("Log Examples").
    [LoggerMessage(2020, LogLevel.Information, "Auth event published successfully")]
    public static partial void AuthEventPublished(this ILogger logger, string @event, string userId, DateTime timestamp);

    [LoggerMessage(2021, LogLevel.Error, "Failed to publish auth event")]
    public static partial void AuthEventNotPublished(this ILogger logger, string @event, string error, string userId, long position);

    [LoggerMessage(2027, LogLevel.Error, "Failed to publish change event")]
    public static partial void ChangeEventNotPublished(this ILogger logger, string @event, string error, string key, long position);

    [LoggerMessage(2022, LogLevel.Error, "Could not publish event {Position} ({Subject}); it and later events of {Key} wait, events of other keys continue: {Reason}")]
    public static partial void EventHeld(this ILogger logger, long position, string subject, string key, string reason);

    [LoggerMessage(2023, LogLevel.Information, "This process now leads: it publishes the outbox")]
    public static partial void RelayLeads(this ILogger logger);

    [LoggerMessage(2200, LogLevel.Information, "Subscriber {Subscriber} reads {Streams}")]
    public static partial void SubscriberReads(this ILogger logger, string subscriber, string streams);

    [LoggerMessage(2201, LogLevel.Information, "Subscriber {Subscriber} is on standby: another process of this name is active")]
    public static partial void SubscriberStandsBy(this ILogger logger, string subscriber);

    [LoggerMessage(2202, LogLevel.Information, "Subscriber {Subscriber} is waiting for stream {Stream}, which does not exist yet")]
    public static partial void WaitsForStream(this ILogger logger, string subscriber, string stream);

    [LoggerMessage(2203, LogLevel.Warning, "Event {Sequence} ({Subject}) of {Key} became a dead letter after {Attempts} attempts: {Reason}")]
    public static partial void EventParked(this ILogger logger, string subject, long sequence, string key, int attempts, string reason);

    [LoggerMessage(2215, LogLevel.Information, "Event {Sequence} ({Subject}) of {Key} failed {Attempts} times and will be retried: {Reason}")]
    public static partial void EventRetried(this ILogger logger, string subject, long sequence, string key, int attempts, string reason);

    [LoggerMessage(2216, LogLevel.Information, "Event {Sequence} ({Subject}) of {Key} was delivered {Deliveries} times without an answer; it will be tried alone")]
    public static partial void EventSuspected(this ILogger logger, string subject, long sequence, string key, int deliveries);

    [LoggerMessage(2217, LogLevel.Information, "Parked event {Sequence} ({Subject}) of {Key} was closed: {Reason}")]
    public static partial void EventSuperseded(this ILogger logger, long sequence, string subject, string key, string reason);

    [LoggerMessage(2204, LogLevel.Error, "Could not park failed events; they stay unacknowledged: {Reason}")]
    public static partial void ParkingFailed(this ILogger logger, string reason);

    [LoggerMessage(2205, LogLevel.Information, "Dead letter {Id} ({Subject}) of {Key} was redriven")]
    public static partial void EventRedriven(this ILogger logger, long id, string subject, string key);

    [LoggerMessage(2206, LogLevel.Warning, "Could not copy dead letters of {Subscriber} to their stream; retrying: {Reason}")]
    public static partial void DeadLettersAway(this ILogger logger, string subscriber, string reason);

    [LoggerMessage(2207, LogLevel.Error, "Could not copy dead letter {Id} of {Subscriber} to its stream: {Reason}")]
    public static partial void DeadLetterNotCopied(this ILogger logger, long id, string subscriber, string reason);

    [LoggerMessage(2208, LogLevel.Warning, "Subscriber {Subscriber} resumes, though some unacknowledged events of {Stream} were not redelivered: events of one key may be out of order")]
    public static partial void OrderNotSettled(this ILogger logger, string subscriber, string stream);

    [LoggerMessage(2210, LogLevel.Warning, "Subscriber {Subscriber} uses its durable consumer of {Stream} as it is, because this NATS user lacks permission to update it: {Differences}")]
    public static partial void ConsumerNotChanged(this ILogger logger, string subscriber, string stream, string differences);

    [LoggerMessage(2211, LogLevel.Warning, "Could not prune {Subscriber}'s idempotency records; retrying in an hour: {Reason}")]
    public static partial void PruneFailed(this ILogger logger, string subscriber, string reason);

    [LoggerMessage(2212, LogLevel.Debug, "A handler of {Subscriber} failed on event {Sequence} ({Subject})")]
    public static partial void HandlerFailed(this ILogger logger, Exception exception, string subscriber, string subject, long sequence);

    [LoggerMessage(2213, LogLevel.Warning, "Another client reads durable consumer {Subscriber} of {Stream} without the lease; order within a key is not guaranteed. After a broken connection this may be our own old reader")]
    public static partial void OthersRead(this ILogger logger, string subscriber, string stream);

    [LoggerMessage(2214, LogLevel.Warning, "Subscriber {Subscriber} could not read {Stream}; retrying: {Reason}")]
    public static partial void FanOutInterrupted(this ILogger logger, string subscriber, string stream, string reason);

    [LoggerMessage(2209, LogLevel.Error, "A handler of {Subscriber} failed on event {Sequence} ({Subject}); the event is skipped: {Reason}")]
    public static partial void FanOutFailed(this ILogger logger, string subscriber, string subject, long sequence, string reason);

    [LoggerMessage(2030, LogLevel.Debug, "Audited stream '{Stream}': {Compared} events compared, none missing, in {Milliseconds} ms")]
    public static partial void StreamAudited(this ILogger logger, string stream, long compared, long milliseconds);

    [LoggerMessage(2031, LogLevel.Warning, "Stream '{Stream}' acknowledged {Lost} events and lost them, of {Compared} compared; publishing them again")]
    public static partial void EventsLost(this ILogger logger, string stream, long lost, long compared);

    [LoggerMessage(2032, LogLevel.Warning, "Stream '{Stream}' holds {Corrected} events at other sequences than the outbox recorded; corrected the outbox")]
    public static partial void SequencesCorrected(this ILogger logger, string stream, long corrected);

    [LoggerMessage(2035, LogLevel.Information, "Stream '{Stream}' held {Marked} events that were not marked as published; marked them")]
    public static partial void StoredEventsMarked(this ILogger logger, string stream, int marked);

    [LoggerMessage(2036, LogLevel.Error, "Could not create JetStream stream '{Stream}'; other events are still published: {Reason}")]
    public static partial void StreamNotMade(this ILogger logger, string stream, string reason);

    [LoggerMessage(2033, LogLevel.Warning, "Stream '{Stream}' no longer holds event {Id} at sequence {Sequence}, which it acknowledged; auditing it before publishing anything")]
    public static partial void StreamEndMissing(this ILogger logger, string stream, string id, ulong sequence);

    [LoggerMessage(2034, LogLevel.Warning, "The audit of stream '{Stream}' was interrupted; retrying: {Reason}")]
    public static partial void AuditInterrupted(this ILogger logger, string stream, string reason);

    [LoggerMessage(2050, LogLevel.Warning, "Enricher {Enricher} failed; the event is published without its additions, and repeated failures are not logged: {Reason}")]
    public static partial void EnricherFailed(this ILogger logger, string enricher, string reason);

    [LoggerMessage(2051, LogLevel.Warning, "Enricher {Enricher} exceeded {Milliseconds} ms; skipped for {Seconds} s")]
    public static partial void EnricherOverran(this ILogger logger, string enricher, int milliseconds, int seconds);

    [LoggerMessage(2052, LogLevel.Information, "Loaded countries from {File} ({Type}, built {Built:yyyy-MM-dd})")]
    public static partial void CountriesLoaded(this ILogger logger, string file, string type, DateTime built);

    [LoggerMessage(2053, LogLevel.Warning, "Could not reload {File}; the countries loaded before stay in use: {Reason}")]
    public static partial void CountriesNotLoaded(this ILogger logger, string file, string reason);

    [LoggerMessage(2054, LogLevel.Error, "{File} is damaged: some addresses get no country until it is replaced: {Reason}")]
    public static partial void CountriesDamaged(this ILogger logger, string file, string reason);
}
