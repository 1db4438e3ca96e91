namespace Watchword.Events.Outbox;

/// <summary>Pulsed after each commit that added events to the outbox; wakes the relay.</summary>
public sealed class OutboxSignal : Signal;
