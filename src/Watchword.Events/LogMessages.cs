using Microsoft.Extensions.Logging;

namespace Watchword.Events;

/// <summary>Every log line of this project, with a stable event id (2000–2999).</summary>
internal static partial class LogMessages
{
    [LoggerMessage(2000, LogLevel.Information, "Applied migration {Set}/{Number}_{Name}")]
    public static partial void MigrationApplied(this ILogger logger, string set, int number, string name);

    [LoggerMessage(2001, LogLevel.Warning, "{Loop} was interrupted and will resume: {Reason}")]
    public static partial void LoopInterrupted(this ILogger logger, string loop, string reason);

    [LoggerMessage(2002, LogLevel.Error, "{Loop} failed and will begin again; please report this")]
    public static partial void LoopFailed(this ILogger logger, Exception exception, string loop);

    [LoggerMessage(2003, LogLevel.Warning, "{Loop} did not end in time and is left behind: a server that it waits for does not answer")]
    public static partial void LoopLeftBehind(this ILogger logger, string loop);

    [LoggerMessage(2010, LogLevel.Information, "JetStream stream '{Stream}' created successfully")]
    public static partial void StreamCreated(this ILogger logger, string stream);

    [LoggerMessage(2011, LogLevel.Warning, "JetStream stream '{Stream}' has other settings than Watchword would give it, and is left as it is: {Differences}")]
    public static partial void StreamDiffers(this ILogger logger, string stream, string differences);

    // The line and the names of its members are spec 1's ("Log Examples").
    [LoggerMessage(2020, LogLevel.Information, "Auth event published successfully")]
    public static partial void AuthEventPublished(this ILogger logger, string @event, string userId, DateTime timestamp);

    [LoggerMessage(2021, LogLevel.Error, "Failed to publish auth event")]
    public static partial void AuthEventNotPublished(this ILogger logger, string @event, string error, string userId, long position);

    [LoggerMessage(2027, LogLevel.Error, "Failed to publish change event")]
    public static partial void ChangeEventNotPublished(this ILogger logger, string @event, string error, string key, long position);

    [LoggerMessage(2022, LogLevel.Error, "Event {Position} ({Subject}) cannot be published; it and later events of {Key} wait, all others go on: {Reason}")]
    public static partial void EventHeld(this ILogger logger, long position, string subject, string key, string reason);

    [LoggerMessage(2023, LogLevel.Information, "This process carries the outbox to JetStream")]
    public static partial void RelayLeads(this ILogger logger);

    [LoggerMessage(2200, LogLevel.Information, "Subscriber {Subscriber} reads {Streams}")]
    public static partial void SubscriberReads(this ILogger logger, string subscriber, string streams);

    [LoggerMessage(2201, LogLevel.Information, "Subscriber {Subscriber} stands by: another process works under this name")]
    public static partial void SubscriberStandsBy(this ILogger logger, string subscriber);

    [LoggerMessage(2202, LogLevel.Information, "Subscriber {Subscriber} waits for stream {Stream}, which is not there yet")]
    public static partial void WaitsForStream(this ILogger logger, string subscriber, string stream);

    [LoggerMessage(2203, LogLevel.Warning, "Event {Sequence} ({Subject}) of {Key} was set aside after {Attempts} attempts: {Reason}")]
    public static partial void EventParked(this ILogger logger, string subject, long sequence, string key, int attempts, string reason);

    [LoggerMessage(2215, LogLevel.Information, "Event {Sequence} ({Subject}) of {Key} failed {Attempts} times and is tried again; the later ones of its key wait: {Reason}")]
    public static partial void EventRetried(this ILogger logger, string subject, long sequence, string key, int attempts, string reason);

    [LoggerMessage(2204, LogLevel.Error, "Events cannot be set aside and wait unanswered: {Reason}")]
    public static partial void ParkingFailed(this ILogger logger, string reason);

    [LoggerMessage(2205, LogLevel.Information, "Dead letter {Id} ({Subject}) of {Key} was redriven")]
    public static partial void EventRedriven(this ILogger logger, long id, string subject, string key);

    [LoggerMessage(2206, LogLevel.Warning, "Dead letters of {Subscriber} cannot be copied to their stream, trying again: {Reason}")]
    public static partial void DeadLettersAway(this ILogger logger, string subscriber, string reason);

    [LoggerMessage(2207, LogLevel.Error, "Dead letter {Id} of {Subscriber} has no copy in the stream: {Reason}")]
    public static partial void DeadLetterNotCopied(this ILogger logger, long id, string subscriber, string reason);

    [LoggerMessage(2208, LogLevel.Warning, "Subscriber {Subscriber} goes on, though not everything that was under way in {Stream} came again: events of one key may change places")]
    public static partial void OrderNotSettled(this ILogger logger, string subscriber, string stream);

    [LoggerMessage(2210, LogLevel.Warning, "Subscriber {Subscriber} reads its durable consumer of {Stream} as it is, for this user may not change it: {Differences}")]
    public static partial void ConsumerNotChanged(this ILogger logger, string subscriber, string stream, string differences);

    [LoggerMessage(2211, LogLevel.Warning, "What {Subscriber} handled long ago could not be forgotten, trying again in an hour: {Reason}")]
    public static partial void PruneFailed(this ILogger logger, string subscriber, string reason);

    [LoggerMessage(2212, LogLevel.Debug, "A handler of {Subscriber} failed on event {Sequence} ({Subject})")]
    public static partial void HandlerFailed(this ILogger logger, Exception exception, string subscriber, string subject, long sequence);

    [LoggerMessage(2213, LogLevel.Warning, "The durable consumer {Subscriber} of {Stream} has another reader, outside the lease, or one whose broken connection the server has not noticed yet: while it reads, the order within a key cannot be kept")]
    public static partial void OthersRead(this ILogger logger, string subscriber, string stream);

    [LoggerMessage(2214, LogLevel.Warning, "Subscriber {Subscriber} cannot read {Stream} and will try again: {Reason}")]
    public static partial void FanOutInterrupted(this ILogger logger, string subscriber, string stream, string reason);

    [LoggerMessage(2209, LogLevel.Error, "A handler of {Subscriber} failed on event {Sequence} ({Subject}), which is passed over: {Reason}")]
    public static partial void FanOutFailed(this ILogger logger, string subscriber, string subject, long sequence, string reason);

    [LoggerMessage(2030, LogLevel.Debug, "Stream '{Stream}' was audited: {Compared} events compared, all there, in {Milliseconds} ms")]
    public static partial void StreamAudited(this ILogger logger, string stream, long compared, long milliseconds);

    [LoggerMessage(2031, LogLevel.Warning, "Stream '{Stream}' acknowledged {Lost} events and lost them, of {Compared} compared: they are published again")]
    public static partial void EventsLost(this ILogger logger, string stream, long lost, long compared);

    [LoggerMessage(2032, LogLevel.Warning, "Stream '{Stream}' holds {Corrected} events at other sequences than the outbox said: the outbox was corrected")]
    public static partial void SequencesCorrected(this ILogger logger, string stream, long corrected);

    [LoggerMessage(2035, LogLevel.Information, "Stream '{Stream}' had stored {Marked} events whose rows did not say so: they are not published again")]
    public static partial void StoredEventsMarked(this ILogger logger, string stream, int marked);

    [LoggerMessage(2036, LogLevel.Error, "JetStream stream '{Stream}' cannot be made; the events flow without it: {Reason}")]
    public static partial void StreamNotMade(this ILogger logger, string stream, string reason);

    [LoggerMessage(2033, LogLevel.Warning, "Stream '{Stream}' does not hold event {Id} at sequence {Sequence}, as it once acknowledged: it is audited before anything else is published")]
    public static partial void StreamEndMissing(this ILogger logger, string stream, string id, ulong sequence);

    [LoggerMessage(2034, LogLevel.Warning, "The audit of stream '{Stream}' was interrupted and will be tried again: {Reason}")]
    public static partial void AuditInterrupted(this ILogger logger, string stream, string reason);

    [LoggerMessage(2040, LogLevel.Information, "JetStream stream '{Stream}' now takes {Subject} too")]
    public static partial void StreamSubjectAdded(this ILogger logger, string stream, string subject);

    [LoggerMessage(2050, LogLevel.Warning, "Enricher {Enricher} failed; the event is published without its additions, and further failures in a row are not logged: {Reason}")]
    public static partial void EnricherFailed(this ILogger logger, string enricher, string reason);

    [LoggerMessage(2051, LogLevel.Warning, "Enricher {Enricher} exceeded {Milliseconds} ms; it is left out for {Seconds} s")]
    public static partial void EnricherOverran(this ILogger logger, string enricher, int milliseconds, int seconds);

    [LoggerMessage(2052, LogLevel.Information, "Loaded countries from {File} ({Type}, built {Built:yyyy-MM-dd})")]
    public static partial void CountriesLoaded(this ILogger logger, string file, string type, DateTime built);

    [LoggerMessage(2053, LogLevel.Warning, "Could not reload {File}; the countries loaded before stay in use: {Reason}")]
    public static partial void CountriesNotLoaded(this ILogger logger, string file, string reason);

    [LoggerMessage(2054, LogLevel.Error, "{File} is damaged: some addresses get no country until it is replaced: {Reason}")]
    public static partial void CountriesDamaged(this ILogger logger, string file, string reason);
}
