using Watchword.Events.Contracts;

namespace Watchword.Tests.Events.Outbox;

/// <summary>Decision 6: what is on its way behind an event that fails does not overtake it.</summary>
public class ChainTests(PostgresFixture postgres, NatsFixture nats)
{
    [Fact]
    public async Task A_user_s_later_event_that_was_sent_behind_a_refused_one_is_not_stored()
    {
        await using var db = await postgres.IdentityAsync();
        var account = nats.TakeAccount();
        await using var operators = await account.ConnectAsync();
        await operators.CreateStreamAsync(Streams.IdentityChanges with { MaxMsgSize = 2_000 });
        await db.ExecuteAsync("""
            INSERT INTO "user" (id, name, email, "emailVerified") VALUES ('u1', 'Ada', 'ada@example.com', false), ('u2', 'Bob', 'bob@example.com', false);
            UPDATE "user" SET name = repeat('x', 5000) WHERE id = 'u1';
            UPDATE "user" SET name = 'later' WHERE id = 'u1';
            UPDATE "user" SET name = 'the last of all' WHERE id = 'u2'
            """);
        await using var proxy = new TcpProxy(account.Port, HeldAnswers.Between("HPUB user.sync", "the last of all"));
        await using var relay = await RelayHost.StartAsync(db, (account with { Port = proxy.Port }).Settings);

        var events = await operators.ReadStreamAsync("identity-changes", 3);

        Assert.Equal(["u1 user.created", "u2 user.created", "u2 user.updated"], events.Select(e => $"{e.UserId} {e.Event}"));
        await Eventually.TrueAsync(async () => (await db.QueryAsync<string>("SELECT key FROM watchword.outbox WHERE published_at IS NULL")) is ["u1", "u1"]);
    }
}
