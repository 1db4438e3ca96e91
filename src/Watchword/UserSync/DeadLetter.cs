namespace Watchword.UserSync;

/// <summary>An event that could not be applied, with the reason.</summary>
/// <param name="Consumer">Who could not.</param>
/// <param name="Stream">Where it came from.</param>
/// <param name="Sequence">Its sequence there.</param>
/// <param name="Subject">Its subject.</param>
/// <param name="Key">The user, when that much could be read.</param>
/// <param name="Reason">In plain English; names the field.</param>
/// <param name="Attempts">Deliveries so far.</param>
/// <param name="Headers">As a JSON object; null when it had none.</param>
/// <param name="Payload">The bytes as they came.</param>
internal sealed record DeadLetter(
    string Consumer, string Stream, long Sequence, string Subject, string? Key, string Reason, int Attempts, string? Headers, byte[] Payload);
