using System.Text;
using Watchword.Events.Subscribing;

namespace Watchword.Tests.Cli;

/// <summary>A user of the running server's target whom its users table refuses, with two later events behind the dead letter.</summary>
internal sealed class RefusedUser(ServerFixture fixture) : IAsyncDisposable
{
    public string Key { get; } = "refused-" + Guid.NewGuid().ToString("N");

    public DeadLetter Letter { get; private set; } = null!;

    public DeadLetters Letters => new(fixture.Target.Source);

    public static async Task<RefusedUser> CreateAsync(ServerFixture fixture)
    {
        await fixture.StartedAsync();
        var user = new RefusedUser(fixture);
        await fixture.Target.ExecuteAsync($"""ALTER TABLE users ADD CONSTRAINT "{user.Key}" CHECK (auth_id <> '{user.Key}') NOT VALID""");
        await using var nats = await fixture.Account.ConnectAsync();
        for (var version = 1; version <= 3; version++)
            await nats.PublishAsync("user.sync", Encoding.UTF8.GetBytes($$"""
                {"event":"user.updated","timestamp":"2024-04-16T10:30:00Z","version":{{version}},"data":{"userId":"{{user.Key}}","email":"{{user.Key}}@example.com","name":"n{{version}}",
                 "emailVerified":true,"isAnonymous":false,"isActive":true,"roles":["user"],"organizationId":"org_default"} }
                """));
        // The three may have come together, and then the first stands for all that came of them.
        await Eventually.TrueAsync(async () => await user.Letters.ListAsync(key: user.Key) is [{ Waiting: 2 }], TimeSpan.FromSeconds(30));
        user.Letter = (await user.Letters.ListAsync(key: user.Key))[0];
        return user;
    }

    public Task HealAsync() => fixture.Target.ExecuteAsync($"""ALTER TABLE users DROP CONSTRAINT IF EXISTS "{Key}" """);

    /// <summary>Null while there is none.</summary>
    public async Task<string?> NameAsync() => (await fixture.Target.QueryAsync<string>("SELECT name FROM users WHERE auth_id = @Key", new { Key })).SingleOrDefault();

    public Task<List<string>> ActionsAsync() =>
        fixture.Target.QueryAsync<string>("SELECT actor || ' ' || action || ' ' || coalesce(reason, '') FROM watchword.dead_letter_action WHERE key = @Key ORDER BY id", new { Key });

    public async ValueTask DisposeAsync() => await HealAsync();
}
