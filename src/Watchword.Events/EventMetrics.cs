using System.Diagnostics.Metrics;
using Watchword.Events.Outbox;

namespace Watchword.Events;

/// <summary>The figures of meter <c>Watchword.Events</c>.</summary>
internal static class EventMetrics
{
    public const string MeterName = "Watchword.Events";

    private static readonly Meter Meter = new(MeterName);
    private static readonly Counter<long> Compared = Meter.CreateCounter<long>("watchword.audit.compared", "{event}", "Outbox rows compared with their stream");
    private static readonly Counter<long> Lost = Meter.CreateCounter<long>("watchword.audit.lost", "{event}", "Events that a stream acknowledged and lost; published again");
    private static readonly Counter<long> Corrected = Meter.CreateCounter<long>("watchword.audit.corrected", "{event}", "Events found at another sequence than their row said");
    private static readonly Histogram<double> Duration = Meter.CreateHistogram<double>("watchword.audit.duration", "s", "How long an audit of a stream took");
    private static readonly Counter<long> Handled = Meter.CreateCounter<long>("watchword.subscriber.handled", "{event}", "Events that a subscriber handled");
    private static readonly Counter<long> Parked = Meter.CreateCounter<long>("watchword.subscriber.parked", "{event}", "Events that a subscriber parked");
    private static readonly Counter<long> SampledOut = Meter.CreateCounter<long>("watchword.relay.sampled_out", "{event}", "Events that sampling left unpublished");

    public static void Audited(string stream, TimeSpan took, AuditResult result)
    {
        var tag = KeyValuePair.Create("stream", (object?)stream);
        Compared.Add(result.Compared, tag);
        Lost.Add(result.Lost, tag);
        Corrected.Add(result.Corrected, tag);
        Duration.Record(took.TotalSeconds, tag);
    }

    public static void LeftOut(string subject) => SampledOut.Add(1, KeyValuePair.Create("subject", (object?)subject));

    /// <summary>Counts the events that a subscriber handled.</summary>
    public static Action<int> HandledBy(string subscriber)
    {
        var tag = new KeyValuePair<string, object?>("subscriber", subscriber);
        return count => Handled.Add(count, tag);
    }

    /// <summary>Counts the events that a subscriber parked.</summary>
    public static void ParkedBy(string subscriber, int count) => Parked.Add(count, new KeyValuePair<string, object?>("subscriber", subscriber));
}
