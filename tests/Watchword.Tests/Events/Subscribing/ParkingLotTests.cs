using Microsoft.Extensions.Logging.Abstractions;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;
using Watchword.Events.Subscribing;

namespace Watchword.Tests.Events.Subscribing;

/// <summary>The moment between the end of a key's queue and its next event, which no test from outside can hit at will.</summary>
public class ParkingLotTests(PostgresFixture postgres, NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_key_is_not_freed_while_an_event_of_it_is_on_its_way_to_the_table()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var (context, store) = await TakenAsync(host);
        await using var lease = (await AdvisoryLease.TryAcquireAsync(host.Database.Source, "subscriber c", Ct))!;
        using var gate = new WorkGate();
        var lot = new ParkingLot("c", store, gate, NullLogger.Instance);

        lot.Park(context, "no", attempts: 1, delay: null);
        var written = lot.Written(context.Queue);
        Assert.Null(await store.HeadAsync(context.Queue, Ct));
        Assert.False(lot.TryRelease(context.Queue, written), "it is not written down");

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var writing = lot.WriteAsync(lease, stop.Token);
        await lot.FlushAsync(Ct);
        Assert.Equal("failed", (await store.HeadAsync(context.Queue, Ct))!.State);
        Assert.False(lot.TryRelease(context.Queue, written), "it was written down after the table was looked at");
        Assert.Equal(1, lot.Count);
        Assert.True(lot.TryRelease(context.Queue, lot.Written(context.Queue)));
        Assert.Equal(0, lot.Count);
        Assert.False(lot.TryHold(context));

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => writing);
    }

    [Fact]
    public async Task Nothing_is_handled_before_what_came_again_at_the_start_is_written_down()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var (context, store) = await TakenAsync(host);
        await using var lease = (await AdvisoryLease.TryAcquireAsync(host.Database.Source, "subscriber c", Ct))!;
        Assert.True(await store.AddAsync(lease, [new(context, "retrying", "no", 1, TimeSpan.Zero)], Ct));   // by a process that died before it could acknowledge
        using var gate = new WorkGate();
        var lot = new ParkingLot("c", store, gate, NullLogger.Instance);
        await lot.LoadAsync(Ct);
        Assert.True(lot.TryHold(context));   // it came again
        var handled = 0;
        var redriver = new Redriver(host.Database.Source, store, new(host.Database.Source, "c"), lot, new(), (_, _, _) =>
        {
            Interlocked.Increment(ref handled);
            return Task.FromResult(ParkedOutcome.Handled);
        }, NullLogger.Instance);

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var redriving = redriver.RunAsync(Task.CompletedTask, stop, stop.Token);
        await Task.Delay(300, Ct);   // ample for a first look at what is due, which nothing announces
        Assert.Equal(0, handled);
        var writing = lot.WriteAsync(lease, stop.Token);
        await Eventually.TrueAsync(() => lot.Count == 0);
        Assert.Equal(1, handled);
        Assert.Equal(0, await host.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.parked_event"));

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.WhenAll(redriving, writing));
    }

    // One event of a user, in hand.
    private static async Task<(EventContext Context, ParkedEvents Store)> TakenAsync(SubscriberHost host)
    {
        await MigrationRunner.ApplyAsync(host.Database.Source, [SubscribingSchema.Migrations], NullLogger.Instance, Ct);
        await host.JetStream.CreateConsumerAsync("auth-events", new SubscriberOptions().Consumer("c", null));
        await host.RegisterAsync("u");
        var message = Assert.Single(await host.JetStream.FetchAsync("auth-events", "c", 1, TimeSpan.FromSeconds(5)));
        return (new(await Delivery.TakeAsync(host.JetStream, message, Ct)), new(host.Database.Source, "c"));
    }
}
