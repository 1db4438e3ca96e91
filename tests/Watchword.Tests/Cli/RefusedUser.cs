using System.Collections.Concurrent;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Watchword.Events;
using Watchword.Events.Contracts;
using Watchword.Events.Subscribing;

namespace Watchword.Tests.Cli;

/// <summary>A user whom a subscriber on the running server's target refuses, with two later events behind the dead letter.</summary>
internal sealed class RefusedUser : IAsyncDisposable
{
    private readonly ServerFixture _fixture;
    private readonly IHost _subscriber;
    private readonly ConcurrentQueue<string?> _handled = [];
    private volatile bool _refuses = true;

    private RefusedUser(ServerFixture fixture)
    {
        _fixture = fixture;
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddLogging().AddWatchwordSubscriber(Consumer, s => s.Connect(fixture.Account.Url).ParkIn(fixture.Target.Source).On<UserSyncEvent>(Handle));
        _subscriber = builder.Build();
    }

    public string Key { get; } = "refused-" + Guid.NewGuid().ToString("N");

    public string Consumer { get; } = "mailer-" + Guid.NewGuid().ToString("N");

    public DeadLetter Letter { get; private set; } = null!;

    public DeadLetters Letters => new(_fixture.Target.Source);

    public static async Task<RefusedUser> CreateAsync(ServerFixture fixture)
    {
        await fixture.StartedAsync();
        var user = new RefusedUser(fixture);
        await user._subscriber.StartAsync();
        await using var nats = await fixture.Account.ConnectAsync();
        for (var version = 1; version <= 3; version++)
            await nats.PublishAsync("user.sync", Encoding.UTF8.GetBytes($$"""
                {"event":"user.updated","timestamp":"2024-04-16T10:30:00Z","version":{{version}},"data":{"userId":"{{user.Key}}","email":"{{user.Key}}@example.com","name":"n{{version}}",
                 "emailVerified":true,"isAnonymous":false,"isActive":true,"roles":["user"],"organizationId":"org_default"} }
                """));
        await Eventually.TrueAsync(async () => await user.Letters.ListAsync(key: user.Key) is [{ Waiting: 2 }], TimeSpan.FromSeconds(30));
        user.Letter = (await user.Letters.ListAsync(key: user.Key))[0];
        return user;
    }

    public void Heal() => _refuses = false;

    /// <summary>The name that was handled last; null while there is none.</summary>
    public string? Name => _handled.LastOrDefault();

    public Task<List<string>> ActionsAsync() =>
        _fixture.Target.QueryAsync<string>("SELECT actor || ' ' || action || ' ' || coalesce(reason, '') FROM watchword.dead_letter_action WHERE key = @Key ORDER BY id", new { Key });

    public async ValueTask DisposeAsync()
    {
        await _subscriber.StopAsync();
        await ((IAsyncDisposable)_subscriber).DisposeAsync();
    }

    private Task Handle(UserSyncEvent e)
    {
        if (e.Data?.UserId != Key)
            return Task.CompletedTask;
        if (_refuses)
            throw new EventRefusedException($"the mailer refuses {Key}");
        _handled.Enqueue(e.Data.Name);
        return Task.CompletedTask;
    }
}
