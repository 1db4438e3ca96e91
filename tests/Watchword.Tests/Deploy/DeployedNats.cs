using Watchword.Nats;

namespace Watchword.Tests.Deploy;

/// <summary>A nats-server on the very file of <c>deploy/nats</c>, but for port and folder.</summary>
internal sealed class DeployedNats : IAsyncDisposable
{
    private const string File = "deploy/nats/nats-server.conf";

    public static readonly string[] Users = ["watchword", "email-service", "analytics", "security", "audit-log", "fan-out", "operator"];

    // Includes are relative to the file that includes, and more steps up than there are folders end at the root.
    private readonly NatsServer _server = new($"include \"../../../../../../../../../..{Path.Combine(Repository.Root, File)}\"");

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

    public string Url(string user) => $"nats://{user}:{Password(user)}@127.0.0.1:{_server.Port}";

    public NatsOptions Options(string user) => new() { Url = Url(user), InboxPrefix = user == "watchword" ? "_INBOX" : "_INBOX." + user };

    public async Task<NatsConnection> ConnectAsync(string user)
    {
        var connection = new NatsConnection(Options(user));
        await connection.ConnectAsync(TestContext.Current.CancellationToken);
        return connection;
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private static string Password(string user) => "secret-of-" + user;
}
