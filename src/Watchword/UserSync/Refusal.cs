namespace Watchword.UserSync;

/// <summary>Why a state could not be stored.</summary>
/// <param name="Reason">In plain English.</param>
/// <param name="Waits">Whether it only waits for its address, which another row holds.</param>
internal readonly record struct Refusal(string Reason, bool Waits);
