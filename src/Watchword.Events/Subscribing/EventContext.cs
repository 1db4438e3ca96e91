using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using NATS.Client.Core;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;

namespace Watchword.Events.Subscribing;

/// <summary>An event in its handler: where it came from, its headers and bytes, and the services and transaction to work with.</summary>
public sealed class EventContext
{
    private const int LongestName = 512;
    private const string Over = "the handler has returned: its services and transaction are no longer available: await all work before returning";
    private const string KeylessPrefix = "\u001f";   // no id that anybody types begins with it

    private readonly Delivery? _message;
    private readonly InHand? _hand;
    private readonly bool _acknowledges;
    private AsyncServiceScope? _scope;
    private bool _isOver;

    /// <summary>An event as a stream delivers it.</summary>
    /// <param name="message">The message.</param>
    /// <param name="hand">Where it counts as taken until it is answered; null where nobody counts.</param>
    /// <param name="handle">Its handler; null when there is none.</param>
    /// <param name="acknowledges">Whether it is acknowledged here, and not by its reader.</param>
    internal EventContext(Delivery message, InHand? hand = null, Func<EventContext, CancellationToken, Task>? handle = null, bool acknowledges = true)
    {
        (_message, _hand, _acknowledges, Handle) = (message, hand, acknowledges, handle);
        (Stream, Sequence, Subject, StoredAt, Attempt) = (message.Stream, (long)message.Sequence, message.Subject, message.StoredAt, 1);
        (Headers, Payload) = (message.Headers, message.Payload);
        EventId = Storable(IdOf(Headers))
            // A wiped stream starts its sequences again, so the content is part of the id.
            ?? string.Create(CultureInfo.InvariantCulture, $"{Stream}/{Sequence}/{Convert.ToHexStringLower(SHA256.HashData(Payload.Span).AsSpan(0, 8))}");
        Key = Storable(EventKey.Of(Subject, Headers, Payload.Span));
    }

    internal EventContext(ParkedEvent parked, int attempt)
    {
        (Stream, Sequence, Subject, StoredAt, Attempt) = (parked.Stream, parked.Sequence, parked.Subject, new DateTimeOffset(parked.StoredAt), attempt);
        (Headers, Payload, EventId, Key) = (parked.ReadHeaders(), parked.Payload, parked.Event, parked.Key);
    }

    /// <summary>The stream that it came from.</summary>
    public string Stream { get; }

    /// <summary>Its sequence in the stream.</summary>
    public long Sequence { get; }

    /// <summary>The subject that it was published to.</summary>
    public string Subject { get; }

    /// <summary>The user or organization whose events keep their order; null when the event names none.</summary>
    public string? Key { get; }

    /// <summary>The idempotency key: the same on every delivery and in a replay. An id that is not a UUID is prefixed with its <c>ce-source</c>, within which it is unique (CloudEvents 1.0).</summary>
    public string EventId { get; }

    /// <summary>When the stream stored it.</summary>
    public DateTimeOffset StoredAt { get; }

    /// <summary>1 for the first time that the handler gets it.</summary>
    public int Attempt { get; }

    /// <summary>Null when it has none.</summary>
    public NatsHeaders? Headers { get; }

    /// <summary>The bytes as they came.</summary>
    public ReadOnlyMemory<byte> Payload { get; }

    /// <summary>Whether it was replayed, and is not news.</summary>
    public bool IsReplay => Headers.Find(EventHeaders.Replay) is not null;

    /// <summary>The version of the user or organization after the event; null from foreign publishers.</summary>
    public long? Version => long.TryParse(Headers.Find(EventHeaders.Version), CultureInfo.InvariantCulture, out var version) ? version : null;

    /// <summary>The same for everything that one request caused; null when unknown.</summary>
    public string? CorrelationId => Headers.Find(EventHeaders.CorrelationId);

    /// <summary>The user who acted; null when unknown.</summary>
    public string? Actor => Headers.Find(EventHeaders.Actor);

    /// <summary>The service that caused it; null when it named none.</summary>
    public string? Origin => Headers.Find(EventHeaders.Origin);

    /// <summary>The application's services, in a scope of this event's own.</summary>
    /// <exception cref="InvalidOperationException">The handler has returned, or ran out of time.</exception>
    public IServiceProvider Services => _isOver
        ? throw new InvalidOperationException(Over)
        : (_scope ??= Host.CreateAsyncScope()).ServiceProvider;

    /// <summary>With <see cref="SubscriberBuilder.ExactlyOnce"/>: the open transaction. It commits together with the mark that the event was handled, or not at all.</summary>
    /// <exception cref="InvalidOperationException">The subscriber is not exactly-once, or the handler has returned or ran out of time.</exception>
    public NpgsqlTransaction Transaction
    {
        get => field ?? throw new InvalidOperationException(_isOver ? Over : "there is no transaction: add .ExactlyOnce() to the subscriber");
        internal set;
    }

    /// <summary>The connection of <see cref="Transaction"/>.</summary>
    /// <exception cref="InvalidOperationException">As for <see cref="Transaction"/>, or the handler ended it.</exception>
    public NpgsqlConnection Connection => Transaction.Connection ?? throw new InvalidOperationException("the transaction has ended: a handler must neither commit nor roll it back");

    /// <summary>Its handler; null when there is none, or when it was parked.</summary>
    internal Func<EventContext, CancellationToken, Task>? Handle { get; }

    /// <summary>How often the server has delivered it; 0 when it was parked.</summary>
    internal int Deliveries => _message?.Deliveries ?? 0;

    /// <summary>The queue that it waits in: its key's, or one of its own when it has no key.</summary>
    internal string Queue { get => field ?? Key ?? OwnQueue; private set; }

    /// <summary>A queue that no other event waits in.</summary>
    internal string OwnQueue => KeylessPrefix + EventId;

    /// <summary>The queue of a key.</summary>
    internal static string QueueOf(string key) => Storable(key)!;

    /// <summary>Its handler was given up and may still be running.</summary>
    internal bool IsAbandoned { get; set; }

    internal IServiceProvider Host { private get; set; } = null!;

    /// <summary>Done: the server need not deliver it again.</summary>
    internal async ValueTask AckAsync()
    {
        if (_message is null || !_acknowledges)
            return;
        await _message.AckAsync();
        _hand?.Done(_message);
    }

    /// <summary>Begins the trace of its handling.</summary>
    internal Activity? StartActivity() => _message?.StartActivity();

    private static string? IdOf(NatsHeaders? headers) =>
        (headers.Find(EventHeaders.EventId) ?? headers.Find(EventHeaders.MessageId)) is not { } id ? null
        : headers.Find(EventHeaders.Source) is not { Length: > 0 } source || Guid.TryParse(id, out _) ? id
        : $"{source}#{id}";

    // PostgreSQL cannot store U+0000, nor index long text. An event with either must not stop the others.
    private static string? Storable(string? text) =>
        text is null || (text.Length <= LongestName && !text.Contains('\0', StringComparison.Ordinal)) ? text : "sha256:" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    /// <summary>The same event, to be parked in another queue than its key's.</summary>
    internal EventContext In(string queue)
    {
        var moved = (EventContext)MemberwiseClone();
        moved.Queue = queue;
        return moved;
    }

    /// <summary>A context for another attempt, with a scope and a transaction of its own.</summary>
    internal EventContext Again()
    {
        var again = (EventContext)MemberwiseClone();
        (again.IsAbandoned, again._isOver, again._scope) = (false, false, null);
        return again;
    }

    /// <summary>Ends it: the handler has returned, or ran out of time.</summary>
    /// <param name="handling">The handler, which keeps its services while it runs.</param>
    /// <param name="limit">How long disposing of the services may take.</param>
    /// <param name="stop">Stops waiting.</param>
    /// <exception cref="TimeoutException">Disposing of the services took too long.</exception>
    internal Task EndAsync(Task handling, TimeSpan limit, CancellationToken stop)
    {
        Transaction = null!;   // a handler that still runs must not write into it
        _isOver = true;
        if (_scope is not { } scope)
            return Task.CompletedTask;
        _scope = null;
        if (handling.IsCompleted)
            return EndAsync(scope.DisposeAsync().AsTask(), limit, stop);
        _ = DisposeAfterAsync(handling, scope);
        return Task.CompletedTask;

        static async Task EndAsync(Task disposing, TimeSpan limit, CancellationToken stop)
        {
            try
            {
                await disposing.WaitAsync(limit, stop);
            }
            catch (TimeoutException e) when (!disposing.IsCompleted)
            {
                throw new TimeoutException($"disposing of the handler's services took longer than {limit}", e);
            }
        }

        static async Task DisposeAfterAsync(Task handling, AsyncServiceScope scope)
        {
            await handling.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await scope.DisposeAsync();
        }
    }
}
