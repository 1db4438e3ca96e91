using System.Text;
using NATS.Client.Core;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Subscribing;
using Watchword.Tests.Events.Subscribing;

namespace Watchword.Tests.Deploy;

/// <summary>A nats-server on the very file of <c>deploy/nats</c>, but for port and folder.</summary>
internal sealed class DeployedNats : IAsyncDisposable
{
    public static readonly string[] Users = ["watchword", "email-service", "analytics", "security", "audit-log", "fan-out", "operator"];

    public static readonly string[] Durables = ["email-service", "analytics", "security", "audit-log", "user-sync"];

    public static readonly string File = Path.Combine(Repository.Root, "deploy/nats/nats-server.conf");

    // Includes are relative to the file that includes, and more steps up than there are folders end at the root.
    private readonly NatsServer _server = new($"include \"../../../../../../../../../..{File}\"");

    static DeployedNats()
    {
        foreach (var user in Users)
            Environment.SetEnvironmentVariable(user.ToUpperInvariant().Replace('-', '_') + "_NATS_PASSWORD", Password(user));
    }

    public static async Task<DeployedNats> StartAsync()
    {
        var nats = new DeployedNats();
        await nats._server.StartAsync();
        return nats;
    }

    /// <summary>With the streams, and the durables that are made for the consumers.</summary>
    public static async Task<DeployedNats> WithStreamsAsync()
    {
        var nats = await StartAsync();
        await using var server = await nats.ConnectAsync("watchword");
        foreach (var stream in Streams.All.Append(Streams.SecurityAlerts))
            await server.CreateStreamAsync(stream, TestContext.Current.CancellationToken);
        foreach (var durable in Durables)
            await server.CreateConsumerAsync("auth-events", new SubscriberOptions().Consumer(durable, null), TestContext.Current.CancellationToken);
        foreach (var durable in (string[])["audit-log", "user-sync"])
            await server.CreateConsumerAsync("identity-changes", new SubscriberOptions().Consumer(durable, null), TestContext.Current.CancellationToken);
        return nats;
    }

    public string Url(string user) => $"nats://{user}:{Password(user)}@127.0.0.1:{_server.Port}";

    public NatsSettings Settings(string user) => new() { Url = Url(user) };

    public async Task<JetStreamClient> ConnectAsync(string user)
    {
        var connection = JetStreamClient.Connect(Settings(user));
        await connection.WaitUntilOpenAsync(TestContext.Current.CancellationToken);
        return connection;
    }

    public Task PublishAsync(params string[] users) => PublishAsync(null, users);

    /// <summary>An <c>auth.user.registered</c> of each, by the server.</summary>
    public async Task PublishAsync(NatsHeaders? headers, string[] users)
    {
        await using var server = await ConnectAsync("watchword");
        foreach (var user in users)
            await server.PublishAsync("auth.user.registered", Encoding.UTF8.GetBytes(SubscriberHost.Registered(user, "Test", user)), headers, TestContext.Current.CancellationToken);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private static string Password(string user) => "secret-of-" + user;
}
