using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>TLS with a private authority against a real nats-server: what works, and what each refusal says.</summary>
public sealed class TlsTests : IDisposable
{
    private readonly TestCertificates _ca = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => _ca.Dispose();

    [Theory]
    [InlineData("nats", NatsTlsMode.Auto)]
    [InlineData("tls", NatsTlsMode.Auto)]
    [InlineData("nats", NatsTlsMode.Require)]
    public async Task With_the_right_authority_messages_flow(string scheme, NatsTlsMode mode)
    {
        await using var server = await SecuredAsync();
        await using var connection = new NatsConnection(Options(server.Port, scheme) with { Tls = new() { Mode = mode, CaFile = _ca.CaFile } });
        await connection.ConnectAsync(Ct);

        await AssertEchoAsync(connection);
        Assert.True(connection.Server!.TlsRequired);
    }

    [Fact]
    public async Task Tls_from_the_first_byte_works()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var front = new TlsFront(_ca.Issue("localhost"), server.Port);
        await using var connection = new NatsConnection(Options(front.Port) with { Tls = new() { Mode = NatsTlsMode.First, CaFile = _ca.CaFile } });
        await connection.ConnectAsync(Ct);

        await AssertEchoAsync(connection);
    }

    [Fact]
    public async Task A_server_that_greets_in_tls_is_named_when_we_wait_for_plain_text()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var front = new TlsFront(_ca.Issue("localhost"), server.Port);

        var error = await RefusedAsync(Options(front.Port) with { ConnectTimeout = TimeSpan.FromMilliseconds(500) });

        Assert.Contains("Tls.Mode = First", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_host_name_is_refused_and_both_names_are_said()
    {
        await using var server = await SecuredAsync(hosts: ["nats.example.org"]);

        var error = await RefusedAsync(Options(server.Port) with { Tls = new() { CaFile = _ca.CaFile } });

        Assert.Contains("is for 'nats.example.org', not for 'localhost'", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("trusted", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_name_of_our_own_replaces_the_urls()
    {
        await using var server = await SecuredAsync(hosts: ["nats.example.org"]);
        await using var connection = new NatsConnection(Options(server.Port) with { Tls = new() { CaFile = _ca.CaFile, ServerName = "nats.example.org" } });
        await connection.ConnectAsync(Ct);

        await AssertEchoAsync(connection);
    }

    [Fact]
    public async Task An_expired_certificate_is_refused_and_the_day_is_said()
    {
        var end = DateTimeOffset.UtcNow.AddDays(-3);
        await using var server = await SecuredAsync(notAfter: end);

        var error = await RefusedAsync(Options(server.Port) with { Tls = new() { CaFile = _ca.CaFile } });

        Assert.Contains($"expired on {end:yyyy-MM-dd}", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("trusted", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_authority_that_the_system_does_not_know_is_refused()
    {
        await using var server = await SecuredAsync();

        var error = await RefusedAsync(Options(server.Port));

        Assert.Contains("not signed by an authority that is trusted here (trusted: the system's; set CaFile", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_private_authority_is_refused()
    {
        using var other = new TestCertificates("Another CA");
        await using var server = await SecuredAsync();

        var error = await RefusedAsync(Options(server.Port) with { Tls = new() { CaFile = other.CaFile } });

        Assert.Contains($"not signed by an authority that is trusted here (trusted: {other.CaFile})", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tls", NatsTlsMode.Auto, "offers plain text only, and TLS is demanded")]
    [InlineData("nats", NatsTlsMode.Require, "offers plain text only, and TLS is demanded")]
    [InlineData("nats", NatsTlsMode.First, "it speaks plain text, not TLS")]
    public async Task A_plain_text_server_is_refused_where_tls_is_demanded(string scheme, NatsTlsMode mode, string expected)
    {
        await using var server = new NatsServer();
        await server.StartAsync();

        var error = await RefusedAsync(Options(server.Port, scheme) with { Tls = new() { Mode = mode, CaFile = _ca.CaFile } });

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("a key's password")]
    public async Task A_client_certificate_says_who_we_are(string? keyPassword)
    {
        var (certificate, key) = _ca.Issue("app", keyPassword: keyPassword);
        await using var server = await SecuredAsync(
            verify: "verify_and_map: true", more: """authorization { users: [ { user: "CN=app" } ] }""");
        var tls = new NatsTlsOptions { CaFile = _ca.CaFile, CertificateFile = certificate, KeyFile = key, KeyPassword = keyPassword };
        await using var connection = new NatsConnection(Options(server.Port) with { Tls = tls });
        await connection.ConnectAsync(Ct);

        await AssertEchoAsync(connection);
    }

    [Fact]
    public async Task Without_the_client_certificate_that_it_wants_the_server_refuses_us()
    {
        await using var server = await SecuredAsync(verify: "verify: true");

        var error = await RefusedAsync(Options(server.Port) with { Tls = new() { CaFile = _ca.CaFile } });

        Assert.Contains("wants a client certificate: set Tls.CertificateFile", error.Message, StringComparison.Ordinal);
        Assert.False(error.IsTransient);
    }

    [Theory]
    [InlineData("missing.pem")]
    [InlineData("empty.pem")]
    public async Task A_ca_file_that_is_of_no_use_is_named(string name)
    {
        var path = Path.Combine(Path.GetDirectoryName(_ca.CaFile)!, name);
        if (name == "empty.pem")
            await File.WriteAllTextAsync(path, "nothing here", Ct);
        await using var server = await SecuredAsync();

        var error = await RefusedAsync(Options(server.Port) with { Tls = new() { CaFile = path } });

        Assert.Contains(path, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task After_a_restart_the_connection_is_secured_again()
    {
        await using var server = await SecuredAsync();
        await using var connection = new NatsConnection(Options(server.Port, "tls") with { Tls = new() { CaFile = _ca.CaFile }, ReconnectDelayMax = TimeSpan.FromMilliseconds(100) });
        await connection.ConnectAsync(Ct);

        await server.RestartAsync();
        await Eventually.TrueAsync(() => connection.ReconnectCount == 1);

        await AssertEchoAsync(connection);
    }

    [Fact]
    public void A_peer_known_by_its_address_is_checked_against_the_name_of_the_seed()
    {
        var pool = new ServerPool(new NatsOptions { Url = "tls://nats.example.org" });

        pool.Learn(new ServerInfo { ConnectUrls = ["10.0.0.1:4222", "other.example.org:4222"] });

        var learnt = pool.InOrder();
        Assert.Equal("nats.example.org", learnt.Single(s => s.Host == "10.0.0.1").TlsName);
        Assert.Null(learnt.Single(s => s.Host == "other.example.org").TlsName);
        Assert.All(learnt, s => Assert.True(s.Tls));
    }

    private static NatsOptions Options(int port, string scheme = "nats")
        => new() { Url = $"{scheme}://localhost:{port}", ConnectTimeout = TimeSpan.FromSeconds(10) };

    private static async Task<NatsConnectException> RefusedAsync(NatsOptions options)
    {
        await using var connection = new NatsConnection(options);
        return await Assert.ThrowsAsync<NatsConnectException>(async () => await connection.ConnectAsync(Ct));
    }

    private static async Task AssertEchoAsync(NatsConnection connection)
    {
        await using var subscription = await connection.SubscribeAsync("tls.>", ct: Ct);
        var large = new byte[200_000];
        Random.Shared.NextBytes(large);
        await connection.PublishAsync("tls.large", large, ct: Ct);
        Assert.Equal(large, (await subscription.ReadAsync(Ct)).Payload.ToArray());
    }

    private async Task<NatsServer> SecuredAsync(string[]? hosts = null, DateTimeOffset? notAfter = null, string verify = "", string more = "")
    {
        var (certificate, key) = _ca.Issue("localhost", hosts, notAfter);
        var server = new NatsServer($$"""
            tls { cert_file: "{{certificate}}", key_file: "{{key}}", ca_file: "{{_ca.CaFile}}"; {{verify}} }
            {{more}}
            """);
        await server.StartAsync();
        return server;
    }
}
