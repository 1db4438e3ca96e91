using Watchword.Nats;

namespace Watchword.Tests.Nats;

public class PullConsumerDropTests
{
    private const int Consumers = 100;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Consumers_begun_in_the_moment_of_a_drop_pull_when_the_connection_is_back()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url });
        await connection.ConnectAsync(Ct);
        var js = await PullConsumerTests.FilledAsync(connection, 0);

        // So many that some come too late to be told of the drop, yet before it shows in the connection's state.
        var receivers = Enumerable.Range(0, Consumers).Select(_ => new BeginsOnDrop(js)).ToList();
        foreach (var receiver in receivers)
            connection.Register(new Subscription(receiver, "none"));
        await server.RestartAsync();
        await Eventually.TrueAsync(() => Task.FromResult(connection.ReconnectCount == 1));
        await connection.WaitUntilOpenAsync(Ct);

        await Eventually.TrueAsync(async () => await js.FindConsumerAsync("s", "c", Ct) is { Waiting: Consumers });
        foreach (var receiver in receivers)
            await receiver.Consumer!.DisposeAsync();
    }

    private sealed class BeginsOnDrop(JetStream js) : IReceiver
    {
        public PullConsumer? Consumer { get; private set; }

        public bool IsInbox => false;

        public Task DrainAsync() => Task.CompletedTask;

        public void OnMessage(in Frame frame) => throw new NotSupportedException();

        public void OnDisconnected(NatsException reason) => Consumer ??= new PullConsumer(js, "s", "c", new ConsumeOptions());

        public void OnEnded(NatsException? reason)
        {
            // Its part is done.
        }
    }
}
