using NATS.Client.Core;

namespace Watchword.Events.Outbox;

/// <summary>How a sweep ended.</summary>
/// <param name="Marked">Rows marked as published: the stream has the event, or sampling leaves it out.</param>
/// <param name="LeftOut">How many of them sampling leaves out.</param>
/// <param name="Failure">Why the sweep ended early; null when it did not, or when only the chain was broken.</param>
/// <param name="ChainBroken">A foreign publisher's message broke the chain: sweep again at once.</param>
internal readonly record struct SweepResult(int Marked, int LeftOut, NatsException? Failure, bool ChainBroken);
