namespace Watchword.Events.JetStream;

/// <summary>What the server forbids this connection, as it says so.</summary>
/// <remarks>
/// NATS.Net 3.3.2 reports a denied subject as the event <c>ServerError</c> alone; the call itself ends with its time-out
/// and "no response". A call that is watched here ends at once, and names the subject.
/// </remarks>
internal sealed class Denials(string inboxPrefix)
{
    private readonly Lock _gate = new();
    private readonly List<Watch> _watches = [];
    private NatsDeniedException? _inbox;

    /// <summary>Told of each denied publish; the subject and the words.</summary>
    public event Action<string, NatsDeniedException>? PublishDenied;

    /// <summary>A call that ends when the server forbids its subject.</summary>
    internal sealed class Watch(Denials denials, string[] tokens, CancellationToken life, CancellationToken ct) : IDisposable
    {
        private readonly CancellationTokenSource _given = CancellationTokenSource.CreateLinkedTokenSource(life, ct);

        /// <summary>Cancelled by the caller, by a denial, or when the connection breaks.</summary>
        public CancellationToken Token => _given.Token;

        /// <summary>The denial; null when there was none.</summary>
        public NatsDeniedException? Reason { get; private set; }

        public bool Concerns(string subject)
        {
            var denied = subject.Split('.');
            return Array.TrueForAll(tokens, t => Array.IndexOf(denied, t) >= 0);
        }

        public void Deny(NatsDeniedException reason)
        {
            Reason = reason;
            try
            {
                _given.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // The call ended at this very moment.
            }
        }

        public void Dispose()
        {
            lock (denials._gate)
                denials._watches.Remove(this);
            _given.Dispose();
        }
    }

    /// <summary>Watches over one call of the JetStream API.</summary>
    /// <param name="tokens">Tokens of its subject that tell it from others.</param>
    /// <param name="life">Cancelled when the connection breaks.</param>
    /// <param name="ct">Gives up.</param>
    public Watch Begin(string[] tokens, CancellationToken life, CancellationToken ct)
    {
        lock (_gate)
        {
            if (_inbox is { } denied)
                throw denied;
            var watch = new Watch(this, tokens, life, ct);
            _watches.Add(watch);
            return watch;
        }
    }

    /// <summary>Another connection may have other rights.</summary>
    public void Forget()
    {
        lock (_gate)
            _inbox = null;
    }

    /// <summary>Takes what the server said, such as <c>Permissions Violation for Publish to "a.b"</c>.</summary>
    public void Report(string error)
    {
        var from = error.IndexOf('"', StringComparison.Ordinal) + 1;
        var to = error.LastIndexOf('"');
        if (from <= 0 || to <= from)
            return;
        var subject = error[from..to];
        if (error.Contains("Subscription to", StringComparison.OrdinalIgnoreCase))
            SubscriptionDenied(subject);
        else
            PublishingDenied(subject);
    }

    private void PublishingDenied(string subject)
    {
        var reason = new NatsDeniedException($"NATS does not allow this user to publish to {subject}: allow it in the server's configuration");
        foreach (var watch in Watches())
            if (watch.Concerns(subject))
                watch.Deny(reason);
        PublishDenied?.Invoke(subject, reason);
    }

    private void SubscriptionDenied(string subject)
    {
        if (!subject.StartsWith(inboxPrefix, StringComparison.Ordinal))
            return;
        var reason = new NatsDeniedException($"NATS does not allow this user to subscribe to {subject}, where answers are sent: allow {inboxPrefix}.>, or set NATS_INBOX_PREFIX to what is allowed");
        lock (_gate)
            _inbox = reason;
        foreach (var watch in Watches())
            watch.Deny(reason);
    }

    private Watch[] Watches()
    {
        lock (_gate)
            return [.. _watches];
    }
}
