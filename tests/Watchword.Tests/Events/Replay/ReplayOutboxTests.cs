using System.Text.Json;
using NATS.Client.Core;
using Watchword.Tests.Events.Outbox;

namespace Watchword.Tests.Events.Replay;

/// <summary>What the stream has let go of comes from the outbox, as it was published.</summary>
public class ReplayOutboxTests(PostgresFixture postgres, NatsFixture nats)
{
    private const int Users = 20;

    [Theory]
    [InlineData("identity-changes")]
    [InlineData("auth-events")]
    public async Task It_goes_on_from_the_outbox_to_the_stream_without_a_seam(string stream)
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await using var db = await PublishedAsync(world);
        var whole = await world.LinesAsync(new(stream), db);
        await world.JetStream.PurgeStreamAsync(stream, before: 13);

        var replay = world.Replay(db);
        var result = await replay.ToFileAsync(await replay.PlanAsync(new(stream)), world.File);

        Assert.Equal((12, Users - 12), (result.FromOutbox, result.FromStream));
        Assert.Equal((1UL, (ulong)Users), (result.FirstSequence, result.LastSequence));
        Assert.Equal(Users, whole.Count);
        // Chains tie a message to its predecessor in one stream at one time: they are no part of the event.
        Assert.Equal(whole.Select(Unchained), (await File.ReadAllLinesAsync(world.File)).Select(l => Unchained(JsonDocument.Parse(l).RootElement)));
    }

    [Fact]
    public async Task A_beginning_that_neither_keeps_is_refused_and_not_passed_over()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await using var db = await PublishedAsync(world);
        await world.JetStream.PurgeStreamAsync("auth-events", before: 13);
        Assert.Equal(Users, (await world.LinesAsync(new("auth-events") { FromSequence = 1 }, db)).Count);
        File.Delete(world.File);
        await db.ExecuteAsync("DELETE FROM watchword.outbox WHERE stream = 'auth-events' AND stream_seq < 6");

        var refusal = await world.RefusedAsync(new("auth-events") { FromSequence = 1 }, db);
        Assert.Equal(("fromSequence", true), (refusal.Field, refusal.Reason.Contains("begins at 6", StringComparison.Ordinal)));
        Assert.Equal(Users - 5, (await world.LinesAsync(new("auth-events") { FromSequence = 6 }, db)).Count);
        Assert.Equal(Users - 5, (await world.LinesAsync(new("auth-events"), db)).Count);   // all there is
        File.Delete(world.File);
        await db.ExecuteAsync("DELETE FROM watchword.outbox");
        Assert.Contains("begins at 13", (await world.RefusedAsync(new("auth-events") { FromSequence = 6 }, db)).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_emptied_stream_is_replayed_from_the_outbox_alone_by_user_and_time_too()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await using var db = await PublishedAsync(world);
        var whole = await world.LinesAsync(new("identity-changes"), db);
        await world.JetStream.PurgeStreamAsync("identity-changes");
        var third = whole.Single(l => l.GetProperty("key").GetString() == "u3");
        var time = third.GetProperty("time").GetDateTimeOffset();

        Assert.Equal(Unchained(third), Unchained((await world.LinesAsync(new("identity-changes") { User = "u3" }, db)).Single()));
        Assert.Equal(Unchained(third), Unchained((await world.LinesAsync(new("identity-changes") { User = "u3", Since = time, Until = time, Type = "user.sync" }, db)).Single()));
        Assert.Equal([5, 6, 7], (await world.LinesAsync(new("identity-changes") { FromSequence = 5, ToSequence = 7 }, db)).Select(l => l.GetProperty("sequence").GetInt32()));
        File.Delete(world.File);
        await world.RefusedAsync(new("identity-changes") { User = "u3", Until = time.AddMilliseconds(-1) }, db);
        await world.RefusedAsync(new("identity-changes") { User = "u3", Since = time.AddMilliseconds(1) }, db);
    }

    [Fact]
    public async Task What_the_stream_drops_after_the_plan_is_not_lost()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await using var db = await PublishedAsync(world);
        var replay = world.Replay(db);
        var (early, late) = (await replay.PlanAsync(new("auth-events")), await replay.PlanAsync(new("identity-changes")));
        await world.JetStream.PurgeStreamAsync("auth-events", before: 9);
        await world.JetStream.PurgeStreamAsync("identity-changes");

        var (first, second) = (await replay.CountAsync(early), await replay.CountAsync(late));

        Assert.Equal((8, Users - 8), (first.FromOutbox, first.FromStream));
        Assert.Equal((Users, 0), (second.FromOutbox, second.FromStream));
    }

    [Fact]
    public async Task What_the_stream_drops_while_it_is_read_comes_from_the_outbox_in_its_place()
    {
        const int Many = 12_000;
        await using var world = await ReplayWorld.CreateAsync(nats);
        await using var db = await PublishedAsync(world, Many);
        var replay = world.Replay(db);
        var plan = await replay.PlanAsync(new("identity-changes"));
        var (next, fromOutbox) = (0UL, 0);

        await foreach (var e in replay.ReadAsync(plan))
        {
            Assert.Equal(++next, e.Sequence);
            fromOutbox += e.FromOutbox ? 1 : 0;
            if (next == 1)
                await world.JetStream.PurgeStreamAsync("identity-changes", before: Many - 5);
        }

        Assert.Equal((ulong)Many, next);
        Assert.InRange(fromOutbox, 1, Many - 6);
    }

    [Fact]
    public async Task What_the_stream_drops_between_events_of_one_type_is_not_lost_either()
    {
        const int Many = 4_000;
        await using var world = await ReplayWorld.CreateAsync(nats);
        await using var db = await PublishedAsync(world);
        await using (await RelayHost.StartAsync(db, world.Account.Settings, new() { Source = "https://id.example.com" }))
        {
            await db.ExecuteAsync($"""
                DO $$ BEGIN FOR i IN 1..{Many} LOOP
                  INSERT INTO organization (id, name, slug, "createdAt") VALUES ('o' || i, 'Org ' || i, 'o' || i, now());
                  UPDATE "user" SET name = 'User ' || i WHERE id = 'u1';
                  COMMIT;
                END LOOP; END $$
                """);
            await Eventually.TrueAsync(async () => await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL") == 0);
        }
        var replay = world.Replay(db);
        var plan = await replay.PlanAsync(new("identity-changes") { Type = "organization.created" });
        var (last, read, fromOutbox) = (0UL, 0, 0);

        await foreach (var e in replay.ReadAsync(plan))
        {
            Assert.Equal(("organization.created", true), (e.Subject, e.Sequence > last));
            (last, fromOutbox) = (e.Sequence, fromOutbox + (e.FromOutbox ? 1 : 0));
            if (++read == 2)
                await world.JetStream.PurgeStreamAsync("identity-changes", before: Users + (2 * Many) - 20);
        }

        Assert.Equal(Many, read);
        Assert.InRange(fromOutbox, 1, Many - 12);
    }

    [Fact]
    public async Task What_a_stream_without_an_outbox_drops_while_it_is_read_is_told()
    {
        const int Many = 12_000;
        await using var world = await ReplayWorld.CreateAsync(nats);
        await using var db = await PublishedAsync(world);   // rows of other streams, at the same sequences
        await world.JetStream.CreateStreamAsync(new() { Name = "source", Subjects = ["source"] });
        await world.JetStream.PublishManyAsync("source", Many, _ => [.. "{}"u8]);
        var replay = world.Replay(db);
        var plan = await replay.PlanAsync(new("source"));
        var read = 0UL;

        var told = await Assert.ThrowsAsync<NatsException>(async () =>
        {
            await foreach (var e in replay.ReadAsync(plan))
            {
                Assert.Equal(++read, e.Sequence);
                if (read == 1)
                    await world.JetStream.PurgeStreamAsync("source", before: Many - 5);
            }
        });

        Assert.Contains($"dropped sequences {read + 1} to {Many - 6} before", told.Message, StringComparison.Ordinal);
    }

    private async Task<TestDatabase> PublishedAsync(ReplayWorld world, int users = Users)
    {
        var db = await postgres.IdentityAsync();
        await using var relay = await RelayHost.StartAsync(db, world.Account.Settings, new() { Source = "https://id.example.com" });
        await db.ExecuteAsync($"""INSERT INTO "user" (id, name, email, "emailVerified") SELECT 'u' || i, 'User ' || i, 'u' || i || '@example.com', false FROM generate_series(1, {users}) i""");
        await Eventually.TrueAsync(async () => await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL") == 0);
        return db;
    }

    private static string Unchained(JsonElement line) =>
        System.Text.RegularExpressions.Regex.Replace(line.GetRawText(), "\"Nats-Expected-Last-Msg-Id\":\"[^\"]*\",", "", System.Text.RegularExpressions.RegexOptions.None, TimeSpan.FromSeconds(1));
}
