[assembly: AssemblyFixture(typeof(Watchword.Tests.ServerFixture))]

namespace Watchword.Tests;

/// <summary>One server on the shared engines, for tests that only talk to it. Each test makes its own users.</summary>
public sealed class ServerFixture : IAsyncLifetime
{
    private readonly SemaphoreSlim _starting = new(1, 1);
    private ServerProcess? _server;

    public TestDatabase Identity { get; private set; } = null!;

    public TestDatabase Target { get; private set; } = null!;

    public NatsAccount Account { get; private set; } = null!;

    /// <summary>The home folder of the user who runs it.</summary>
    public string Home { get; } = Directory.CreateTempSubdirectory("watchword-home-").FullName;

    /// <summary>Started by the first test that asks.</summary>
    public async Task<ServerProcess> StartedAsync()
    {
        await _starting.WaitAsync();
        try
        {
            if (_server is null)
            {
                var postgres = await TestContext.Current.GetFixture<PostgresFixture>();
                var nats = await TestContext.Current.GetFixture<NatsFixture>();
                (Identity, Target, Account) = (await postgres!.IdentityAsync(), await postgres.TargetAsync(), nats!.TakeAccount());
                var server = new ServerProcess(
                    ("DATABASE_URL", Identity.ConnectionString), ("TARGET_DATABASE_URL", Target.ConnectionString), ("NATS_URL", Account.Url), ("HOME", Home));
                await server.StartAsync();
                _server = server;
            }
            return _server;
        }
        finally
        {
            _starting.Release();
        }
    }

    public ValueTask InitializeAsync() => default;

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        Directory.Delete(Home, recursive: true);
    }
}
