using NATS.Client.JetStream.Models;
using Watchword.Events.JetStream;

namespace Watchword.Tests.Events.JetStream;

/// <summary>A cluster of three that loses its quorum and gets it back.</summary>
public class DurableClusterTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Reading_goes_on_when_a_lost_quorum_is_back()
    {
        await using var cluster = new NatsCluster();
        await cluster.StartAsync();
        await using var client = JetStreamClient.Connect(new() { Url = cluster.Url });
        await client.WaitUntilOpenAsync(Ct);
        await client.CreateStreamAsync(new() { Name = "s", Subjects = ["s"], NumReplicas = 3 });
        await client.CreateConsumerAsync("s", new() { DurableName = "c", AckPolicy = ConsumerConfigAckPolicy.Explicit, AckWait = TimeSpan.FromSeconds(2) });
        await using var messages = await DurableMessages.OpenAsync(client, "s", "c", 100, Ct);
        await client.PublishAsync("s", []);
        await (await messages.Reader.ReadAsync(Ct)).AckAsync();

        await Task.WhenAll(cluster.Nodes[0].KillAsync(), cluster.Nodes[1].KillAsync());
        await client.WaitUntilOpenAsync(Ct);   // the third is there, and serves no stream
        await Task.WhenAll(cluster.Nodes[0].StartAsync(), cluster.Nodes[1].StartAsync());

        var sequence = 0UL;
        await NatsCluster.EventuallyAsync(async () => (sequence = (await client.PublishAsync("s", [])).Seq) > 0);
        Delivery message;
        do
        {
            message = await messages.Reader.ReadAsync(Ct).AsTask().WaitAsync(TimeSpan.FromSeconds(30), Ct);
            await message.AckAsync();
        }
        while (message.Sequence < sequence);   // the first again, where its ack was lost with the leader
        Assert.Equal(sequence, message.Sequence);
        Assert.False(messages.Reader.Completion.IsCompleted);
    }
}
