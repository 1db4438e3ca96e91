using Watchword.Events.Replay;

namespace Watchword.Tests.Events.Replay;

/// <summary>What makes no sense is refused with its reason, before anything is done.</summary>
public class ReplayRefusalTests(NatsFixture nats)
{
    private static readonly DateTimeOffset Noon = ReplayWorld.Noon;

    public static TheoryData<string, ReplayFilter, string> Faults { get; } = new()
    {
        { "stream", new("nowhere"), "choose from auth-events, dead-letters, identity-changes" },
        { "stream", new("no.where"), "choose from" },
        { "stream", new(""), "choose from" },
        { "fromSequence", new("auth-events") { FromSequence = 0 }, "begin at 1" },
        { "toSequence", new("auth-events") { ToSequence = 0 }, "begin at 1" },
        { "fromSequence", new("auth-events") { FromSequence = 5, ToSequence = 4 }, "swap them" },
        { "fromSequence", new("auth-events") { FromSequence = 7 }, "ends at 6" },
        { "fromSequence", new("auth-events") { FromSequence = ulong.MaxValue }, "ends at 6" },
        { "since", new("auth-events") { Since = DateTimeOffset.MaxValue }, "in the future" },
        { "until", new("auth-events") { Until = DateTimeOffset.MaxValue }, "in the future" },
        { "since", new("auth-events") { Since = Noon.AddHours(2), Until = Noon }, "swap them" },
        { "type", new("auth-events") { Type = "auth.user.unheard_of" }, "auth.user.logged_in" },
        { "type", new("auth-events") { Type = "user.sync" }, "choose from" },
        { "type", new("auth-events") { Type = "auth..user" }, "empty token" },
        { "", new("auth-events") { User = "nobody" }, "no event of user nobody from sequence 1 to 6" },
        { "", new("auth-events") { User = "ada", Type = "auth.user.logged_in", FromSequence = 4 }, "no event of user ada and type auth.user.logged_in" },
        { "", new("auth-events") { Since = Noon.AddHours(9) }, "no event since 2026-03-01T21:00:00.000Z" },
        { "", new("auth-events") { Since = DateTimeOffset.MinValue, Until = DateTimeOffset.MinValue }, "no event since 0001" },
        { "", new("dead-letters"), "holds no event" },
    };

    [Theory]
    [MemberData(nameof(Faults), DisableDiscoveryEnumeration = true)]
    public async Task It_is_refused(string field, ReplayFilter filter, string reason)
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();

        var refusal = await world.RefusedAsync(filter);

        Assert.Equal(field, refusal.Field);
        Assert.Contains(reason, refusal.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_type_of_the_catalogue_is_known_before_the_first_such_event()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.PublishAsync("auth.user.logged_in", "ada", Noon, "1");

        var refusal = await world.RefusedAsync(new("auth-events") { Type = "auth.user.registered" });

        Assert.Contains("nothing to replay", refusal.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_stream_has_let_go_of_is_refused_where_no_database_has_it()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();
        await world.JetStream.PurgeStreamAsync("auth-events", before: 4);

        Assert.Contains("must be 4 or more", (await world.RefusedAsync(new("auth-events"))).Message, StringComparison.Ordinal);
        Assert.Contains("must be 4 or more", (await world.RefusedAsync(new("auth-events") { FromSequence = 3 })).Message, StringComparison.Ordinal);
        Assert.Equal(3, (await world.LinesAsync(new("auth-events") { FromSequence = 4 })).Count);
    }

    [Fact]
    public async Task A_foreign_stream_begins_where_it_does_and_nobody_has_what_is_older()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.JetStream.CreateStreamAsync(new() { Name = "foreign", Subjects = ["foreign.>"] });
        for (var i = 0; i < 3; i++)
            await world.JetStream.PublishAsync("foreign.x", "{}"u8.ToArray());
        await world.JetStream.PurgeStreamAsync("foreign", before: 3);

        Assert.Contains("begins at 3", (await world.RefusedAsync(new("foreign") { FromSequence = 2 })).Message, StringComparison.Ordinal);
        Assert.Equal(3, (await world.LinesAsync(new("foreign"))).Single().GetProperty("sequence").GetInt32());
    }
}
