using System.Diagnostics;
using Watchword.Events.JetStream;

namespace Watchword.Tests.Events.JetStream;

/// <summary>Calls of the JetStream API: what is not there is null, what is denied says so, and nothing waits for a NATS that is away.</summary>
public class JetStreamClientTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_not_there_is_null()
    {
        await using var client = await nats.TakeAccount().ConnectAsync(Ct);
        Assert.Null(await client.FindStreamAsync("s", Ct));
        Assert.Null(await client.FindConsumerAsync("s", "c", Ct));
        Assert.Empty(await client.CountSubjectsAsync("s", ">", Ct));
        await client.CreateStreamAsync(new() { Name = "s", Subjects = ["s.*"] }, Ct);
        Assert.Null(await client.FindConsumerAsync("s", "c", Ct));
        await client.CreateConsumerAsync("s", new() { DurableName = "c" }, Ct);
        Assert.Equal("c", (await client.FindConsumerAsync("s", "c", Ct))!.Name);
    }

    [Fact]
    public async Task A_denied_call_says_so_at_once_and_names_the_subject()
    {
        await using var server = await StartAsync("""publish: { deny: ["$JS.API.STREAM.INFO.closed", "$JS.API.CONSUMER.INFO.open.closed"] }""");
        await using var client = await ConnectAsync(server);
        await client.CreateStreamAsync(new() { Name = "open", Subjects = ["open.*"] }, Ct);
        var since = Stopwatch.GetTimestamp();

        var stream = await Assert.ThrowsAsync<NatsDeniedException>(() => client.FindStreamAsync("closed", Ct));
        var consumer = await Assert.ThrowsAsync<NatsDeniedException>(() => client.FindConsumerAsync("open", "closed", Ct));

        Assert.InRange(Stopwatch.GetElapsedTime(since).TotalSeconds, 0, 2);
        Assert.Contains("publish to $JS.API.STREAM.INFO.closed", stream.Message, StringComparison.Ordinal);
        Assert.Contains("publish to $JS.API.CONSUMER.INFO.open.closed", consumer.Message, StringComparison.Ordinal);
        Assert.NotNull(await client.FindStreamAsync("open", Ct));
    }

    [Fact]
    public async Task A_denied_inbox_says_so_at_once_and_names_the_remedy()
    {
        await using var server = await StartAsync("""subscribe: { allow: ["_INBOX.app.>"] }""");
        await using var refused = await ConnectAsync(server);
        await using var client = await ConnectAsync(server, new() { InboxPrefix = "_INBOX.app" });
        var since = Stopwatch.GetTimestamp();

        var denied = await Assert.ThrowsAsync<NatsDeniedException>(() => refused.FindStreamAsync("s", Ct));

        Assert.InRange(Stopwatch.GetElapsedTime(since).TotalSeconds, 0, 2);
        Assert.Contains("NATS_INBOX_PREFIX", denied.Message, StringComparison.Ordinal);
        Assert.Null(await client.FindStreamAsync("s", Ct));
        await using var window = await PublishWindow.OpenAsync(client, 1, Ct);
        await client.CreateStreamAsync(new() { Name = "s", Subjects = ["s"] }, Ct);
        await window.PublishAsync("s", [], [], 1, Ct);
        Assert.Null((await window.Results.ReadAsync(Ct)).Error);
    }

    [Fact]
    public async Task An_inbox_that_is_denied_while_a_call_is_under_way_says_so_at_once()
    {
        await using var server = await StartAsync("""subscribe: { allow: ["_INBOX.app.>"] }""");
        await using var proxy = new TcpProxy(server.Port, HeldAnswers.Between("SUB _INBOX", "$JS.API.STREAM.INFO.s"));
        await using var client = JetStreamClient.Connect(new() { Url = $"nats://u:p@127.0.0.1:{proxy.Port}" });
        await client.WaitUntilOpenAsync(Ct);
        var since = Stopwatch.GetTimestamp();

        var denied = await Assert.ThrowsAsync<NatsDeniedException>(() => client.FindStreamAsync("s", Ct));
        await Assert.ThrowsAsync<NatsDeniedException>(() => client.FindStreamAsync("s", Ct));   // the server says it once

        Assert.InRange(Stopwatch.GetElapsedTime(since).TotalSeconds, 0, 2);
        Assert.Contains("NATS_INBOX_PREFIX", denied.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_denial_that_comes_while_the_connection_opens_is_remembered()
    {
        await using var server = await StartAsync("""subscribe: { allow: ["_INBOX.app.>"] }""");
        var since = Stopwatch.GetTimestamp();
        for (var i = 0; i < 300; i++)
        {
            await using var client = await ConnectAsync(server);
            await Assert.ThrowsAsync<NatsDeniedException>(() => client.FindStreamAsync("s", Ct));
        }
        Assert.InRange(Stopwatch.GetElapsedTime(since).TotalSeconds, 0, 300 * 2);
    }

    [Fact]
    public async Task No_call_waits_while_nats_is_away()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var client = JetStreamClient.Connect(new() { Url = server.Url });
        await client.WaitUntilOpenAsync(Ct);
        await server.KillAsync();
        await Eventually.TrueAsync(() => !client.IsOpen);
        var since = Stopwatch.GetTimestamp();

        foreach (var call in (Func<Task>[])[
            () => client.FindStreamAsync("s", Ct),
            () => client.FindConsumerAsync("s", "c", Ct),
            () => client.CreateStreamAsync(new() { Name = "s" }, Ct),
            () => client.CreateConsumerAsync("s", new() { DurableName = "c" }, Ct),
            () => client.CountSubjectsAsync("s", ">", Ct),
            () => client.ListStreamNamesAsync(null, Ct),
            () => client.PublishAsync("s", [], null, Ct),
            () => DurableMessages.OpenAsync(client, "s", "c", 1, Ct)])
            Assert.StartsWith("NATS is unreachable", (await Assert.ThrowsAsync<NatsAwayException>(call)).Message, StringComparison.Ordinal);
        await client.FlushAsync(TimeSpan.FromSeconds(30));

        Assert.InRange(Stopwatch.GetElapsedTime(since).TotalSeconds, 0, 1);
    }

    [Fact]
    public async Task A_call_under_way_ends_when_the_connection_breaks()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var client = JetStreamClient.Connect(new() { Url = server.Url });
        await client.WaitUntilOpenAsync(Ct);
        server.Suspend();
        var call = client.FindStreamAsync("s", Ct);
        var since = Stopwatch.GetTimestamp();
        await server.KillAsync();

        await Assert.ThrowsAsync<NatsAwayException>(() => call);

        Assert.InRange(Stopwatch.GetElapsedTime(since).TotalSeconds, 0, 3);   // before the call's own time-out
    }

    [Fact]
    public async Task It_waits_for_a_server_that_is_not_there_yet_and_reconnects_for_ever()
    {
        await using var server = new NatsServer();
        using var logs = new LogCapture();
        await using var client = JetStreamClient.Connect(new() { Url = server.Url }, logs);
        var (opened, dropped) = (0, 0);
        client.Opened += () => Interlocked.Increment(ref opened);
        client.Dropped += () => Interlocked.Increment(ref dropped);
        var log = ConnectionLog.Of(client.Connection)!;
        await Eventually.TrueAsync(() => log.LastFailure is not null);
        Assert.Contains("refused", log.LastFailure, StringComparison.OrdinalIgnoreCase);

        for (var round = 1; round <= 3; round++)
        {
            await server.StartAsync();
            await client.WaitUntilOpenAsync(Ct);
            await client.FindStreamAsync("s", Ct);
            await Eventually.TrueAsync(() => client.OpenedTotal == round && Volatile.Read(ref opened) == round);
            Assert.Null(log.LastFailure);
            await server.KillAsync();
            await Eventually.TrueAsync(() => Volatile.Read(ref dropped) == round && log.LastFailure is not null);
        }
    }

    [Fact]
    public void Every_fault_of_the_settings_is_named_with_its_variable()
    {
        var faults = new NatsSettings { Url = "nats://ok:4222,http://secret@bus:4222", CredentialsFile = "/nowhere", CertificateFile = "/nowhere", InboxPrefix = "a b" }.Faults();

        Assert.Equal(["NATS_URL:", "NATS_CREDS", "NATS_CERT", "NATS_CERT", "NATS_INBOX_PREFIX"], faults.Select(f => f.Split(' ')[0]));
        Assert.DoesNotContain(faults, f => f.Contains("secret", StringComparison.Ordinal));
        Assert.Throws<ArgumentException>(() => JetStreamClient.Connect(new() { Url = "http://bus" }));
    }

    private static async Task<NatsServer> StartAsync(string permissions)
    {
        var server = new NatsServer($$"""authorization { users: [ { user: u, password: p, permissions: { {{permissions}} } } ] }""");
        await server.StartAsync();
        return server;
    }

    private static async Task<JetStreamClient> ConnectAsync(NatsServer server, NatsSettings? settings = null)
    {
        var client = JetStreamClient.Connect((settings ?? new()) with { Url = server.UrlOf("u", "p") });
        await client.WaitUntilOpenAsync(Ct);
        return client;
    }
}
