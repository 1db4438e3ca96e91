using System.Text.Json;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>Nkeys and JWTs against a real nats-server, and what happens when credentials change or are refused.</summary>
public sealed class CredentialsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("watchword-creds-").FullName;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task An_nkey_user_is_accepted()
    {
        var key = NKey.Create();
        await using var server = await StartAsync($$"""authorization { users: [ { nkey: {{key.PublicKey}} } ] }""");
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url, NKeySeed = key.ToSeed() });

        await connection.ConnectAsync(Ct);

        await connection.PingAsync(Ct);
    }

    [Fact]
    public async Task Another_nkey_is_refused_without_showing_its_seed()
    {
        var stranger = NKey.Create();
        await using var server = await StartAsync($$"""authorization { users: [ { nkey: {{NKey.Create().PublicKey}} } ] }""");
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url, NKeySeed = stranger.ToSeed() });

        var error = await Assert.ThrowsAsync<NatsConnectException>(async () => await connection.ConnectAsync(Ct));

        Assert.True(error.IsAuthentication);
        Assert.Contains("tried with an nkey", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(stranger.ToSeed(), error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_without_nkeys_is_told_apart()
    {
        await using var server = await StartAsync("");
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url, NKeySeed = NKey.Create().ToSeed() });

        var error = await Assert.ThrowsAsync<NatsConnectException>(async () => await connection.ConnectAsync(Ct));

        Assert.Contains("not set up for nkeys or JWTs", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Credentials_files_of_the_official_tools_are_accepted_and_read_again_at_each_reconnect()
    {
        var made = await MakeJwtsAsync();
        var file = await WriteAsync("user.creds", made.GetProperty("creds").GetString()!);
        await using var server = await StartAsync(made.GetProperty("config").GetString()!, jetStream: false);
        await using var connection = new NatsConnection(new NatsOptions
        {
            Url = server.Url,
            CredentialsFile = file,
            RetryRefusedCredentials = true,
            ReconnectDelayMax = TimeSpan.FromMilliseconds(50),
        });
        await connection.ConnectAsync(Ct);
        await connection.PingAsync(Ct);

        await WriteAsync("user.creds", made.GetProperty("strangerCreds").GetString()!);
        await server.RestartAsync();
        await Eventually.TrueAsync(() => connection.LastError is NatsConnectException { IsAuthentication: true });
        await WriteAsync("user.creds", made.GetProperty("creds").GetString()!);

        await Eventually.TrueAsync(() => connection.State == NatsConnectionState.Open);
        await connection.PingAsync(Ct);
    }

    [Fact]
    public async Task A_provider_is_asked_at_each_connection()
    {
        await using var server = await StartAsync("authorization { user: u, password: right }");
        var asked = 0;
        await using var connection = new NatsConnection(new NatsOptions
        {
            Url = server.Url,
            CredentialsProvider = _ => ValueTask.FromResult(new NatsCredentials { User = "u", Password = Interlocked.Increment(ref asked) > 0 ? "right" : "" }),
            ReconnectDelayMax = TimeSpan.FromMilliseconds(50),
        });
        await connection.ConnectAsync(Ct);

        await server.RestartAsync();
        await Eventually.TrueAsync(() => connection.ReconnectCount == 1);

        Assert.True(asked >= 2, $"asked {asked} times");
    }

    [Theory]
    [InlineData("", "has no section \"NATS USER JWT\"")]
    [InlineData("-----BEGIN NATS USER JWT-----\neyJ\n------END NATS USER JWT------\n", "has no section \"USER NKEY SEED\"")]
    [InlineData(null, "cannot be read")]
    public async Task A_credentials_file_that_is_of_no_use_is_named(string? content, string expected)
    {
        var file = Path.Combine(_folder, "bad.creds");
        if (content is not null)
            await File.WriteAllTextAsync(file, content, Ct);
        await using var server = await StartAsync("");
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url, CredentialsFile = file });

        var error = await Assert.ThrowsAsync<NatsConnectException>(async () => await connection.ConnectAsync(Ct));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Contains(file, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Credentials_refused_twice_close_the_connection_for_good()
    {
        await using var server = await StartAsync("authorization { user: u, password: right }");
        var password = "right";
        var asked = 0;
        await using var connection = new NatsConnection(new NatsOptions
        {
            Url = server.Url,
            CredentialsProvider = _ =>
            {
                asked++;
                return ValueTask.FromResult(new NatsCredentials { User = "u", Password = password });
            },
            ReconnectDelayMax = TimeSpan.FromMilliseconds(50),
        });
        await connection.ConnectAsync(Ct);
        await using var subscription = await connection.SubscribeAsync("a", ct: Ct);
        var closed = new TaskCompletionSource();
        connection.StateChanged += state =>
        {
            if (state == NatsConnectionState.Closed)
                closed.TrySetResult();
        };

        (password, asked) = ("wrong", 0);
        await server.RestartAsync();
        await closed.Task.WaitAsync(TimeSpan.FromSeconds(30), Ct);

        Assert.Equal(2, asked);
        var error = await Assert.ThrowsAsync<NatsConnectException>(async () => await connection.PublishAsync("a", ct: Ct));
        Assert.False(error.IsTransient);
        Assert.Contains("Authorization Violation", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<NatsConnectException>(async () => await connection.WaitUntilOpenAsync(Ct));
        await Assert.ThrowsAsync<NatsConnectException>(async () => await connection.SubscribeAsync("b", ct: Ct));
        await Assert.ThrowsAsync<NatsConnectException>(async () => await subscription.WaitToReadAsync(Ct));
    }

    [Fact]
    public void Two_kinds_of_credentials_at_once_are_refused()
    {
        var error = Assert.Single(new NatsOptions { User = "u", Token = "t" }.Validate());

        Assert.Contains("Give one kind of credentials", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_seed_that_cannot_be_read_is_an_error_of_the_options()
        => Assert.Contains("nkey seed", Assert.Single(new NatsOptions { NKeySeed = "SUA" }.Validate()), StringComparison.Ordinal);

    private static async Task<JsonElement> MakeJwtsAsync() => JsonDocument.Parse(await Node.RunAsync("jwt.mjs")).RootElement;

    private static async Task<NatsServer> StartAsync(string config, bool jetStream = true)
    {
        var server = new NatsServer(config, jetStream);
        await server.StartAsync();
        return server;
    }

    private async Task<string> WriteAsync(string name, string content)
    {
        var path = Path.Combine(_folder, name);
        await File.WriteAllTextAsync(path, content, Ct);
        return path;
    }
}
