using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Watchword.Auditing;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;
using Watchword.Samples.Subscribers;
using Watchword.Tests.Tokens;

namespace Watchword.Tests.Cli;

/// <summary>A server with user sync that Ada's row offends, the sample audit log, and two users.</summary>
internal sealed class EraseWorld : IAsyncDisposable
{
    public const string Email = "augusta.ada@lovelace.example";
    public const string FormerEmail = "augusta.byron@lovelace.example";
    public const string Name = "Augusta Ada Lovelace";
    public const string Ip = "203.0.113.77";
    private const string Browser = "Mozilla/5.0 (Difference Engine)";
    private const string Password = "password-of-ada";

    private IHost? _audit;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public required TestDatabase Identity { get; init; }
    public required TestDatabase Target { get; init; }
    public required ServerProcess Server { get; init; }
    public required JetStreamClient JetStream { get; init; }
    public required (string Name, string Value)[] Environment { get; init; }

    public static async Task<EraseWorld> StartAsync(PostgresFixture postgres, NatsFixture nats)
    {
        var (identity, target, account) = (await postgres.IdentityAsync(), await postgres.TargetAsync(), nats.TakeAccount());
        await MigrationRunner.ApplyAsync(target.Source, [AuditLogSchema.Migrations], NullLogger.Instance);
        await target.ExecuteAsync($"ALTER TABLE users ADD CONSTRAINT of_the_application CHECK (email <> '{Email}')");
        (string, string)[] environment = [("DATABASE_URL", identity.ConnectionString), ("TARGET_DATABASE_URL", target.ConnectionString), ("NATS_URL", account.Url)];
        var server = new ServerProcess(environment);
        await server.StartAsync();
        var world = new EraseWorld { Identity = identity, Target = target, Server = server, JetStream = await account.ConnectAsync(Ct), Environment = environment };
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddLogging().AddSingleton<ILoggerFactory>(NullLoggerFactory.Instance).AddSingleton(world.JetStream);
        AuditLogService.Add(builder.Services, target.Source);
        world._audit = builder.Build();
        await world._audit.StartAsync(Ct);
        return world;
    }

    /// <summary>Ada has an account, sessions, a former address, a membership and an invitation; her row offends the users table. Answers her id and Bob's.</summary>
    public async Task<(string Ada, string Bob)> PopulateAsync()
    {
        (string, string)[] client = [("User-Agent", Browser), ("X-Forwarded-For", Ip)];
        var bob = (await Server.PostAsync("/auth/register", new { email = "bob@example.com", password = "password-of-bob", name = "Bob" })).Json.GetProperty("user").GetProperty("id").GetString()!;
        var registered = await Server.PostAsync("/auth/register", new { email = FormerEmail, password = Password, name = Name }, client);
        var ada = registered.Json.GetProperty("user").GetProperty("id").GetString()!;
        await Identity.ExecuteAsync($"""UPDATE "user" SET email = '{Email}' WHERE id = @ada""", new { ada });
        await Server.PostAsync("/auth/login", new { email = Email, password = "wrong-password" }, client);
        var login = await Server.PostAsync("/auth/login", new { email = Email, password = Password }, client);
        await Server.PostAsync("/auth/login", new { email = Email, password = "wrong-password" }, client);
        await Server.PostAsync("/auth/refresh", new { refreshToken = login.RefreshToken }, client);
        await Identity.ExecuteAsync($"""
            INSERT INTO organization (id, name, slug, "createdAt") VALUES ('acme', 'Acme', 'acme', now());
            INSERT INTO member (id, "organizationId", "userId", role, "createdAt") VALUES ('m-ada', 'acme', @ada, 'member', now()), ('m-bob', 'acme', @bob, 'owner', now());
            INSERT INTO invitation (id, "organizationId", email, role, status, "expiresAt", "inviterId") VALUES
              ('i-ada', 'acme', '{FormerEmail}', 'member', 'pending', now(), @bob), ('i-eve', 'acme', 'eve@example.com', 'member', 'pending', now(), @ada);
            INSERT INTO verification (id, identifier, value, "expiresAt") VALUES ('v', '{Email}', 'x', now());
            """, new { ada, bob });
        await Eventually.TrueAsync(async () => await JetStream.FindStreamAsync("dead-letters") is { State.Messages: > 0 });
        await AuditedAsync();
        return (ada, bob);
    }

    /// <summary>Until the audit log has everything that was published.</summary>
    public Task AuditedAsync() => Eventually.TrueAsync(async () =>
        await Identity.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL") == 0
        && await JetStream.FindConsumerAsync("auth-events", "audit-log") is { NumPending: 0, NumAckPending: 0 }
        && await JetStream.FindConsumerAsync("identity-changes", "audit-log") is { NumPending: 0, NumAckPending: 0 });

    public Task<CommandRun> RunAsync(params string[] arguments) =>
        CommandRun.RunAsync(arguments[0] == "verify" ? [("TARGET_DATABASE_URL", Target.ConnectionString)] : Environment, ["audit", .. arguments]);

    public async Task<List<JsonElement>> ErasedEventsAsync(string user) =>
        [.. (await JetStream.ReadAllAsync("identity-changes")).Where(m => m.Subject == "user.erased").Select(m => JsonDocument.Parse(m.Payload).RootElement)
            .Where(e => e.GetProperty("data").GetProperty("userId").GetString() == user)];

    /// <summary>All that a place holds.</summary>
    public async Task<string> TextAsync(string place) => place switch
    {
        "identity" => await TablesAsync(Identity),
        "target" => await TablesAsync(Target),
        "log" => Server.Output,
        _ => await StreamsAsync(),
    };

    private static async Task<string> TablesAsync(TestDatabase database)
    {
        var text = new StringBuilder();
        foreach (var table in await database.QueryAsync<string>("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname !~ '^pg_' AND schemaname <> 'information_schema'"))
            foreach (var row in await database.QueryAsync<string>($"SELECT to_jsonb(t)::text FROM {table} t"))
                text.Append(table).Append(' ').AppendLine(row);
        return text.ToString();
    }

    private async Task<string> StreamsAsync()
    {
        var text = new StringBuilder();
        foreach (var stream in Streams.All)
            foreach (var message in await JetStream.ReadAllAsync(stream.Name!))
            {
                text.AppendLine(Encoding.UTF8.GetString(message.Payload));
                foreach (var (name, value) in message.Headers ?? [])
                    text.Append(name).Append(": ").AppendLine(value);
            }
        return text.ToString();
    }

    public async ValueTask DisposeAsync()
    {
        if (_audit is not null)
        {
            await _audit.StopAsync();
            await ((IAsyncDisposable)_audit).DisposeAsync();
        }
        await Server.DisposeAsync();
        await JetStream.DisposeAsync();
        await Identity.DisposeAsync();
        await Target.DisposeAsync();
    }
}
