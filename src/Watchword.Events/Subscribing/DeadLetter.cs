using System.Text.Json;
using System.Text.Json.Serialization;

namespace Watchword.Events.Subscribing;

/// <summary>An event that a consumer could not handle, as lists show it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Consumer">The consumer that could not handle it.</param>
/// <param name="Subject">The subject it was published to.</param>
/// <param name="Key">The user or organization whose later events wait behind it; null when the event names none, and then nothing waits.</param>
/// <param name="Reason">In plain English; names the field.</param>
/// <param name="Attempts">How often it was tried.</param>
/// <param name="Sequence">Its sequence in its stream.</param>
/// <param name="At">When it was parked.</param>
/// <param name="Waiting">How many later events of its key wait behind it.</param>
public sealed record DeadLetter(
    long Id, string Consumer, string Subject, string? Key, string Reason, int Attempts, long Sequence, DateTime At, long Waiting);

/// <summary>A parked event with all its details.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Consumer">The consumer that parked it.</param>
/// <param name="State">retrying, failed (a dead letter), waiting (behind another), redriven, discarded, or superseded (by a newer state).</param>
/// <param name="Subject">The subject it was published to.</param>
/// <param name="Key">The user or organization; null when it could not be read.</param>
/// <param name="Reason">Why it failed; null while it only waits.</param>
/// <param name="Attempts">How often it was tried.</param>
/// <param name="Stream">The stream it came from.</param>
/// <param name="Sequence">Its sequence in the stream.</param>
/// <param name="Event">The event's id.</param>
/// <param name="At">When it was parked.</param>
/// <param name="ResolvedAt">When it was redriven, discarded or superseded; null while it is open.</param>
/// <param name="ResolvedBy">Who redrove or discarded it; null when a newer state superseded it.</param>
/// <param name="Resolution">Why it was discarded, or by what it was superseded.</param>
/// <param name="Headers">Its headers: [[name, value], …].</param>
/// <param name="Payload">Its content as text; bytes that are not UTF-8 show as U+FFFD.</param>
/// <param name="Waiting">How many later events of its key wait behind it.</param>
/// <param name="Behind">The events behind it, in order; at most 100.</param>
public sealed record ParkedEventDetails(
    long Id, string Consumer, string State, string Subject, string? Key, string? Reason, int Attempts, string Stream, long Sequence, string Event,
    DateTime At, DateTime? ResolvedAt, string? ResolvedBy, string? Resolution, string[][] Headers, string Payload, long Waiting, IReadOnlyList<WaitingEvent> Behind);

/// <summary>An event that waits behind a dead letter.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Subject">The subject it was published to.</param>
/// <param name="Sequence">Its sequence in its stream.</param>
/// <param name="At">When it was parked.</param>
public sealed record WaitingEvent(long Id, string Subject, long Sequence, DateTime At);

/// <summary>The outcome of a redrive.</summary>
/// <param name="Letter">The dead letter as it was.</param>
/// <param name="Applied">How many events of its key were handled, itself included.</param>
/// <param name="Left">How many of its key are still parked.</param>
/// <param name="Failure">Why it stopped; null when all were handled, or none was tried yet.</param>
/// <param name="IsPending">Whether it is still running, or waiting for the consumer to run.</param>
public sealed record RedriveOutcome(DeadLetter Letter, long Applied, long Left, string? Failure, bool IsPending);

/// <summary>Dead letters cannot be redriven or discarded as asked; the message says why.</summary>
public sealed class DeadLetterException(string message) : Exception(message);

/// <summary>Dead letters as JSON.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(IReadOnlyList<DeadLetter>))]
[JsonSerializable(typeof(ParkedEventDetails))]
[JsonSerializable(typeof(IReadOnlyList<RedriveOutcome>))]
[JsonSerializable(typeof(string[][]))]
public sealed partial class DeadLetterJson : JsonSerializerContext;
