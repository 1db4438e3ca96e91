using System.Text.Json;
using Watchword.Events.Contracts;
using Watchword.Events.Enrichment;
using Watchword.Events.Outbox;
using Watchword.Tests.Events.Outbox;

namespace Watchword.Tests.Events.Enrichment;

/// <summary>The context that is added to auth events on their way.</summary>
public sealed class EventEnrichmentTests(PostgresFixture postgres, NatsFixture nats) : IDisposable
{
    private const string IPhone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15";

    private readonly string _countries = Path.GetTempFileName();

    public void Dispose() => File.Delete(_countries);

    private sealed class Enricher(Action<EventFacts, IDictionary<string, string>> enrich) : IEventEnricher
    {
        public void Enrich(EventFacts facts, IDictionary<string, string> context) => enrich(facts, context);
    }

    private RelayOptions With(EnrichmentOptions options)
    {
        File.WriteAllBytes(_countries, CountryDatabase.Of(("203.0.113.0/24", "NL"), ("203.0.113.128/25", "BE"), ("2001:db8::/32", "SE")));
        return RelayHost.Options with { Enrichment = options with { CountryFile = _countries } };
    }

    private static Task<int> LoginAsync(TestDatabase db, string user, string? ip, string? userAgent) =>
        db.ExecuteAsync("SELECT watchword.append_auth_event('logged_in', @user, p_email => 'a@example.com', p_ip => @ip, p_user_agent => @userAgent)", new { user, ip, userAgent });

    private static string? Context(StoredEvent e) => e.Json.GetProperty("data").TryGetProperty("context", out var context) ? context.GetRawText() : null;

    [Fact]
    public async Task Country_and_device_are_added_to_the_message_and_not_to_the_row()
    {
        await using var db = await postgres.IdentityAsync();
        await LoginAsync(db, "u1", "203.0.113.200", IPhone);
        await LoginAsync(db, "u2", "2001:db8::7", null);
        await LoginAsync(db, "u3", "198.51.100.1", null);
        await LoginAsync(db, "u4", "not an address", "curl/8.0");
        await db.ExecuteAsync("""
            BEGIN; SET LOCAL watchword.client_ip = '203.0.113.5'; SET LOCAL watchword.user_agent = 'Mozilla/5.0 (X11; CrOS x86_64 14541.0.0)';
            INSERT INTO "user" (id, name, email, "emailVerified") VALUES ('u5', 'Ada', 'ada@example.com', false); COMMIT
            """);
        await using var relay = await RelayHost.StartAsync(db, nats.TakeAccount().Settings, With(new() { Country = true, Device = true }));

        var stored = await relay.JetStream.ReadStreamAsync("auth-events", 5);
        Assert.Equal(["""{"country":"BE","deviceFamily":"iphone"}""", """{"country":"SE"}""", null, """{"deviceFamily":"other"}""", """{"country":"NL","deviceFamily":"chromebook"}"""], stored.Select(Context));
        // As a subscriber reads it.
        Assert.Equal("iphone", JsonSerializer.Deserialize(stored[0].Json.GetProperty("data").GetRawText(), EventJson.Default.UserLoggedInData)!.Context!.DeviceFamily);
        Assert.Equal("auth.user.logged_in", stored[0].Subject);
        Assert.Equal(["userId", "email", "timestamp", "ip", "userAgent", "context"], stored[0].Json.GetProperty("data").EnumerateObject().Select(m => m.Name));
        Assert.Equal(["subject", "data", "metadata"], stored[0].Json.EnumerateObject().Select(m => m.Name));
        Assert.DoesNotContain(stored[4].Headers!, h => $"{h.Value}" is var value && (value.Contains("203.0.113", StringComparison.Ordinal) || value.Contains("CrOS", StringComparison.Ordinal)));
        Assert.Equal(0, await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE payload::text LIKE '%context%'"));
        Assert.False((await relay.JetStream.ReadStreamAsync("identity-changes", 1))[0].Json.GetProperty("data").TryGetProperty("context", out _));
    }

    [Fact]
    public async Task An_enricher_that_adds_too_much_adds_nothing()
    {
        await using var db = await postgres.IdentityAsync();
        await LoginAsync(db, "u1", null, null);
        await LoginAsync(db, "u2", null, null);
        await using var relay = await RelayHost.StartAsync(db, nats.TakeAccount().Settings,
            RelayHost.Options with { Enrichment = new() { TimeLimit = TimeSpan.FromSeconds(10) } },
            new Enricher((facts, context) => context["x"] = new string('x', facts.UserId == "u1" ? 2_000_000 : 3)));

        var stored = await relay.JetStream.ReadStreamAsync("auth-events", 2);
        Assert.Equal([null, """{"x":"xxx"}"""], stored.Select(Context));
        Assert.Contains("2,000,001 characters", Assert.Single(relay.Logs.Of(2050)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_enricher_that_throws_is_logged_once_and_the_others_still_add()
    {
        await using var db = await postgres.IdentityAsync();
        for (var i = 1; i <= 20; i++)
            await LoginAsync(db, $"u{i}", "203.0.113.1", IPhone);
        await using var relay = await RelayHost.StartAsync(db, nats.TakeAccount().Settings,
            With(new() { Country = true, TimeLimit = TimeSpan.FromSeconds(10) }),
            new Enricher((_, _) => throw new InvalidOperationException("no licence")),
            new Enricher((facts, context) => context["asn"] = $"{facts.Subject} {facts.UserId} {facts.Ip} \"{facts.UserAgent?[..11]}\""));

        var stored = await relay.JetStream.ReadStreamAsync("auth-events", 20);
        Assert.All(stored, e => Assert.Equal($"auth.user.logged_in {e.UserId} 203.0.113.1 \"Mozilla/5.0\"", JsonDocument.Parse(Context(e)!).RootElement.GetProperty("asn").GetString()));
        Assert.All(stored, e => Assert.Equal("NL", e.Json.GetProperty("data").GetProperty("context").GetProperty("country").GetString()));
        Assert.Contains("no licence", Assert.Single(relay.Logs.Of(2050)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_enricher_that_hangs_delays_no_event_and_returns_when_it_recovers()
    {
        await using var db = await postgres.IdentityAsync();
        for (var i = 1; i <= 50; i++)
            await LoginAsync(db, $"u{i}", null, null);
        using var release = new ManualResetEventSlim();
        var calls = 0;
        await using var relay = await RelayHost.StartAsync(db, nats.TakeAccount().Settings,
            RelayHost.Options with { Enrichment = new() { RestAfterOverrun = TimeSpan.Zero } },
            new Enricher((_, context) =>
            {
                Interlocked.Increment(ref calls);
                release.Wait();
                context["late"] = "yes";
            }));

        var stored = await relay.JetStream.ReadStreamAsync("auth-events", 50);
        Assert.All(stored, e => Assert.Null(Context(e)));
        Assert.Equal(1, calls);   // not again while it hangs, although its rest is over
        Assert.Single(relay.Logs.Of(2051));

        release.Set();
        for (var i = 0; ; i++)
        {
            await LoginAsync(db, $"v{i}", null, null);
            if (Context((await relay.JetStream.ReadStreamAsync("auth-events", 51 + i))[^1]) == """{"late":"yes"}""")
                break;
            Assert.True(i < 100, "the enricher never returned");
        }
    }

    [Theory]
    [InlineData(IPhone, "iphone")]
    [InlineData("Mozilla/5.0 (iPad; CPU OS 16_5 like Mac OS X)", "ipad")]
    [InlineData("Mozilla/5.0 (Linux; Android 14; Pixel 8)", "android")]
    [InlineData("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0)", "chromebook")]
    [InlineData("Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "windows")]
    [InlineData("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", "mac")]
    [InlineData("Mozilla/5.0 (X11; Linux x86_64; rv:109.0)", "linux")]
    [InlineData("Mozilla/5.0 (Linux; Android 6.0.1) (compatible; Googlebot/2.1)", "bot")]
    [InlineData("curl/8.5.0", "other")]
    public void A_user_agent_tells_the_device(string userAgent, string family) => Assert.Equal(family, DeviceFamily.Of(userAgent));

    [Theory]
    [InlineData("""{"subject":"s","data":{"userId":"u","ip":"1.2.3.4"},"metadata":{}}""", """{"subject":"s","data":{"userId":"u","ip":"1.2.3.4","context":{"a":"\u003Cb\u003E"}},"metadata":{}}""")]
    [InlineData("""{"data" : { "userId" : "}" , "more":{"ip":"x"} } }""", """{"data" : { "userId" : "}" , "more":{"ip":"x"} ,"context":{"a":"\u003Cb\u003E"}} }""")]
    [InlineData("""{"data":{"userId":"u","context":{"own":1}}}""", null)]
    [InlineData("""{"data":{}}""", null)]
    [InlineData("""{"data":null}""", null)]
    public void Context_becomes_the_last_member_of_data(string body, string? expected)
    {
        var payload = System.Text.Encoding.UTF8.GetBytes(body);
        var result = AuthEventBody.Read(payload).WithContext(payload, new Dictionary<string, string> { ["a"] = "<b>" });
        Assert.Equal(expected ?? body, System.Text.Encoding.UTF8.GetString(result));
    }
}
