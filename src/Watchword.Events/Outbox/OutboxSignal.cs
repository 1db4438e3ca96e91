namespace Watchword.Events.Outbox;

/// <summary>Pulsed after each commit that left events in the outbox; wakes the relay.</summary>
public sealed class OutboxSignal : Signal;
