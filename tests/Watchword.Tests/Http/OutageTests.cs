using System.Globalization;
using System.Net;
using Npgsql;
using Watchword.Tests.Tokens;

namespace Watchword.Tests.Http;

/// <summary>A dependency that is down for a while yields 503 with Retry-After, never 500.</summary>
public sealed class OutageTests(PostgresFixture postgres, NatsFixture nats) : IAsyncLifetime
{
    private TestDatabase _identity = null!;
    private TcpProxy _way = null!;
    private ServerProcess _server = null!;

    public async ValueTask InitializeAsync()
    {
        _identity = await postgres.IdentityAsync();
        var direct = new NpgsqlConnectionStringBuilder(_identity.ConnectionString);
        _way = new(direct.Port);
        // A small pool and short timeouts, so that the test sees within seconds what takes longer in production.
        var url = new NpgsqlConnectionStringBuilder(_identity.ConnectionString) { Port = _way.Port, MaxPoolSize = 4, Timeout = 1, CommandTimeout = 3 };
        _server = new(("DATABASE_URL", url.ConnectionString), ("NATS_URL", nats.TakeAccount().Url), ("WATCHWORD_ROLES", "api"),
            ("PASSWORD_THREADS", "1"), ("PASSWORD_QUEUE", "1"));
        await _server.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _way.DisposeAsync();
        await _identity.DisposeAsync();
    }

    [Fact]
    public async Task Without_PostgreSQL_every_endpoint_answers_503_and_recovers_with_it()
    {
        var person = await _server.RegisterAsync();
        _way.Cut();

        for (var i = 0; i < 3; i++)
        {
            AssertUnavailable(await _server.PostAsync("/auth/register", new { email = TokenApiCalls.NewEmail(), password = "password123", name = "A" }));
            AssertUnavailable(await _server.LoginAsync(person.Email, person.Password));
            AssertUnavailable(await _server.RefreshAsync(person.RefreshToken));
            AssertUnavailable(await _server.MeAsync(person.AccessToken));
            AssertUnavailable(await _server.LogoutAsync(person.AccessToken));
        }
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.PostAsync("/auth/login", new { })).Status);

        _way.Mend();
        await Eventually.TrueAsync(async () => (await _server.MeAsync(person.AccessToken)).Status == HttpStatusCode.OK);
        Assert.Equal(HttpStatusCode.OK, (await _server.RefreshAsync(person.RefreshToken)).Status);
    }

    [Fact]
    public async Task An_exhausted_connection_pool_answers_503()
    {
        var person = await _server.RegisterAsync();
        await using (await LockAsync("session"))
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => _server.RefreshAsync(person.RefreshToken)));
            Assert.All(answers, AssertUnavailable);
        }
        await Eventually.TrueAsync(async () => (await _server.RefreshAsync(person.RefreshToken)).Status == HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("pg_cancel_backend")]
    [InlineData("pg_terminate_backend")]
    public async Task A_statement_that_an_operator_cancels_answers_503(string end)
    {
        var person = await _server.RegisterAsync();
        await using var held = await LockAsync("\"user\"");
        var me = _server.MeAsync(person.AccessToken);
        await Eventually.TrueAsync(async () => await _identity.ScalarAsync<int>(
            $"SELECT count({end}(pid)) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") > 0);
        AssertUnavailable(await me);
    }

    [Fact]
    public async Task Logins_beyond_the_hashing_queue_are_told_when_to_retry()
    {
        var person = await _server.RegisterAsync();

        var logins = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => _server.LoginAsync(person.Email, person.Password)));

        Assert.Contains(logins, a => a.Status == HttpStatusCode.OK);
        var refused = logins.Where(a => a.Status != HttpStatusCode.OK).ToList();
        Assert.NotEmpty(refused);
        Assert.All(refused, AssertUnavailable);
        Assert.Contains("Too many sign-ins", refused[0].Message, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await _server.LoginAsync(person.Email, person.Password)).Status);
    }

    private static void AssertUnavailable(Answer answer)
    {
        Assert.True(answer.Status == HttpStatusCode.ServiceUnavailable, $"{answer.Status}: {answer.Text}");
        Assert.Equal("Service Unavailable", answer.Json.GetProperty("error").GetString());
        Assert.InRange(int.Parse(answer.Header("Retry-After")!, CultureInfo.InvariantCulture), 1, 60);
    }

    private async Task<IAsyncDisposable> LockAsync(string table)
    {
        var connection = await _identity.Source.OpenConnectionAsync();
        await using var command = new NpgsqlCommand($"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE", connection);
        await command.ExecuteNonQueryAsync();
        return connection;   // closed, it is rolled back
    }
}
