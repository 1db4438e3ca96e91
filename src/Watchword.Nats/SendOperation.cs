using System.Diagnostics;

namespace Watchword.Nats;

/// <summary>The sending of one message as telemetry sees it, from the call to its end. The default: nobody looks.</summary>
internal readonly struct SendOperation
{
    private readonly Activity? _activity;
    private readonly string? _name;
    private readonly long _started;

    private SendOperation(string name, Activity? activity) => (_name, _activity, _started) = (name, activity, Stopwatch.GetTimestamp());

    public bool IsObserved => _name is not null;

    public static SendOperation Begin(NatsConnection connection, string name, string subject, int size, NatsHeaders? headers)
    {
        var traced = NatsTelemetry.Source.HasListeners();
        return (traced || NatsTelemetry.Sent.Enabled || NatsTelemetry.Duration.Enabled) && !NatsTelemetry.IsServers(subject)
            ? new SendOperation(name, traced ? Start(connection, name, subject, size, headers) : null)
            : default;
    }

    /// <summary>What travels with the message: this operation, or where nobody traces those, what it happens in.</summary>
    public Activity? Context(string subject) => _activity ?? (NatsTelemetry.IsServers(subject) ? null : Activity.Current);

    public void End(NatsConnection connection, Exception? error)
    {
        if (!IsObserved)
            return;
        if (NatsTelemetry.Sent.Enabled || NatsTelemetry.Duration.Enabled)
        {
            TagList tags = [.. NatsTelemetry.Tags(connection), new("messaging.operation.name", _name), new("messaging.operation.type", "send")];
            if (error is not null)
                tags.Add("error.type", error.GetType().FullName);
            NatsTelemetry.Sent.Add(1, tags);
            NatsTelemetry.Duration.Record(Stopwatch.GetElapsedTime(_started).TotalSeconds, tags);
        }

        if (_activity is null)
            return;
        if (error is not null)
            _activity.SetTag("error.type", error.GetType().FullName).SetStatus(ActivityStatusCode.Error, error.Message);

        // It may end on the read loop, whose own context (none) must stay what it is.
        var current = Activity.Current;
        _activity.Stop();
        Activity.Current = current;
    }

    private static Activity? Start(NatsConnection connection, string name, string subject, int size, NatsHeaders? headers)
    {
        // A message that carries a context already, as one from an outbox does, belongs to that; we only carry it.
        var links = NatsTelemetry.TryReadContext(headers, out var context) ? new[] { new ActivityLink(context) } : null;
        var before = Activity.Current;
        var activity = NatsTelemetry.Source.StartActivity(
            $"{name} {NatsTelemetry.Target(subject)}", ActivityKind.Producer, parentContext: default, tags: null, links);
        if (activity is { IsAllDataRequested: true })
            NatsTelemetry.Describe(activity, name, "send", subject, size, headers, connection);
        Activity.Current = before; // the caller's code is not part of it
        return activity;
    }
}
