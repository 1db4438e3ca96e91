using System.Diagnostics;
using Microsoft.Extensions.Hosting;
using Npgsql;
using Watchword.Events;
using Watchword.Events.Contracts;
using Watchword.Events.Subscribing;

namespace Watchword.Bench;

/// <summary>Measures how fast a subscriber reads a filled stream: plainly, exactly once, and with events that always fail.</summary>
internal static class SubscriberBench
{
    private const int Users = 20_000;
    private const int Changes = 6;
    private const int Events = Users * Changes;
    private const int Rounds = 3;
    private const int PairRounds = 9;   // short rounds, whose ratio matters
    private const int WarmUps = 3;
    private const int PoisonEvery = 100;

    private static int _names;

    public static async Task<IReadOnlyList<Figure>> RunAsync(Workbench bench, CancellationToken ct)
    {
        var identity = await bench.IdentityAsync("subscriber_source", ct);
        await Fill.SilentUsersAsync(identity, Users, ct);
        await Fill.UpdateAsync(identity, Users, Changes, ct);
        await RelayRun.CarryAsync(identity, bench.Nats.Url, Events, null, ct);
        await bench.DropAsync(identity, ct);
        var own = await bench.EmptyAsync("subscriber", ct);
        await using (var table = own.CreateCommand("CREATE TABLE effect (who text, what bigint)"))
            await table.ExecuteNonQueryAsync(ct);

        List<double> plain = [], poisoned = [], once = [], effects = [];
        for (var round = 0; round < WarmUps + PairRounds; round++)
        {
            // They take turns in going first, so that neither profits from what the other left behind.
            if (round % 2 == 0)
                await PlainAsync();
            await PoisonedAsync();
            if (round % 2 != 0)
                await PlainAsync();
        }
        for (var round = 0; round <= Rounds; round++)   // the first warms up
        {
            once.Add(await RoundAsync(bench, own, Events, s => s.ExactlyOnce().On<UserSyncEvent>(_ => Task.CompletedTask), ct));
            effects.Add(await RoundAsync(bench, own, Events, s => s.ExactlyOnce().On<UserSyncEvent>(WriteAsync), ct));
        }
        var ratios = plain.Zip(poisoned, (without, with) => with / without).ToList();
        var method = $"{Events:#,0} user.sync events of {Users:#,0} users, until all are acknowledged";
        return
        [
            new("subscriber, empty handler", "events/s", plain[WarmUps..].Rounds(atLeast: 20_000), $"{method}; {PairRounds} rounds"),
            new("subscriber, exactly once, empty handler", "events/s", once[1..].Rounds(atLeast: 5_000), $"{method}; {Rounds} rounds"),
            new("subscriber, exactly once, one INSERT each", "events/s", effects[1..].Rounds(), $"{method}; {Rounds} rounds"),
            new("others, beside an event that always fails every 100", "× without", ratios[WarmUps..].Rounds(atLeast: 0.9),
                $"events of the 99 % of users that do not fail, until the last of them is handled; {PairRounds} rounds, each beside one without"),
        ];

        async Task PlainAsync() => plain.Add(await RoundAsync(bench, own, Events, s => s.On<UserSyncEvent>(_ => Task.CompletedTask), ct));

        async Task PoisonedAsync() => poisoned.Add(await RoundAsync(bench, own, Events - Events / PoisonEvery, s => s.On<UserSyncEvent>(e =>
            IsPoison(e) ? throw new InvalidOperationException("always") : Task.CompletedTask), ct));
    }

    // One user in a hundred, and so one event in a hundred.
    private static bool IsPoison(UserSyncEvent e) => e.Data!.UserId!.EndsWith("00", StringComparison.Ordinal);

    private static async Task WriteAsync(UserSyncEvent e, EventContext context, CancellationToken ct)
    {
        await using var insert = new NpgsqlCommand("INSERT INTO effect (who, what) VALUES ($1, $2)", context.Connection, context.Transaction)
        {
            Parameters = { new() { Value = e.Data!.UserId! }, new() { Value = e.Version!.Value } },
        };
        await insert.ExecuteNonQueryAsync(ct);
    }

    private static async Task<double> RoundAsync(Workbench bench, NpgsqlDataSource own, int expected, Action<SubscriberBuilder> configure, CancellationToken ct)
    {
        await using (var clean = own.CreateCommand("""
            DO $$ BEGIN IF to_regclass('watchword.handled_event') IS NOT NULL THEN TRUNCATE watchword.handled_event, watchword.parked_event; END IF; END $$;
            TRUNCATE effect
            """))
            await clean.ExecuteNonQueryAsync(ct);
        var name = $"bench{_names++}";
        using var count = new HandledCounter();
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddWatchwordSubscriber(name, s =>
        {
            s.Connect(bench.Nats.Url).ParkIn(own);
            configure(s);
        });
        using var host = builder.Build();
        var start = Stopwatch.GetTimestamp();
        await host.StartAsync(ct);
        while (count.Value < expected)
            await Task.Delay(1, ct);
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        await host.StopAsync(ct);
        await using var nats = await bench.ConnectAsync(ct);
        await nats.DeleteConsumerAsync(Streams.IdentityChanges.Name!, name, ct);
        return expected / seconds;
    }

    /// <summary>Counts what the subscriber reports as handled.</summary>
    private sealed class HandledCounter : IDisposable
    {
        private readonly System.Diagnostics.Metrics.MeterListener _listener = new();
        private long _value;

        public HandledCounter()
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == "watchword.subscriber.handled")
                    listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref _value, value));
            _listener.Start();
        }

        public long Value => Interlocked.Read(ref _value);

        public void Dispose() => _listener.Dispose();
    }
}
