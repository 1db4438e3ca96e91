using System.Text.Json;
using Watchword.Tests.Events.Replay;

namespace Watchword.Tests.Cli;

/// <summary><c>events replay</c> as an operator types it.</summary>
public class EventsReplayTests(NatsFixture nats)
{
    [Fact]
    public async Task To_a_file_a_pipe_a_subject_and_a_consumer()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();
        await world.JetStream.CreateStreamAsync(new() { Name = "copies", Subjects = ["replay.>"] });

        var file = await RunAsync(world, "--since", "2026-03-01T13:00:00Z", "--until", "2026-03-01T15:00Z", "--to-file", world.File);
        var pipe = await RunAsync(world, "--user", "ada", "--from-sequence", "2", "--to-file", "-");
        var subject = await RunAsync(world, "--type", "auth.user.logged_in", "--to-subject", "replay.>");
        var consumer = await RunAsync(world, "--from-sequence", "4", "--to-consumer", "rebuild");

        Assert.Equal((0, ""), (file.ExitCode, file.Errors));
        Assert.StartsWith($"Replayed 3 events (3 from the stream, 0 from the outbox), sequences 2 to 4, to {world.File}, in ", file.Output, StringComparison.Ordinal);
        Assert.Equal(3, (await File.ReadAllLinesAsync(world.File)).Length);
        Assert.Equal(0, pipe.ExitCode);
        Assert.Equal([3, 5], pipe.Lines.Select(l => JsonDocument.Parse(l).RootElement.GetProperty("sequence").GetInt32()));
        Assert.StartsWith("Replayed 2 events", pipe.Errors, StringComparison.Ordinal);
        Assert.Contains("to replay.>, stored by copies", subject.Output, StringComparison.Ordinal);
        Assert.Equal(2UL, (await world.JetStream.FindStreamAsync("copies"))!.State.Messages);
        Assert.StartsWith("Consumer rebuild of auth-events begins at sequence 4: 3 events wait in it", consumer.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_dry_run_counts_and_does_nothing()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();

        var run = await RunAsync(world, "--user", "bob", "--to-file", world.File, "--dry-run");

        Assert.Equal((0, "Would replay 3 events (3 from the stream, 0 from the outbox), sequences 2 to 6.\n"), (run.ExitCode, run.Output));
        Assert.False(File.Exists(world.File));
    }

    [Theory]
    [InlineData(1, "--to-sequence is 0: sequences begin at 1", "--to-sequence", "0", "--dry-run")]
    [InlineData(1, "--to-subject is 'auth.user.x', which belongs to stream auth-events", "--to-subject", "auth.user.x")]
    [InlineData(1, "There is nothing to replay: stream auth-events has no event of user nobody", "--user", "nobody", "--to-file", "-")]
    [InlineData(1, "/nowhere/at/all", "--to-file", "/nowhere/at/all")]
    [InlineData(2, "Give one of --to-file, --to-subject and --to-consumer, or --dry-run.", "--from-sequence", "1")]
    [InlineData(2, "Give one of", "--to-file", "-", "--to-consumer", "c")]
    [InlineData(2, "--since is 'yesterday': expected a time such as", "--since", "yesterday", "--dry-run")]
    [InlineData(2, "twelve", "--from-sequence", "twelve", "--dry-run")]
    public async Task A_fault_is_one_line_and_its_own_exit_code(int exitCode, string words, params string[] arguments)
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();

        var run = await RunAsync(world, arguments);

        Assert.Equal((exitCode, ""), (run.ExitCode, run.Output));
        Assert.Contains(words, run.Errors, StringComparison.Ordinal);
        Assert.Single(run.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Theory]
    [InlineData(1, "start one with ./run, or name a NATS server with --nats-url or NATS_URL", null)]
    [InlineData(78, "NATS_URL: ", "http://bus:4222")]
    [InlineData(1, "127.0.0.1:1", "nats://127.0.0.1:1")]
    public async Task Where_there_is_no_nats_it_says_so(int exitCode, string words, string? url)
    {
        var run = await CommandRun.RunAsync(url is null ? [] : [("NATS_URL", url)], "events", "replay", "--stream", "auth-events", "--dry-run");

        Assert.Equal(exitCode, run.ExitCode);
        Assert.Contains(words, run.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("events", "tail")]
    [InlineData("events", "replay")]
    [InlineData("stream", "status")]
    [InlineData("consumer", "status")]
    public async Task Help_shows_examples(params string[] verb)
    {
        var run = await CommandRun.RunAsync([], [.. verb, "--help"]);

        Assert.Equal(0, run.ExitCode);
        Assert.Contains($"./run {string.Join(' ', verb)} ", run.Output, StringComparison.Ordinal);
        Assert.Contains("--nats-url", run.Output, StringComparison.Ordinal);
    }

    private static Task<CommandRun> RunAsync(ReplayWorld world, params string[] arguments) =>
        CommandRun.RunAsync([("NATS_URL", world.Account.Url)], ["events", "replay", "--stream", "auth-events", .. arguments]);
}
