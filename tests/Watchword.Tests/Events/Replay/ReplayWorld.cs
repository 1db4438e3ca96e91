using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Outbox;
using Watchword.Events.Replay;

namespace Watchword.Tests.Events.Replay;

/// <summary>A NATS account of a test's own with the three streams, and what a replay needs beside it.</summary>
internal sealed class ReplayWorld : IAsyncDisposable
{
    public static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private ReplayWorld(NatsAccount account, JetStreamClient jetStream) => (Account, JetStream) = (account, jetStream);

    public NatsAccount Account { get; }
    public JetStreamClient JetStream { get; }
    public string Folder { get; } = Directory.CreateTempSubdirectory("watchword-replay-").FullName;
    public string File => Path.Combine(Folder, "events.ndjson");

    public static async Task<ReplayWorld> CreateAsync(NatsFixture nats)
    {
        var account = nats.TakeAccount();
        var world = new ReplayWorld(account, await account.ConnectAsync());
        await StreamSetup.EnsureAsync(world.JetStream, Streams.All, NullLogger.Instance);
        return world;
    }

    /// <summary>
    /// Six events in stream <c>auth-events</c>, an hour apart from noon on: ada registers, bob registers, ada logs in,
    /// bob logs in, ada logs out, bob logs out.
    /// </summary>
    public async Task FillAsync()
    {
        string[] actions = ["registered", "registered", "logged_in", "logged_in", "logged_out", "logged_out"];
        for (var i = 0; i < actions.Length; i++)
            await PublishAsync("auth.user." + actions[i], i % 2 == 0 ? "ada" : "bob", Noon.AddHours(i), $"id-{i + 1}");
    }

    public async Task PublishAsync(string subject, string user, DateTimeOffset at, string id) => await JetStream.PublishAsync(subject,
        Encoding.UTF8.GetBytes($$$"""{"subject":"{{{subject}}}","data":{"userId":"{{{user}}}"}}"""), new()
        {
            { "Nats-Msg-Id", id }, { "ce-id", id }, { "ce-subject", user }, { "ce-time", at.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", System.Globalization.CultureInfo.InvariantCulture) },
        });

    public EventReplay Replay(TestDatabase? database = null) => new(JetStream, database?.Source);

    /// <summary>What a replay to a file writes, line by line.</summary>
    public async Task<List<JsonElement>> LinesAsync(ReplayFilter filter, TestDatabase? database = null)
    {
        var replay = Replay(database);
        var result = await replay.ToFileAsync(await replay.PlanAsync(filter), File);
        var lines = (await System.IO.File.ReadAllLinesAsync(File)).Select(l => JsonDocument.Parse(l).RootElement).ToList();
        Assert.Equal(lines.Count, result.Events);
        return lines;
    }

    public async Task<ReplayRefusedException> RefusedAsync(ReplayFilter filter, TestDatabase? database = null)
    {
        var refusal = await Assert.ThrowsAsync<ReplayRefusedException>(() => LinesAsync(filter, database));
        Assert.Empty(Directory.GetFiles(Folder));
        return refusal;
    }

    public async ValueTask DisposeAsync()
    {
        await JetStream.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }
}
