using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Watchword.Nats;

/// <summary>
/// What an OpenTelemetry pipeline sees of this client, named as in the conventions for messaging: register
/// <see cref="Name"/> as source and as meter. While nobody does, it costs next to nothing. Subjects that begin with
/// <c>$</c> are the server's own (JetStream's interface, key-value buckets) and are left out.
/// </summary>
public static class NatsTelemetry
{
    /// <summary>The name of the <see cref="ActivitySource"/> and of the <see cref="Meter"/>.</summary>
    public const string Name = "Watchword.Nats";

    internal const string TraceParent = "traceparent";
    internal const string TraceState = "tracestate";

    private static readonly Meter Meter = new(Name);

    private static readonly ConcurrentDictionary<JetStreamPublisher, byte> Publishers = new();

    [ThreadStatic]
    private static NatsHeaders? _traced;

    static NatsTelemetry() => Meter.CreateObservableUpDownCounter(
        "nats.client.pending.acks", PendingAcks, "{message}", "Messages published to JetStream that wait for their ack");

    internal static ActivitySource Source { get; } = new(Name);

    internal static Counter<long> Sent { get; } = Meter.CreateCounter<long>(
        "messaging.client.sent.messages", "{message}", "Messages sent to NATS; those to JetStream when their ack or failure is known");

    internal static Counter<long> Consumed { get; } = Meter.CreateCounter<long>(
        "messaging.client.consumed.messages", "{message}", "Messages handed to the application");

    internal static Histogram<double> Duration { get; } = Meter.CreateHistogram(
        "messaging.client.operation.duration", "s", "How long sending took, with the answer or ack where there is one", tags: null,
        new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] });

    private static Counter<long> Reconnects { get; } = Meter.CreateCounter<long>(
        "nats.client.reconnects", "{reconnect}", "Connections made anew after they were lost");

    private static Counter<long> DroppedMessages { get; } = Meter.CreateCounter<long>(
        "nats.client.dropped.messages", "{message}", "Messages lost because a subscription's reader was too slow");

    internal static bool IsServers(string subject) => subject is null or ['$', ..];

    internal static void Reconnected(NatsConnection connection)
    {
        if (Reconnects.Enabled)
            Reconnects.Add(1, Tags(connection));
    }

    internal static void Dropped(NatsConnection connection, string subscription)
    {
        if (DroppedMessages.Enabled)
            DroppedMessages.Add(1, [.. Tags(connection), .. Template(subscription)]);
    }

    /// <param name="connection">Where it came from.</param>
    /// <param name="subscription">What was subscribed to, which may hold wildcards; null for a consumer of JetStream.</param>
    /// <param name="group">The queue group, or the consumer.</param>
    internal static void Read(NatsConnection connection, string? subscription, string? group)
    {
        if (!Consumed.Enabled)
            return;
        TagList tags = [.. Tags(connection), new("messaging.operation.name", "receive"), new("messaging.operation.type", "receive")];
        foreach (var tag in subscription is null ? [] : Template(subscription))
            tags.Add(tag);
        if (group is not null)
            tags.Add("messaging.consumer.group.name", group);
        Consumed.Add(1, tags);
    }

    /// <summary>The headers with the context in them, for use at once; the caller's own are left alone. What the caller set stands.</summary>
    internal static NatsHeaders? WithContext(NatsHeaders? headers, Activity context)
    {
        if (context is not { IdFormat: ActivityIdFormat.W3C, Id: { } id } || headers?.TryGetUtf8(TraceParent, out _) == true)
            return headers;
        _traced ??= [];
        _traced.CopyFrom(headers);
        _traced.Add(TraceParent, id);
        if (context.TraceStateString is { Length: > 0 } state && !state.AsSpan().ContainsAny('\r', '\n'))
            _traced.Add(TraceState, state);
        return _traced;
    }

    internal static bool TryReadContext(NatsHeaders? headers, out ActivityContext context)
    {
        context = default;
        return headers?[TraceParent] is { } parent && ActivityContext.TryParse(parent, headers[TraceState], isRemote: true, out context);
    }

    /// <summary>The span of handling a message: a child of the one that sent it, linked to the one it is handled in.</summary>
    internal static Activity? StartProcessing(string subject, NatsHeaders? headers, int size, NatsConnection? connection, string? group)
    {
        if (!Source.HasListeners())
            return null;
        var sent = TryReadContext(headers, out var context);
        var around = sent && Activity.Current is { } current ? new[] { new ActivityLink(current.Context) } : null;
        var activity = Source.StartActivity($"process {Target(subject)}", ActivityKind.Consumer, context, tags: null, around);
        if (activity is { IsAllDataRequested: true })
        {
            Describe(activity, "process", "process", subject, size, headers, connection);
            if (group is not null)
                activity.SetTag("messaging.consumer.group.name", group);
        }

        return activity;
    }

    internal static void Describe(Activity activity, string name, string type, string subject, int size, NatsHeaders? headers, NatsConnection? connection)
    {
        activity.SetTag("messaging.system", "nats").SetTag("messaging.operation.name", name).SetTag("messaging.operation.type", type)
            .SetTag("messaging.message.body.size", size);
        if (IsInbox(subject))
            activity.SetTag("messaging.destination.temporary", true).SetTag("messaging.destination.template", "_INBOX.>");
        else
            activity.SetTag("messaging.destination.name", subject);
        if (headers?["Nats-Msg-Id"] is { } id)
            activity.SetTag("messaging.message.id", id);
        if (connection?.Address is { } server)
            activity.SetTag("server.address", server.Host).SetTag("server.port", server.Port);
    }

    /// <summary>For the name of a span, which must be one of few: inboxes are without number.</summary>
    internal static string Target(string subject) => IsInbox(subject) ? "(temporary)" : subject;

    internal static KeyValuePair<string, object?>[] Tags(NatsConnection connection) => connection.Address is { } server
        ? [new("messaging.system", "nats"), new("server.address", server.Host), new("server.port", server.Port)]
        : [new("messaging.system", "nats")];

    internal static void Add(JetStreamPublisher publisher) => Publishers.TryAdd(publisher, 0);

    internal static void Remove(JetStreamPublisher publisher) => Publishers.TryRemove(publisher, out _);

    // Whatever is subscribed to was written down by somebody; a subject that arrives may hold a number.
    private static KeyValuePair<string, object?>[] Template(string subscription)
        => [new("messaging.destination.template", IsInbox(subscription) ? "_INBOX.>" : subscription)];

    private static bool IsInbox(string subject) => subject.StartsWith("_INBOX", StringComparison.Ordinal);

    private static IEnumerable<Measurement<long>> PendingAcks() =>
        from publisher in Publishers.Keys
        let server = publisher.Connection.Address
        where server is not null
        group (long)publisher.InFlight by (server.Host, server.Port) into ofServer
        select new Measurement<long>(
            ofServer.Sum(), new("messaging.system", "nats"), new("server.address", ofServer.Key.Host), new("server.port", ofServer.Key.Port));
}
