namespace Watchword.Tests.MainJob;

/// <summary>The server with a NATS that demands TLS and knows its clients by their certificates.</summary>
public sealed class SecuredNatsTests(PostgresFixture postgres)
{
    [Fact]
    public async Task A_change_arrives_over_tls_with_a_client_certificate()
    {
        using var ca = new TestCertificates();
        var (serverCertificate, serverKey) = ca.Issue("localhost");
        var (certificate, key) = ca.Issue("watchword");
        await using var identity = await postgres.IdentityAsync();
        await using var target = await postgres.TargetAsync();
        await using var nats = new NatsServer($$"""
            tls { cert_file: "{{serverCertificate}}", key_file: "{{serverKey}}", ca_file: "{{ca.CaFile}}", verify_and_map: true }
            authorization { users: [ { user: "CN=watchword" } ] }
            """);
        await nats.StartAsync();
        await using var server = new ServerProcess(
            ("DATABASE_URL", identity.ConnectionString),
            ("TARGET_DATABASE_URL", target.ConnectionString),
            ("NATS_URL", $"tls://localhost:{nats.Port}"),
            ("NATS_CA", ca.CaFile),
            ("NATS_CERT", certificate),
            ("NATS_KEY", key));
        await server.StartAsync();

        await identity.ExecuteAsync("""INSERT INTO "user" (id, name, email, "emailVerified") VALUES ('u1', 'Ada', 'ada@example.com', true)""");

        await Eventually.TrueAsync(async () => (await target.QueryAsync<string>("SELECT name FROM users")) is ["Ada"]);
    }
}
