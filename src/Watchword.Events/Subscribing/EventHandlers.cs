using Watchword.Events.Contracts;

namespace Watchword.Events.Subscribing;

/// <summary>The handlers of one subscriber, by kind of event.</summary>
internal sealed class EventHandlers
{
    private readonly Dictionary<string, Func<EventContext, CancellationToken, Task>> _bySubject = new(StringComparer.Ordinal);
    private readonly List<EventType> _types = [];
    private readonly List<string> _wholeStreams = [];
    private Func<EventContext, CancellationToken, Task>? _any;

    /// <summary>The streams that the subscriber reads.</summary>
    public IEnumerable<string> Streams => _types.Select(t => t.Stream).Concat(_wholeStreams).Distinct(StringComparer.Ordinal);

    /// <exception cref="ArgumentException">The type is not an event of Watchword, or has a handler already.</exception>
    public void Add<TEvent>(Func<TEvent, EventContext, CancellationToken, Task> handle)
        where TEvent : class
    {
        var type = EventCatalogue.Of(typeof(TEvent));
        if (!_bySubject.TryAdd(type.Subject, (context, ct) => handle(Read<TEvent>(type, context), context, ct)))
            throw new ArgumentException($"{typeof(TEvent).Name} has a handler already", nameof(handle));
        _types.Add(type);
    }

    /// <summary>Handles every event of whole streams, also of kinds that this build does not know.</summary>
    public void AddAny(IEnumerable<string> streams, Func<EventContext, CancellationToken, Task> handle)
    {
        _any = _any is null ? handle : throw new ArgumentException("there is a handler for all events already", nameof(handle));
        _wholeStreams.AddRange(streams);
    }

    /// <summary>The handler of a subject; null when there is none.</summary>
    public Func<EventContext, CancellationToken, Task>? Find(string stream, string subject)
    {
        if (_bySubject.TryGetValue(subject, out var exact))
            return exact;
        return _wholeStreams.Contains(stream) ? _any : null;
    }

    /// <summary>The narrowest subject that covers all handlers of a stream; null for the whole stream.</summary>
    public string? FilterOf(string stream)
    {
        var asked = _types.Where(t => t.Stream == stream).Select(t => t.Subject).ToList();
        if (_wholeStreams.Contains(stream) || asked.Count == 0)
            return null;
        if (asked.Count == 1)
            return asked[0];
        // nats-server 2.9 filters by one subject: this takes their common prefix, and the reader skips the rest.
        var tokens = asked.ConvertAll(s => s.Split('.'));
        var common = Enumerable.Range(0, tokens.Min(t => t.Length) - 1).TakeWhile(i => tokens.TrueForAll(t => t[i] == tokens[0][i])).Count();
        return common == 0 ? null : string.Join('.', tokens[0][..common]) + ".>";
    }

    private static TEvent Read<TEvent>(EventType type, EventContext context)
        where TEvent : class =>
        EventReader.Read(type, context.Payload.Span, context.Headers, out var fault) as TEvent ?? throw new EventRefusedException(fault);
}
