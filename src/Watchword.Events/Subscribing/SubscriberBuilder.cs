using Npgsql;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;

namespace Watchword.Events.Subscribing;

/// <summary>Configures a subscriber: its handlers, its database, and how it works.</summary>
public sealed class SubscriberBuilder
{
    internal EventHandlers Handlers { get; } = new();

    internal SubscriberOptions Options { get; private set; } = new();

    internal NatsSettings? Nats { get; private set; }

    internal NpgsqlDataSource? Database { get; private set; }

    /// <summary>Whether the data source was made here, to be disposed of with the subscriber.</summary>
    internal bool OwnsDatabase { get; private set; }

    internal bool IsExactlyOnce { get; private set; }

    internal bool IsFanOut { get; private set; }

    /// <summary>Where NATS is. Without it: the <c>INatsConnection</c> that the host registered (<c>AddNatsClient()</c>), else the settings <c>NATS_*</c>.</summary>
    public SubscriberBuilder Connect(string url) => Connect(new NatsSettings { Url = url });

    /// <inheritdoc cref="Connect(string)"/>
    public SubscriberBuilder Connect(NatsSettings settings)
    {
        Nats = settings;
        return this;
    }

    /// <summary>
    /// The subscriber's own database, <c>postgres://…</c> or <c>Host=…</c>. It holds the subscriber's lease, and parks events
    /// that cannot be handled with the later events of the same user (schema <c>watchword</c>, made when missing).
    /// </summary>
    /// <exception cref="FormatException">It is not the address of a database.</exception>
    public SubscriberBuilder ParkIn(string database)
    {
        var settings = new NpgsqlConnectionStringBuilder(DatabaseUrl.ToConnectionString(database));
        if (settings.MaxAutoPrepare == 0)
            settings.MaxAutoPrepare = 64;
        ParkIn(NpgsqlDataSource.Create(settings));
        OwnsDatabase = true;
        return this;
    }

    /// <inheritdoc cref="ParkIn(string)"/>
    public SubscriberBuilder ParkIn(NpgsqlDataSource database)
    {
        (Database, OwnsDatabase) = (database, false);
        return this;
    }

    /// <summary>
    /// Each handler runs in a transaction of the subscriber's database (<see cref="EventContext.Transaction"/>), which commits
    /// together with the mark that the event was handled: its effects there happen exactly once.
    /// </summary>
    public SubscriberBuilder ExactlyOnce()
    {
        IsExactlyOnce = true;
        return this;
    }

    /// <summary>Every process gets every event from now on. No position is kept and nothing is parked: for caches.</summary>
    public SubscriberBuilder FanOut()
    {
        IsFanOut = true;
        return this;
    }

    /// <summary>Changes how it works: <c>s.With(o => o with { MaxDeliver = 5 })</c>.</summary>
    public SubscriberBuilder With(Func<SubscriberOptions, SubscriberOptions> change)
    {
        Options = change(Options);
        return this;
    }

    /// <summary>Handles one kind of event. The event is acknowledged when the task completes, and retried when it fails.</summary>
    /// <exception cref="ArgumentException">The type is not an event of Watchword, or has a handler already.</exception>
    public SubscriberBuilder On<TEvent>(Func<TEvent, Task> handle)
        where TEvent : class => On<TEvent>((e, _, _) => handle(e));

    /// <inheritdoc cref="On{TEvent}(Func{TEvent, Task})"/>
    public SubscriberBuilder On<TEvent>(Func<TEvent, EventContext, CancellationToken, Task> handle)
        where TEvent : class
    {
        Handlers.Add(handle);
        return this;
    }

    /// <summary>Handles every event of whole streams that has no handler of its own.</summary>
    /// <param name="handle">Reads <see cref="EventContext.Payload"/> itself.</param>
    /// <param name="streams">For example <c>auth-events</c>.</param>
    public SubscriberBuilder OnAny(Func<EventContext, CancellationToken, Task> handle, params string[] streams)
    {
        Handlers.AddAny(streams, handle);
        return this;
    }

    internal void Validate(string name)
    {
        List<string> faults = [];
        if (name.Length is 0 or > 64 || name.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_')))
            faults.Add($"the name '{name}' is not a valid consumer name: use up to 64 letters, digits, - and _");
        if (!Handlers.Streams.Any())
            faults.Add("it has no handler: add .On<UserRegistered>(…) or another event");
        if (IsFanOut && (IsExactlyOnce || Database is not null))
            faults.Add("FanOut() keeps nothing: remove ParkIn() and ExactlyOnce(), or remove FanOut()");
        if (!IsFanOut && Database is null)
            faults.Add("it has no database for its lease and for events that it cannot handle: add .ParkIn(\"postgres://…\"), or .FanOut() for a cache that keeps nothing");
        if (Database is not null && new NpgsqlConnectionStringBuilder(Database.ConnectionString).Multiplexing)
            faults.Add("Multiplexing is not supported, since the lease needs a session of its own: remove Multiplexing=true from ParkIn()");
        if (IsExactlyOnce && Database is not null && new NpgsqlConnectionStringBuilder(Database.ConnectionString) is { Pooling: true } pool && pool.MaxPoolSize < Options.Connections)
            faults.Add($"ExactlyOnce() with a Concurrency of {Options.Concurrency} uses up to {Options.Connections} connections, and the pool of ParkIn() has {pool.MaxPoolSize}: add Maximum Pool Size={Options.Connections} there, or lower the Concurrency");
        faults.AddRange(Options.Faults());
        if (faults.Count > 0)
            throw new ArgumentException($"subscriber {name}: {string.Join("; ", faults)}", nameof(name));
    }
}
