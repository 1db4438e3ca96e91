using Watchword.Events.JetStream;

namespace Watchword.Tests.Events.JetStream;

/// <summary>TLS with a private authority: what works, and what each refusal says.</summary>
public sealed class TlsTests : IDisposable
{
    private readonly TestCertificates _ca = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => _ca.Dispose();

    [Theory]
    [InlineData("nats")]
    [InlineData("tls")]
    public async Task With_the_right_authority_calls_succeed(string scheme)
    {
        await using var server = await SecuredAsync();
        await using var client = JetStreamClient.Connect(new() { Url = $"{scheme}://localhost:{server.Port}", CaFile = _ca.CaFile });
        await client.WaitUntilOpenAsync(Ct);
        Assert.Null(await client.FindStreamAsync("s", Ct));
        Assert.True(client.Connection.ServerInfo!.TlsRequired);
    }

    [Fact]
    public async Task An_authority_that_the_system_does_not_know_is_refused()
    {
        await using var server = await SecuredAsync();
        await RefusedAsync(Settings(server), "NATS_CA");
    }

    [Fact]
    public async Task Another_private_authority_is_refused()
    {
        using var other = new TestCertificates("Another CA");
        await using var server = await SecuredAsync();
        await RefusedAsync(Settings(server) with { CaFile = other.CaFile }, "NATS_CA");
    }

    [Fact]
    public async Task A_certificate_for_another_host_is_refused()
    {
        await using var server = await SecuredAsync(host: "nats.example.org");
        await RefusedAsync(Settings(server) with { CaFile = _ca.CaFile }, "host name");
    }

    [Fact]
    public async Task A_plain_text_server_is_refused_where_tls_is_demanded()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await RefusedAsync(Settings(server) with { Url = $"tls://localhost:{server.Port}", CaFile = _ca.CaFile }, "TLS");
    }

    [Fact]
    public async Task A_server_that_wants_a_client_certificate_refuses_whoever_has_none_or_a_stranger_s()
    {
        using var other = new TestCertificates("Another CA");
        var stranger = other.Issue("app");
        var (certificate, key) = _ca.Issue("app");
        await using var server = await SecuredAsync(verify: "verify_and_map: true", more: """authorization { users: [ { user: "CN=app" } ] }""");

        await RefusedAsync(Settings(server) with { CaFile = _ca.CaFile }, "");
        await RefusedAsync(Settings(server) with { CaFile = _ca.CaFile, CertificateFile = stranger.Certificate, KeyFile = stranger.Key }, "");
        await using var client = JetStreamClient.Connect(Settings(server) with { CaFile = _ca.CaFile, CertificateFile = certificate, KeyFile = key });
        await client.WaitUntilOpenAsync(Ct);
        Assert.Null(await client.FindStreamAsync("s", Ct));
    }

    [Fact]
    public async Task Certificates_are_read_again_at_each_connection()
    {
        using var other = new TestCertificates("Another CA");
        var (right, stranger) = (_ca.Issue("app"), other.Issue("app"));
        using var files = new TestCertificates();   // a folder for copies
        var (certificate, key) = files.Issue("copy");
        Use(stranger);
        await using var server = await SecuredAsync(verify: "verify: true");
        await using var client = JetStreamClient.Connect(Settings(server) with { CaFile = _ca.CaFile, CertificateFile = certificate, KeyFile = key });
        await Eventually.TrueAsync(() => ConnectionLog.Of(client.Connection)!.LastFailure is not null);

        Use(right);

        await client.WaitUntilOpenAsync(Ct);
        Assert.Null(await client.FindStreamAsync("s", Ct));

        void Use((string Certificate, string Key) pair)
        {
            File.Copy(pair.Certificate, certificate, overwrite: true);
            File.Copy(pair.Key, key, overwrite: true);
        }
    }

    private async Task<NatsServer> SecuredAsync(string host = "localhost", string verify = "", string more = "")
    {
        var (certificate, key) = _ca.Issue(host);
        var server = new NatsServer($$"""
            tls { cert_file: "{{certificate}}", key_file: "{{key}}", ca_file: "{{_ca.CaFile}}", {{verify}} }
            {{more}}
            """);
        await server.StartAsync();
        return server;
    }

    private static NatsSettings Settings(NatsServer server) => new() { Url = $"nats://localhost:{server.Port}" };

    private static async Task RefusedAsync(NatsSettings settings, string words)
    {
        using var logs = new LogCapture();
        await using var client = JetStreamClient.Connect(settings, logs);
        await Eventually.TrueAsync(() => ConnectionLog.Of(client.Connection)!.LastFailure is not null);
        Assert.False(client.IsOpen);
        Assert.Contains(words, ConnectionLog.Of(client.Connection)!.LastFailure!, StringComparison.Ordinal);
        TestContext.Current.SendDiagnosticMessage("{0}", ConnectionLog.Of(client.Connection)!.LastFailure!);
    }
}
