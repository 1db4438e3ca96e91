using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using NATS.Extensions.Microsoft.DependencyInjection;
using Watchword.Events;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;

namespace Watchword.Tests.Events.Subscribing;

/// <summary>Which connection a host's subscribers use: nats-server's own list of connections tells.</summary>
public class HostConnectionTests(PostgresFixture postgres)
{
    [Theory]
    [InlineData("AddNatsClient")]
    [InlineData("NATS_URL")]
    public async Task Two_subscribers_of_a_host_share_one_connection(string way)
    {
        var monitoring = TestPorts.Free();
        await using var server = new NatsServer(string.Create(CultureInfo.InvariantCulture, $"http: \"127.0.0.1:{monitoring}\""));
        await server.StartAsync();
        await using (var operators = JetStreamClient.Connect(new() { Url = server.Url }))
        {
            await operators.WaitUntilOpenAsync(TestContext.Current.CancellationToken);
            await operators.CreateStreamAsync(Streams.AuthEvents);
        }
        await using var database = await postgres.EmptyAsync();
        ConcurrentBag<string> handled = [];
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddLogging();
        if (way == "NATS_URL")
            builder.Configuration.AddInMemoryCollection([new("NATS_URL", server.Url)]);
        else
            builder.Services.AddNatsClient(nats => nats.ConfigureOptions(o => o.Configure(c => c.Opts = c.Opts with { Url = server.Url, Name = "of the host" })));
        builder.Services.AddWatchwordSubscriber("one", s => s.ParkIn(database.Source).On<UserRegistered>(e => Task.Run(() => handled.Add("one " + e.Data.UserId))));
        builder.Services.AddWatchwordSubscriber("two", s => s.FanOut().On<UserRegistered>(e => Task.Run(() => handled.Add("two " + e.Data.UserId))));
        var host = builder.Build();
        await using (var services = (IAsyncDisposable)host)
        {
            await host.StartAsync(TestContext.Current.CancellationToken);
            var client = host.Services.GetRequiredService<JetStreamClient>();
            await Eventually.TrueAsync(async () => client.IsOpen && await client.FindConsumerAsync("auth-events", "one") is not null
                && (await client.FindStreamAsync("auth-events"))!.State.ConsumerCount == 2);
            await client.PublishAsync("auth.user.registered", System.Text.Encoding.UTF8.GetBytes(SubscriberHost.Registered("ada", "Ada")));
            await Eventually.TrueAsync(() => handled.Count == 2);

            Assert.StartsWith(way == "NATS_URL" ? builder.Environment.ApplicationName : "of the host", Assert.Single(await ConnectionsAsync(monitoring)), StringComparison.Ordinal);

            await host.StopAsync(TestContext.Current.CancellationToken);
        }
        Assert.Equal(["one ada", "two ada"], handled.Order(StringComparer.Ordinal));
        await Eventually.TrueAsync(async () => await ConnectionsAsync(monitoring) is []);
    }

    private static async Task<List<string?>> ConnectionsAsync(int monitoring)
    {
        using var http = new HttpClient();
        using var list = JsonDocument.Parse(await http.GetStringAsync(new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{monitoring}/connz")), TestContext.Current.CancellationToken));
        return [.. list.RootElement.GetProperty("connections").EnumerateArray().Select(c => c.TryGetProperty("name", out var name) ? name.GetString() : null)];
    }
}
