using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Subscribing;
using Watchword.UserSync;

namespace Watchword.Tests.UserSync;

/// <summary>User sync at work on a database of its own, and both sides of it.</summary>
internal sealed class SyncHost : IAsyncDisposable
{
    /// <summary>A row of the target.</summary>
    public sealed class User
    {
        public string Auth_Id { get; init; } = "";
        public string? Email { get; init; }
        public string? Name { get; init; }
        public bool Is_Active { get; init; }
        public string[] Roles { get; init; } = [];
        public string Organization_Id { get; init; } = "";
        public long Version { get; init; }
        public DateTime? Deleted_At { get; init; }
    }

    public required TestDatabase Target { get; init; }
    public required JetStreamClient JetStream { get; init; }
    public required UserSyncWorker Worker { get; init; }

    public DeadLetters DeadLetters => new(Target.Source);

    public static async Task<SyncHost> StartAsync(PostgresFixture postgres, NatsFixture nats, UserSyncOptions? options = null, TestDatabase? target = null, NatsAccount? account = null)
    {
        target ??= await postgres.TargetAsync();
        var connection = await (account ?? nats.TakeAccount()).ConnectAsync();
        await connection.CreateStreamAsync(Streams.IdentityChanges);
        var worker = new UserSyncWorker(target.Source, connection, options ?? new() { RetryDelayMin = TimeSpan.FromMilliseconds(10) }, NullLogger<UserSyncWorker>.Instance);
        await worker.StartAsync(default);
        return new() { Target = target, JetStream = connection, Worker = worker };
    }

    public static string Event(string userId, string kind = "updated", string name = "Test User", string timestamp = "2024-04-16T10:30:00Z", string? email = null, long? version = null) => $$"""
        {"event":"user.{{kind}}","timestamp":"{{timestamp}}","data":{"userId":"{{userId}}","email":"{{email ?? userId + "@example.com"}}","name":"{{name}}",
         "emailVerified":true,"isAnonymous":false,"isActive":true,"roles":["user"],"organizationId":"org_default"}{{(version is null ? "" : string.Create(CultureInfo.InvariantCulture, $",\"version\":{version}"))}}}
        """;

    public async Task PublishAsync(string json) => await JetStream.PublishAsync("user.sync", Encoding.UTF8.GetBytes(json));

    /// <summary>In one batch: they gather while another event waits for a lock.</summary>
    public async Task PublishTogetherAsync(params string[] events)
    {
        await using (var blocker = await Target.Source.OpenConnectionAsync())
        {
            await using var transaction = await blocker.BeginTransactionAsync();
            await new NpgsqlCommand("LOCK TABLE users IN ACCESS EXCLUSIVE MODE", blocker, transaction).ExecuteNonQueryAsync();
            await PublishAsync(Event("blocked", version: 1));
            await BlockedAsync();
            foreach (var json in events)
                await PublishAsync(json);
            await Eventually.TrueAsync(async () => await JetStream.FindConsumerAsync("identity-changes", "user-sync") is { NumPending: 0 });
            await transaction.CommitAsync();
        }
        await SettledAsync();
    }

    /// <summary>Each in a batch of its own.</summary>
    public async Task PublishApartAsync(params string[] events)
    {
        foreach (var json in events)
        {
            await PublishAsync(json);
            await SettledAsync();
        }
    }

    /// <summary>Until a statement waits for a lock.</summary>
    public Task BlockedAsync() => Eventually.TrueAsync(async () =>
        await Target.ScalarAsync<long>("SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE NOT granted AND datname = current_database()") > 0);

    /// <summary>Until everything published so far is acknowledged.</summary>
    public Task SettledAsync() => Eventually.TrueAsync(async () =>
        await JetStream.FindConsumerAsync("identity-changes", "user-sync") is { NumPending: 0, NumAckPending: 0 });

    public Task<List<User>> UsersAsync() => Target.QueryAsync<User>("SELECT auth_id, email, name, is_active, roles, organization_id, version, deleted_at FROM users ORDER BY auth_id");

    public async Task<User> UserAsync(string userId) => Assert.Single(await UsersAsync(), u => u.Auth_Id == userId);

    /// <summary>Every parked event: its sequence, its state, and why it was closed.</summary>
    public Task<List<string>> ParkedAsync() =>
        Target.QueryAsync<string>("SELECT concat_ws(' ', sequence, state, resolution) FROM watchword.parked_event ORDER BY sequence");

    /// <summary>Until nothing is parked any more, apart from dead letters that hold nobody back.</summary>
    public Task NothingWaitsAsync() => Eventually.TrueAsync(async () =>
        await Target.ScalarAsync<long>("SELECT count(*) FROM watchword.parked_event WHERE resolved_at IS NULL AND NOT (state = 'failed' AND queue LIKE U&'\\001F%')") == 0);

    public async ValueTask DisposeAsync()
    {
        await Worker.StopAsync(default);
        Worker.Dispose();
        await JetStream.DisposeAsync();
        await Target.DisposeAsync();
    }
}
