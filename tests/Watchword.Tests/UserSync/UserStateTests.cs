using Watchword.Events.Subscribing;
using Watchword.UserSync;
using static Watchword.Tests.UserSync.SyncHost;

namespace Watchword.Tests.UserSync;

/// <summary>User sync carries states: a newer state of a user supersedes an older one that could not be stored.</summary>
public class UserStateTests(PostgresFixture postgres, NatsFixture nats)
{
    private static readonly string Long = new('x', 30);

    // The table refuses names of 20 characters and more.
    private async Task<SyncHost> StartAsync(int maxDeliver = 1)
    {
        var target = await postgres.TargetAsync();
        await target.ExecuteAsync("ALTER TABLE users ADD CONSTRAINT short CHECK (length(name) < 20)");
        return await SyncHost.StartAsync(postgres, nats, new() { MaxDeliver = maxDeliver, Backoff = TimeSpan.FromMilliseconds(10) }, target);
    }

    private static readonly string[] Life =
        [Event("u", "created", Long, version: 10), Event("u", name: "short", version: 11), Event("u", "deleted", "short", version: 12)];

    /// <summary>Every order of creation (0), update (1) and deletion (2).</summary>
    public static TheoryData<string> Orders => ["012", "021", "102", "120", "201", "210"];

    [Theory]
    [MemberData(nameof(Orders))]
    public async Task A_user_whose_creation_is_refused_ends_deleted_when_everything_comes_together(string order)
    {
        await using var host = await StartAsync();
        await host.PublishTogetherAsync([.. order.Select(i => Life[i - '0'])]);
        await AssertDeletedAsync(host);
        Assert.Empty(await host.ParkedAsync());
    }

    [Theory]
    [MemberData(nameof(Orders))]
    public async Task A_user_whose_creation_is_refused_ends_deleted_when_everything_comes_in_batches_of_its_own(string order)
    {
        await using var host = await StartAsync();
        await host.PublishApartAsync([.. order.Select(i => Life[i - '0'])]);
        await AssertDeletedAsync(host);
        // An outdated state is never tried; a dead letter is closed by the state that came next.
        Assert.Equal(order[0] == '0' ? [$"1 superseded superseded by version 1{order[1]}"] : [], await host.ParkedAsync());
    }

    private static async Task AssertDeletedAsync(SyncHost host)
    {
        var user = await host.UserAsync("u");
        Assert.Equal((12, false), (user.Version, user.Is_Active));
        Assert.NotNull(user.Deleted_At);
        Assert.Empty(await host.DeadLetters.ListAsync());
    }

    [Fact]
    public async Task A_user_whom_the_table_never_took_can_be_deleted_all_the_same()
    {
        await using var host = await StartAsync();
        await host.PublishApartAsync(Event("u", "created", Long, version: 10), Event("u", "deleted", Long, version: 11));
        await host.PublishTogetherAsync(Event("v", "created", Long, version: 10), Event("v", "deleted", Long, version: 11));
        Assert.All([await host.UserAsync("u"), await host.UserAsync("v")], u => Assert.True(u is { Deleted_At: not null, Version: 11, Name: null }));
        Assert.Empty(await host.DeadLetters.ListAsync());
    }

    [Fact]
    public async Task A_closed_dead_letter_frees_its_user_says_why_and_cannot_be_redriven()
    {
        await using var host = await StartAsync();
        await host.PublishApartAsync(Event("u", name: Long, version: 10));
        var letter = Assert.Single(await host.DeadLetters.ListAsync());
        await host.PublishApartAsync(Event("u", name: "short", version: 11));

        var closed = (await host.DeadLetters.FindAsync(letter.Id))!;
        Assert.Equal(("superseded", "superseded by version 11", null), (closed.State, closed.Resolution, closed.ResolvedBy));
        Assert.NotNull(closed.ResolvedAt);
        var fault = await Assert.ThrowsAsync<DeadLetterException>(() => host.DeadLetters.RedriveAsync(letter.Id, "ada"));
        Assert.EndsWith(": superseded by version 11", fault.Message, StringComparison.Ordinal);
        // The user can fail, and be parked, anew.
        await host.PublishApartAsync(Event("u", name: Long, version: 12));
        Assert.Equal(3, Assert.Single(await host.DeadLetters.ListAsync()).Sequence);
    }

    [Fact]
    public async Task A_newer_state_that_is_refused_as_well_takes_the_place_of_the_older()
    {
        await using var host = await StartAsync();
        await host.PublishApartAsync(Event("u", name: Long, version: 10), Event("u", name: Long, version: 12), Event("u", name: Long, version: 11));
        Assert.Equal(["1 superseded superseded by version 12", "2 failed", "3 superseded superseded by version 12"], await host.ParkedAsync());
    }

    [Fact]
    public async Task An_older_state_that_comes_after_a_refused_one_is_stored_and_supersedes_nothing()
    {
        await using var host = await StartAsync();
        await host.PublishApartAsync(Event("u", name: Long, version: 12), Event("u", name: "older", version: 11));
        Assert.Equal("older", (await host.UserAsync("u")).Name);
        Assert.Equal(["1 failed"], await host.ParkedAsync());
    }

    [Fact]
    public async Task Of_one_user_s_states_in_a_batch_the_last_that_the_table_takes_is_stored()
    {
        await using var host = await StartAsync(maxDeliver: 3);
        await host.PublishTogetherAsync(
            Event("u", name: "first", version: 10), Event("u", name: "second", version: 11), Event("u", name: Long, version: 12), Event("u", name: Long, version: 13));
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [{ Key: "u", Attempts: 3, Sequence: 5, Waiting: 0 }]);
        Assert.Equal("second", (await host.UserAsync("u")).Name);
    }

    [Fact]
    public async Task What_the_table_refuses_stops_that_user_alone_and_a_redrive_stores_it()
    {
        await using var host = await StartAsync(maxDeliver: 3);
        for (var i = 0; i < 50; i++)
            await host.PublishAsync(Event($"u{i:00}", name: i == 17 ? Long : "fine", version: 10));
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [{ Key: "u17", Attempts: 3 }]);
        await host.SettledAsync();
        Assert.Equal(49, (await host.UsersAsync()).Count);

        await host.Target.ExecuteAsync("ALTER TABLE users DROP CONSTRAINT short");
        var asked = await host.DeadLetters.RedriveAsync("user-sync", "u17", "ada");
        await Eventually.TrueAsync(async () => await host.DeadLetters.OutcomesAsync(asked) is [{ Applied: 1, Left: 0, Failure: null, IsPending: false }]);
        Assert.Equal(Long, (await host.UserAsync("u17")).Name);
        Assert.Empty(await host.DeadLetters.ListAsync());
    }

    [Fact]
    public async Task A_redrive_of_an_old_state_changes_nothing_and_closes_it()
    {
        await using var host = await StartAsync();
        await host.PublishApartAsync(Event("u", name: Long, version: 10));
        // As if the process had died between the two: the newer state is stored, and the dead letter is open.
        await host.Target.ExecuteAsync("ALTER TABLE users DROP CONSTRAINT short; INSERT INTO users (auth_id, name, version) VALUES ('u', 'newer', 11)");

        var asked = await host.DeadLetters.RedriveAsync("user-sync", "u", "ada");
        await Eventually.TrueAsync(async () => await host.DeadLetters.OutcomesAsync(asked) is [{ Left: 0, IsPending: false }]);

        Assert.Equal(("newer", 11L), (await host.UserAsync("u")) is var user ? (user.Name, user.Version) : default);
        Assert.Equal(["1 superseded superseded by version 11"], await host.ParkedAsync());
    }

    [Theory]
    [InlineData("""{"event":"user.exploded","timestamp":"2024-04-16T10:30:00Z","version":11,"data":{"userId":"u","email":"u@example.com"}}""")]
    [InlineData("""{"event":"user.updated","data":{"userId":"u",""")]
    [InlineData("no JSON")]
    public async Task What_cannot_be_read_holds_no_later_deletion_back(string unreadable)
    {
        await using var host = await StartAsync();
        await host.PublishApartAsync(Event("u", "created", version: 10), unreadable, Event("u", "deleted", version: 12));
        Assert.NotNull((await host.UserAsync("u")).Deleted_At);
        Assert.Equal((2L, 0L), Assert.Single(await host.DeadLetters.ListAsync()) is var letter ? (letter.Sequence, letter.Waiting) : default);

        await host.PublishTogetherAsync(Event("v", "created", version: 10), unreadable.Replace("\"u\"", "\"v\"", StringComparison.Ordinal), Event("v", "deleted", version: 12));
        Assert.NotNull((await host.UserAsync("v")).Deleted_At);
        Assert.Equal(2, (await host.DeadLetters.ListAsync()).Count);
    }

    [Fact]
    public async Task What_cannot_be_read_does_not_keep_a_refused_state_of_its_user_from_being_tried_again()
    {
        await using var host = await StartAsync(maxDeliver: 3);
        await host.PublishApartAsync(Event("u", "exploded", version: 10), Event("u", name: Long, version: 11));
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [{ Attempts: 1 }, { Attempts: 3 }]);
    }

    [Fact]
    public async Task A_deletion_that_says_nothing_else_of_its_user_arrives_where_columns_must_not_be_null()
    {
        var target = await postgres.EmptyAsync();
        await target.ExecuteAsync("CREATE TABLE users (id serial PRIMARY KEY, name text NOT NULL, email text NOT NULL)");
        await using var host = await SyncHost.StartAsync(postgres, nats, target: target);
        await host.PublishApartAsync(Event("u", version: 10), """{"event":"user.deleted","timestamp":"2024-04-16T10:30:05Z","data":{"userId":"u"},"version":11}""");
        Assert.True(await host.UserAsync("u") is { Deleted_At: not null, Name: "Test User", Email: "u@example.com" });
        Assert.Empty(await host.ParkedAsync());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Of_refused_unreadable_and_good_states_only_the_unreadable_stays_open(bool together)
    {
        await using var host = await StartAsync();
        string[] events =
        [
            Event("u", name: Long, version: 10), Event("u", "exploded", version: 11), Event("u", name: Long, version: 12), Event("u", name: "good", version: 13),
            Event("v", "exploded", version: 20), Event("v", name: Long, version: 21), Event("v", "deleted", version: 22), Event("w", name: Long, version: 30),
        ];
        await (together ? host.PublishTogetherAsync(events) : host.PublishApartAsync(events));

        Assert.Equal("good", (await host.UserAsync("u")).Name);
        Assert.NotNull((await host.UserAsync("v")).Deleted_At);
        Assert.Equal(["u", "v", "w"], (await host.DeadLetters.ListAsync()).Select(l => l.Key!).Order());
        Assert.Equal(together ? 3 : 6, (await host.ParkedAsync()).Count);
        // Of the three w alone can be helped.
        await host.Target.ExecuteAsync("ALTER TABLE users DROP CONSTRAINT short");
        var asked = await host.DeadLetters.RedriveAsync("user-sync", null, "ada");
        await Eventually.TrueAsync(async () => (await host.DeadLetters.OutcomesAsync(asked)).All(o => !o.IsPending));
        Assert.Equal(["u", "v"], (await host.DeadLetters.ListAsync()).Select(l => l.Key!).Order());
        Assert.Equal("good", (await host.UserAsync("u")).Name);
    }

    [Fact]
    public async Task A_state_that_a_stopped_process_left_parked_is_superseded_by_the_next()
    {
        var account = nats.TakeAccount();
        var target = await postgres.TargetAsync();
        await target.ExecuteAsync("ALTER TABLE users ADD CONSTRAINT short CHECK (length(name) < 20)");
        UserSyncOptions options = new() { MaxDeliver = 1 };
        await using var first = await SyncHost.StartAsync(postgres, nats, options, target, account);
        await first.PublishApartAsync(Event("u", name: Long, version: 10));
        await first.Worker.StopAsync(TestContext.Current.CancellationToken);

        await using var second = await SyncHost.StartAsync(postgres, nats, options, target, account);
        await second.PublishApartAsync(Event("u", name: "short", version: 11));

        Assert.Equal(["1 superseded superseded by version 11"], await second.ParkedAsync());
    }
}
