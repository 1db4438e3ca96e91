using System.Text;
using System.Text.Json;
using Watchword.Events.Replay;

namespace Watchword.Tests.Events.Replay;

/// <summary>What a replay chooses, and how it writes it down.</summary>
public class ReplayFileTests(NatsFixture nats)
{
    private static readonly DateTimeOffset Noon = ReplayWorld.Noon;

    public static TheoryData<ulong?, ulong?, int?, int?, string?, string?, string> Choices { get; } = new()
    {
        { null, null, null, null, null, null, "123456" },
        { 3, null, null, null, null, null, "3456" },
        { null, 2, null, null, null, null, "12" },
        { 2, 4, null, null, null, null, "234" },
        { 6, 6, null, null, null, null, "6" },
        { 5, 99, null, null, null, null, "56" },
        { null, null, 2, null, null, null, "3456" },
        { null, null, null, 2, null, null, "123" },
        { null, null, 1, 3, null, null, "234" },
        { null, null, null, null, "ada", null, "135" },
        { null, null, null, null, null, "auth.user.logged_in", "34" },
        { null, null, null, null, null, "auth.user.*", "123456" },
        { 2, 5, null, null, "bob", null, "24" },
        { 2, null, 1, 4, "ada", "auth.user.logged_out", "5" },
    };

    [Theory]
    [MemberData(nameof(Choices))]
    public async Task It_chooses_by_sequence_time_user_and_type_together(ulong? from, ulong? to, int? sinceHour, int? untilHour, string? user, string? type, string expected)
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();

        var lines = await world.LinesAsync(new("auth-events")
        {
            FromSequence = from,
            ToSequence = to,
            Since = sinceHour is { } s ? Noon.AddHours(s) : null,
            Until = untilHour is { } u ? Noon.AddHours(u) : null,
            User = user,
            Type = type,
        });

        Assert.Equal(expected, string.Concat(lines.Select(l => l.GetProperty("sequence").GetInt32())));
    }

    [Fact]
    public async Task A_line_holds_all_that_is_known_of_an_event()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();

        var line = (await world.LinesAsync(new("auth-events") { FromSequence = 3, ToSequence = 3 })).Single();

        Assert.Equal("""
            {"stream":"auth-events","sequence":3,"subject":"auth.user.logged_in","id":"id-3","key":"ada","time":"2026-03-01T14:00:00Z","headers":{"Nats-Msg-Id":"id-3","ce-id":"id-3","ce-subject":"ada","ce-time":"2026-03-01T14:00:00.000Z"},"event":{"subject":"auth.user.logged_in","data":{"userId":"ada"}}}
            """, line.GetRawText());
        Assert.Equal([world.File], Directory.GetFiles(world.Folder));
    }

    [Fact]
    public async Task What_foreign_publishers_send_keeps_to_one_line_each()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.JetStream.PublishAsync("auth.user.logged_in", "{\r\n  \"data\": {\n \"userId\": \"añ\" }, \"n\": 1.50 }"u8.ToArray(), new() { { "X", new(["one", "two"]) }, { "Y", "y" } });
        await world.JetStream.PublishAsync("auth.user.logged_in", "no JSON\n"u8.ToArray());
        await world.JetStream.PublishAsync("auth.user.logged_in", new byte[] { (byte)'"', 0xff, (byte)'"' });
        await world.JetStream.PublishAsync("auth.user.logged_in", []);
        await world.JetStream.PublishAsync("auth.user.logged_in", "{\n\"cut\":\"\\ud83d\"}"u8.ToArray());   // as JavaScript cuts an emoji in two

        var lines = await world.LinesAsync(new("auth-events"));

        Assert.Equal("""{    "data": {  "userId": "añ" }, "n": 1.50 }""", lines[0].GetProperty("event").GetRawText());
        Assert.Equal("añ", lines[0].GetProperty("key").GetString());
        Assert.Equal(JsonValueKind.Null, lines[0].GetProperty("id").ValueKind);
        Assert.Equal("""{"X":["one","two"],"Y":"y"}""", lines[0].GetProperty("headers").GetRawText());
        Assert.Equal("no JSON\n", Encoding.UTF8.GetString(lines[1].GetProperty("base64").GetBytesFromBase64()));
        Assert.Equal([(byte)'"', 0xff, (byte)'"'], lines[2].GetProperty("base64").GetBytesFromBase64());
        Assert.Equal("", lines[3].GetProperty("base64").GetString());
        Assert.Equal("""{ "cut":"\ud83d"}""", lines[4].GetProperty("event").GetRawText());
        Assert.Equal(5, lines.Count);
    }

    [Fact]
    public async Task A_new_file_is_its_owners_and_an_old_one_keeps_its_rights_and_its_links()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();
        var link = Path.Combine(world.Folder, "link");
        File.CreateSymbolicLink(link, world.File);

        await ToFileAsync(world, world.File);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(world.File));
        File.WriteAllText(world.File, "the old one");
        File.SetUnixFileMode(world.File, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        await ToFileAsync(world, link);

        Assert.Equal(world.File, new FileInfo(link).LinkTarget);
        Assert.Equal(6, File.ReadAllLines(world.File).Length);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, File.GetUnixFileMode(world.File));
        Assert.Equal(2, Directory.GetFileSystemEntries(world.Folder).Length);
    }

    [Fact]
    public async Task A_pipe_and_a_device_are_refused_and_stay_what_they_are()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();
        using var make = System.Diagnostics.Process.Start("mkfifo", world.File);
        await make.WaitForExitAsync();
        var link = Path.Combine(world.Folder, "link");
        File.CreateSymbolicLink(link, "/dev/null");

        foreach (var path in (string[])[world.File, "/dev/null", "/dev/stdout", link])
            Assert.Contains("a pipe or a device: use - and redirect", (await Assert.ThrowsAsync<ReplayRefusedException>(() => ToFileAsync(world, path))).Reason, StringComparison.Ordinal);

        Assert.Equal(["events.ndjson", "link"], Directory.GetFileSystemEntries(world.Folder).Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal));
        Assert.Equal(["/dev/null"], Directory.GetFiles("/dev", "null*"));
        using var pipe = new FileStream(world.File, FileMode.Open, FileAccess.ReadWrite);
        Assert.False(pipe.CanSeek);
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("/", "a folder")]
    [InlineData("/nowhere/at/all", "folder does not exist")]
    public async Task Where_no_file_can_be_it_is_refused_before_anything_is_read(string path, string reason)
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();

        var refusal = await Assert.ThrowsAsync<ReplayRefusedException>(() => ToFileAsync(world, path));

        Assert.Equal("toFile", refusal.Field);
        Assert.Contains(reason, refusal.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_event_without_a_time_of_its_own_has_the_streams()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.JetStream.PublishAsync("auth.user.logged_in", "{}"u8.ToArray());
        var stored = (await world.JetStream.GetMessageAsync("auth-events", 1))!.StoredAt;

        Assert.Single(await world.LinesAsync(new("auth-events") { Since = stored, Until = stored }));
        File.Delete(world.File);
        Assert.Contains("nothing to replay", (await world.RefusedAsync(new("auth-events") { Until = stored.AddTicks(-1) })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_gap_in_the_stream_and_a_deleted_end_are_passed_over()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();
        foreach (var sequence in (ulong[])[1, 3, 6])
            await world.JetStream.DeleteMessageAsync("auth-events", sequence);

        var lines = await world.LinesAsync(new("auth-events") { FromSequence = 2 });

        Assert.Equal([2, 4, 5], lines.Select(l => l.GetProperty("sequence").GetInt32()));
    }

    [Fact]
    public async Task A_replay_that_stops_leaves_no_file_and_spares_the_old_one()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();
        await File.WriteAllTextAsync(world.File, "the old one");
        var replay = world.Replay();
        var plan = await replay.PlanAsync(new("auth-events"));
        using var stop = new CancellationTokenSource();
        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => replay.ToFileAsync(plan, world.File, stop.Token));

        Assert.Equal([world.File], Directory.GetFiles(world.Folder));
        Assert.Equal("the old one", await File.ReadAllTextAsync(world.File));
    }

    private static async Task<ReplayResult> ToFileAsync(ReplayWorld world, string path, CancellationToken ct = default)
    {
        var replay = world.Replay();
        return await replay.ToFileAsync(await replay.PlanAsync(new("auth-events"), ct), path, ct);
    }
}
