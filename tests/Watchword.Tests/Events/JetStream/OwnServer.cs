using Watchword.Events.JetStream;

namespace Watchword.Tests.Events.JetStream;

/// <summary>A nats-server of the test's own, to be killed or stopped, with stream <c>s</c> of subjects <c>s.*</c>.</summary>
public abstract class OwnServer : IAsyncLifetime
{
    private protected NatsServer Server { get; } = new();

    private protected JetStreamClient Client { get; private set; } = null!;

    private protected static CancellationToken Ct => TestContext.Current.CancellationToken;

    public virtual async ValueTask InitializeAsync()
    {
        await Server.StartAsync();
        Client = JetStreamClient.Connect(new() { Url = Server.Url });
        await Client.WaitUntilOpenAsync(Ct);
        await Client.CreateStreamAsync(new() { Name = "s", Subjects = ["s.*"] });
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await Client.DisposeAsync();
        await Server.DisposeAsync();
    }
}
