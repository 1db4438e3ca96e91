using Watchword.Events.Outbox;
using Watchword.Server.Http;
using Watchword.Server.Store;
using Watchword.Server.Tokens;

namespace Watchword.Tests.Tokens;

/// <summary>A thousand clients on bad networks: nobody is signed out, and no thief stays.</summary>
public class RefreshSimulationTests(PostgresFixture postgres)
{
    private const int Clients = 1000;
    private const int Robbed = 200;
    private const int Steps = 8;
    private const int MostTurns = 200;
    private const double LostAnswers = 0.3;

    [Fact]
    public async Task Nobody_is_signed_out_by_lost_answers_sleep_or_two_tabs_and_every_thief_is_caught()
    {
        var seed = TestRandom.Create().Next();
        await using var database = await postgres.IdentityAsync();
        var service = Service(database);
        var turns = 0;
        await Parallel.ForAsync(0, Clients, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (number, _) =>
        {
            var client = await Client.CreateAsync(database, service, number, new Random(unchecked(seed + number)));
            for (var step = 0; step < Steps; step++)
                Assert.True(await client.StepAsync(), $"client {number} was signed out in step {step}");
            if (number >= Robbed)
                return;
            var taken = await client.RobAsync(MostTurns);
            Assert.True(taken < MostTurns, $"the thief of client {number} was not caught in {MostTurns} turns");
            Interlocked.Add(ref turns, taken);
            Assert.Equal(0, await database.ScalarAsync<int>("SELECT count(*) FROM session WHERE id = @id", new { id = client.SessionId }));
        });
        Assert.Equal(Clients - Robbed, await database.ScalarAsync<int>("SELECT count(*) FROM session"));
        TestContext.Current.TestOutputHelper?.WriteLine($"thieves were caught after {(double)turns / Robbed:0.0} turns on average");
    }

    private static TokenService Service(TestDatabase database) => new(
        new IdentityStore(database.Source, new OutboxSignal()), passwords: null!,   // nobody registers or logs in
        new AccessTokenIssuer(TokenFixture.Secret, TokenFixture.Origin, TimeSpan.FromMinutes(15), TimeProvider.System),
        new RefreshTokens(TokenFixture.Secret), _ => { }, new TokenOptions(TimeSpan.FromDays(7)));

    /// <summary>A browser: all its tabs share one storage. Its clock is that of its rows, which it moves.</summary>
    private sealed class Client(TestDatabase database, TokenService service, string sessionId, string token, Random random)
    {
        private readonly List<string> _seen = [token];
        private string _stored = token;

        public string SessionId => sessionId;

        public static async Task<Client> CreateAsync(TestDatabase database, TokenService service, int number, Random random)
        {
            var (user, session, token) = ($"user-{number}", $"session-{number}", RefreshTokens.New());
            await database.ExecuteAsync("""
                INSERT INTO "user" (id, name, email, "emailVerified") VALUES (@user, 'Name', @user || '@example.com', false);
                INSERT INTO session (id, token, "userId", "expiresAt", "updatedAt") VALUES (@session, @session, @user, now() + interval '7 days', now());
                INSERT INTO watchword.refresh_token (hash, session_id, user_id, expires_at) VALUES (@hash, @session, @user, now() + interval '7 days');
                """, new { user, session, hash = RefreshTokens.Hash(token) });
            return new(database, service, session, token, random);
        }

        /// <summary>What a browser does; false when it was signed out by that.</summary>
        public async Task<bool> StepAsync()
        {
            switch (random.Next(4))
            {
                case 0:
                    await SleepAsync(TimeSpan.FromHours(1));
                    return await RefreshAsync();
                case 1:
                    await SleepAsync(TimeSpan.FromHours(12));
                    return await RefreshAsync();
                case 2:   // two tabs at once, whose answers arrive in any order
                    var same = _stored;
                    var answers = await Task.WhenAll(PresentAsync(same), PresentAsync(same));
                    foreach (var answer in random.Next(2) == 0 ? answers : [.. answers.Reverse()])
                        Receive(answer);
                    return answers.All(a => a is not null);
                default:   // a tab that is slow: the other refreshes twice meanwhile
                    var old = _stored;
                    var well = await RefreshAsync() && await RefreshAsync();
                    var late = await PresentAsync(old);
                    Receive(late);
                    return well && late is not null;
            }
        }

        /// <summary>A thief copies a token that the client has or had. Both go on, an hour between any two requests; answers how many it took until one was refused.</summary>
        public async Task<int> RobAsync(int most)
        {
            var stolen = _seen[random.Next(Math.Max(0, _seen.Count - 3), _seen.Count)];
            for (var turn = 1; turn <= most; turn++)
            {
                await SleepAsync(TimeSpan.FromHours(1));
                var isThief = random.Next(2) == 0;
                if (await PresentAsync(isThief ? stolen : _stored) is not { } successor)
                    return turn;
                if (random.NextDouble() < LostAnswers)
                    continue;
                if (isThief)
                    stolen = successor;
                else
                    _stored = successor;
            }
            return most;
        }

        private async Task<bool> RefreshAsync()
        {
            var answer = await PresentAsync(_stored);
            Receive(answer);
            return answer is not null;
        }

        private void Receive(string? answer)
        {
            if (answer is null || random.NextDouble() < LostAnswers)
                return;
            _stored = answer;
            _seen.Add(answer);
        }

        /// <summary>The successor; null when it is refused.</summary>
        private async Task<string?> PresentAsync(string presented)
        {
            try
            {
                return (await service.RefreshAsync(default, presented, CancellationToken.None)).Answer.RefreshToken;
            }
            catch (ApiException)
            {
                return null;
            }
        }

        private Task<int> SleepAsync(TimeSpan time) => database.ExecuteAsync("""
            UPDATE watchword.refresh_token SET issued_at = issued_at - @time, spent_at = spent_at - @time, expires_at = expires_at - @time WHERE session_id = @sessionId;
            UPDATE session SET "expiresAt" = "expiresAt" - @time WHERE id = @sessionId;
            """, new { time, sessionId });
    }
}
