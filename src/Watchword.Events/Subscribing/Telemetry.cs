using System.Diagnostics.Metrics;

namespace Watchword.Events.Subscribing;

/// <summary>What subscribers count; meter <c>Watchword.Events</c>.</summary>
internal static class Telemetry
{
    private static readonly Meter Meter = new("Watchword.Events");

    private static readonly Counter<long> HandledEvents = Meter.CreateCounter<long>("watchword.subscriber.handled", "{event}", "Events that were handled.");
    private static readonly Counter<long> ParkedEvents = Meter.CreateCounter<long>("watchword.subscriber.parked", "{event}", "Events that were set aside, or that wait behind one.");

    public static Action<int> Handled(string subscriber)
    {
        var tag = new KeyValuePair<string, object?>("subscriber", subscriber);
        return count => HandledEvents.Add(count, tag);
    }

    public static void Parked(string subscriber, int count) => ParkedEvents.Add(count, new KeyValuePair<string, object?>("subscriber", subscriber));
}
