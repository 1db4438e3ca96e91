using System.Text;
using Watchword.Events.Contracts;
using Watchword.Events.Erasure;
using Watchword.Events.JetStream;

namespace Watchword.Tests.Events.Erasure;

/// <summary>What is erased from a stream is gone from the server's disk too.</summary>
public class StreamErasureTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_erased_message_is_overwritten_on_the_disk_and_the_others_stay()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var jetStream = await JetStreamClient.OpenAsync(new() { Url = server.Url }, TimeSpan.FromSeconds(30), Ct);
        await jetStream.CreateStreamAsync(Streams.IdentityChanges, Ct);
        foreach (var user in (string[])["ada", "bob", "ada", "bob"])
            await jetStream.PublishAsync("user.sync", Encoding.UTF8.GetBytes($$"""{"event":"user.updated","data":{"userId":"{{user}}","name":"the secret of {{user}}"} }"""));

        Assert.Equal(2, await StreamErasure.EraseAsync(jetStream, "identity-changes", new("ada"), Ct));

        Assert.Equal([2, 4], (await jetStream.ReadAllAsync("identity-changes")).Select(m => (int)m.Sequence));
        Assert.Equal(0, await StreamErasure.EraseAsync(jetStream, "identity-changes", new("ada"), Ct));
        await jetStream.EraseMessageAsync("identity-changes", 1, Ct);   // gone already
        Assert.Equal(0, await StreamErasure.EraseAsync(jetStream, "no-such-stream", new("ada"), Ct));
        await server.StopAsync();
        Assert.True(server.HasStored("the secret of bob"));
        Assert.False(server.HasStored("the secret of ada"));
    }
}
