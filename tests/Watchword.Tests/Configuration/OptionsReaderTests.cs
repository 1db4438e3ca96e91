using Microsoft.Extensions.Configuration;
using Watchword.Server.Configuration;

namespace Watchword.Tests.Configuration;

public class OptionsReaderTests
{
    private const string Database = "postgres://id@127.0.0.1/id";

    // 32 characters.
    private const string Secret = "0123456789abcdef0123456789abcdef";

    [Fact]
    public void Without_anything_set_a_laptop_s_defaults_stand()
    {
        var options = Read();
        Assert.Equal((3001, "localhost", Roles.All), (options.Port, options.Host, options.Roles));
        Assert.Equal((TimeSpan.FromMinutes(15), TimeSpan.FromDays(7)), (options.AccessTokenLifetime, options.SessionLifetime));
        Assert.Equal(new Uri("http://localhost:3001"), options.Url);
        Assert.True(options.Database is null && options.NatsUrl is null && options.Secret is null && options.NeedsLocalEngines);
    }

    [Fact]
    public void An_empty_variable_is_an_unset_one()
    {
        var empty = Read([.. Setting.All.Select(s => (s.Key, ""))]);
        Assert.Equal(Read() with { Passwords = empty.Passwords }, empty);
        Assert.Equal(empty, Read([.. Setting.All.Select(s => (s.Key, " \t"))]) with { Passwords = empty.Passwords });
    }

    [Fact]
    public void What_is_set_is_read()
    {
        var options = Read(("PORT", " 8080 "), ("WATCHWORD_HOST", "0.0.0.0"), ("DATABASE_URL", Database), ("NATS_URL", "nats://a:4222, b"), ("BETTER_AUTH_SECRET", Secret),
            ("BETTER_AUTH_URL", "https://id.example.com/some/path?q"), ("WATCHWORD_ROLES", "API, relay"), ("ACCESS_TOKEN_LIFETIME", "24h"), ("SESSION_LIFETIME", "365d"),
            ("PASSWORD_LOG_N", "15"), ("PASSWORD_R", "8"), ("PASSWORD_P", "2"), ("PASSWORD_THREADS", "3"), ("PASSWORD_QUEUE", "5"));
        Assert.Equal((8080, Secret, Roles.Api | Roles.Relay, new Uri("https://id.example.com")), (options.Port, options.Secret, options.Roles, options.Url));
        Assert.Equal((TimeSpan.FromHours(24), TimeSpan.FromDays(365)), (options.AccessTokenLifetime, options.SessionLifetime));
        Assert.Equal((15, 8, 2, 3, 5), (options.Passwords.LogN, options.Passwords.R, options.Passwords.P, options.Passwords.Threads, options.Passwords.QueueLength));
        Assert.False(options.NeedsLocalEngines);
    }

    [Theory]
    [InlineData("DATABASE_URL", "postgres://")]
    [InlineData("DATABASE_URL", "postgres:///db")]
    [InlineData("DATABASE_URL", "postgres://h/")]
    [InlineData("DATABASE_URL", "postgres://h:99999/db")]
    [InlineData("DATABASE_URL", "postgres://h/db?sslmode=maybe")]
    [InlineData("DATABASE_URL", "postgres://h/db?nonsense=1")]
    [InlineData("DATABASE_URL", "Host=h;Port=abc;Database=d")]
    [InlineData("DATABASE_URL", "Host=h;Port=99999999999;Database=d")]
    [InlineData("DATABASE_URL", "Host=h;Database=d;Maximum Pool Size=1;Minimum Pool Size=2")]
    [InlineData("DATABASE_URL", "Database=d")]
    [InlineData("DATABASE_URL", "nonsense")]
    [InlineData("TARGET_DATABASE_URL", "http://h/db")]
    [InlineData("NATS_URL", ",")]
    [InlineData("NATS_URL", "nats://h:port")]
    [InlineData("NATS_URL", "nats://a,http://b")]
    [InlineData("PORT", "0")]
    [InlineData("PORT", "65536")]
    [InlineData("PORT", "99999999999999999999")]
    [InlineData("PORT", "３００１")]
    [InlineData("PORT", "3001;")]
    [InlineData("WATCHWORD_HOST", "example.com")]
    [InlineData("NATS_CREDS", "/nowhere/user.creds")]
    [InlineData("NATS_CA", "/nowhere/ca.pem")]
    [InlineData("NATS_KEY", "/etc/hostname")]
    [InlineData("BETTER_AUTH_URL", "/auth")]
    [InlineData("BETTER_AUTH_URL", "localhost:3001")]
    [InlineData("BETTER_AUTH_URL", "http://")]
    [InlineData("BETTER_AUTH_URL", "https://u:p@id.example.com")]
    [InlineData("WATCHWORD_ROLES", "none")]
    [InlineData("WATCHWORD_ROLES", "1")]
    [InlineData("WATCHWORD_ROLES", ",")]
    [InlineData("WATCHWORD_DATA", "a\0b")]
    [InlineData("ACCESS_TOKEN_LIFETIME", "0")]
    [InlineData("ACCESS_TOKEN_LIFETIME", "86401")]
    [InlineData("ACCESS_TOKEN_LIFETIME", "15 m")]
    [InlineData("ACCESS_TOKEN_LIFETIME", "m")]
    [InlineData("ACCESS_TOKEN_LIFETIME", "-5m")]
    [InlineData("SESSION_LIFETIME", "59s")]
    [InlineData("SESSION_LIFETIME", "2147483647d")]
    [InlineData("SESSION_LIFETIME", "99999999999d")]
    [InlineData("PASSWORD_LOG_N", "31")]
    [InlineData("PASSWORD_LOG_N", "24")]
    [InlineData("PASSWORD_THREADS", "257")]
    [InlineData("EVENT_SAMPLING", "user.sync=10%")]
    [InlineData("EVENT_SAMPLING", "auth.user.logged_in=200%")]
    [InlineData("EVENT_ENRICHMENT", "weather")]
    [InlineData("EVENT_ENRICHMENT", "device,country")]
    [InlineData("COUNTRY_FILE", "/nowhere/countries.mmdb")]
    [InlineData("COUNTRY_FILE", "/etc/hostname")]
    [InlineData("COUNTRY_FILE", "/etc")]
    [InlineData("COUNTRY_FILE", "/dev/null")]
    [InlineData("EVENT_SAMPLING", "auth.user.token_refresh=10%")]
    [InlineData("EVENT_SAMPLING", "auth.user.token_refreshed=NaN%")]
    [InlineData("BETTER_AUTH_SECRET", "0123456789abcdef0123456789abcde")]
    public void A_fault_is_told_by_the_name_of_its_variable(string name, string value)
    {
        var fault = Assert.Single(Assert.Throws<ConfigurationException>(() => Read(name == "DATABASE_URL" ? [(name, value), ("BETTER_AUTH_SECRET", Secret)] : [(name, value)])).Errors);
        Assert.StartsWith(name, fault, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', fault);
    }

    [Fact]
    public void What_events_get_on_their_way_is_read()
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(file, CountryDatabase.Of(("192.0.2.0/24", "NL")));
            var options = Read(("EVENT_SAMPLING", "auth.user.token_refreshed=0%"), ("EVENT_ENRICHMENT", "country, device"), ("COUNTRY_FILE", file));
            Assert.True(options.Sampling.LeavesOut("auth.user.token_refreshed", "u1"));
            Assert.Equal((file, true, true), (options.Enrichment.CountryFile, options.Enrichment.Country, options.Enrichment.Device));

            File.WriteAllText(file, "192.0.2.0/24,NL\n");
            var faults = Assert.Throws<ConfigurationException>(() => Read(("COUNTRY_FILE", file), ("EVENT_SAMPLING", "x, y"), ("EVENT_ENRICHMENT", "z"))).Errors;
            Assert.Equal(4, faults.Count);
            Assert.Equal($"COUNTRY_FILE ({file}) is not a MaxMind DB: provide an .mmdb file such as GeoLite2-Country or DB-IP Country Lite; a text file of networks is not accepted", Assert.Single(faults, f => f.StartsWith("COUNTRY_FILE", StringComparison.Ordinal)));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void A_database_of_one_s_own_needs_a_secret_of_one_s_own()
    {
        var fault = Assert.Single(Assert.Throws<ConfigurationException>(() => Read(("DATABASE_URL", Database))).Errors);
        Assert.StartsWith("BETTER_AUTH_SECRET is not set", fault, StringComparison.Ordinal);
        Assert.Throws<ConfigurationException>(() => Read(("DATABASE_URL", Database), ("BETTER_AUTH_SECRET", new string(' ', 40))));
        Assert.Equal(Secret, Read(("DATABASE_URL", Database), ("BETTER_AUTH_SECRET", Secret)).Secret);
    }

    private static ServerOptions Read(params (string Name, string Value)[] settings) =>
        OptionsReader.Read(new ConfigurationBuilder().AddInMemoryCollection(settings.Select(s => KeyValuePair.Create(s.Name, (string?)s.Value))).Build());
}
