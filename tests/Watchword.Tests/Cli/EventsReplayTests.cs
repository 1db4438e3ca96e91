using System.Text.Json;
using Watchword.Tests.Events.Replay;

namespace Watchword.Tests.Cli;

/// <summary><c>events replay</c> as an operator types it.</summary>
public class EventsReplayTests(NatsFixture nats)
{
    [Fact]
    public async Task To_a_file_a_pipe_and_a_subject()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();
        await world.JetStream.CreateStreamAsync(new() { Name = "copies", Subjects = ["replay.>"] });

        var file = await RunAsync(world, "--since", "2026-03-01T13:00:00Z", "--until", "2026-03-01T15:00Z", "--to-file", world.File);
        var pipe = await RunAsync(world, "--user", "ada", "--from-sequence", "2", "--to-file", "-");
        var subject = await RunAsync(world, "--type", "auth.user.logged_in", "--to-subject", "replay.>");

        Assert.Equal((0, ""), (file.ExitCode, file.Errors));
        Assert.StartsWith($"Replayed 3 events (3 from the stream, 0 from the outbox), sequences 2 to 4, to {world.File}, in ", file.Output, StringComparison.Ordinal);
        Assert.Equal(3, (await File.ReadAllLinesAsync(world.File)).Length);
        Assert.Equal(0, pipe.ExitCode);
        Assert.Equal([3, 5], pipe.Lines.Select(l => JsonDocument.Parse(l).RootElement.GetProperty("sequence").GetInt32()));
        Assert.StartsWith("Replayed 2 events", pipe.Errors, StringComparison.Ordinal);
        Assert.Contains("to replay.>, stored by copies", subject.Output, StringComparison.Ordinal);
        Assert.Equal(2, (await world.JetStream.FindStreamAsync("copies"))!.State.Messages);
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

    [Fact]
    public async Task One_event_is_not_several()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();

        Assert.Equal("Would replay 1 event (1 from the stream, 0 from the outbox), sequences 6 to 6.\n", (await RunAsync(world, "--from-sequence", "6", "--dry-run")).Output);
    }

    [Theory]
    [InlineData(1, "--from-sequence is 3, which is after the last sequence, 1: swap them", "--from-sequence", "3", "--to-sequence", "1", "--dry-run")]
    [InlineData(1, "--since is later than the end of the time range: swap them", "--since", "1m", "--until", "10m", "--dry-run")]
    [InlineData(1, "--to-sequence is 0: sequences begin at 1", "--to-sequence", "0", "--dry-run")]
    [InlineData(1, "--to-subject is 'auth.user.x', which belongs to stream auth-events: its readers would take the replay for new events. Choose another subject, such as replay.>, or give --force\n", "--to-subject", "auth.user.x")]
    [InlineData(1, "There is nothing to replay: stream auth-events has no event of user nobody", "--user", "nobody", "--to-file", "-")]
    [InlineData(1, "--to-file is '/nowhere/at/all', but its folder does not exist", "--to-file", "/nowhere/at/all")]
    [InlineData(1, "--to-file is empty", "--to-file", "")]
    [InlineData(2, "Give either --to-file or --to-subject, or --dry-run.", "--from-sequence", "1")]
    [InlineData(2, "Required argument missing for option: '--to-file'", "--to-file")]
    [InlineData(2, "Required argument missing for option: '--to-subject'", "--to-subject")]
    [InlineData(2, "'--to-file' expects a single argument but 2 were provided", "--to-file", "a", "--to-file", "b")]
    [InlineData(2, "--user is empty: give one, or leave it out.", "--user", "", "--dry-run")]
    [InlineData(2, "--type is empty: give one, or leave it out.", "--type", "", "--dry-run")]
    [InlineData(2, "--to-subject is empty", "--to-subject", "")]
    [InlineData(2, "--since is 'yesterday': expected a time such as", "--since", "yesterday", "--dry-run")]
    [InlineData(2, "--since is '2026': expected a time such as", "--since", "2026", "--dry-run")]
    [InlineData(2, "--until is '03/04/2026': expected a time such as", "--until", "03/04/2026", "--dry-run")]
    [InlineData(2, "--from-sequence is 'twelve': expected a whole number from 0 to", "--from-sequence", "twelve", "--dry-run")]
    [InlineData(2, "--to-sequence is '99999999999999999999': expected a whole number", "--to-sequence", "99999999999999999999", "--dry-run")]
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

    [Fact]
    public async Task It_ends_quietly_when_nobody_reads_on()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        for (var i = 0; i < 2_000; i++)
            await world.PublishAsync("auth.user.registered", $"u{i}", ReplayWorld.Noon, $"id-{i}");

        var replay = await HeadAsync("events replay --stream auth-events --to-file -");
        var tail = await HeadAsync("events tail --all");

        Assert.Equal(("141", "141"), (replay, tail));

        async Task<string> HeadAsync(string command)
        {
            using var shell = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("bash",
                ["-c", $"dotnet '{Path.Combine(AppContext.BaseDirectory, "Watchword.Server.dll")}' {command} 2>&1 | head -1 | cut -c1-1; echo ${{PIPESTATUS[0]}}"])
            {
                UseShellExecute = false,
                RedirectStandardOutput = true,
                Environment = { ["NATS_URL"] = world.Account.Url, ["WATCHWORD_DATA"] = "/nonexistent" },
            })!;
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            var output = shell.StandardOutput.ReadToEndAsync(patience.Token);
            try
            {
                return (await output).Split('\n', StringSplitOptions.RemoveEmptyEntries)[1];
            }
            finally
            {
                shell.Kill(entireProcessTree: true);
            }
        }
    }

    [Fact]
    public async Task What_else_is_written_to_the_same_file_is_not_overwritten()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();
        using var shell = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("bash",
            ["-c", $"(echo before; dotnet '{Path.Combine(AppContext.BaseDirectory, "Watchword.Server.dll")}' events replay --stream auth-events --to-file - 2>/dev/null; echo after) > '{world.File}'"])
        {
            UseShellExecute = false,
            Environment = { ["NATS_URL"] = world.Account.Url, ["WATCHWORD_DATA"] = "/nonexistent" },
        })!;
        await shell.WaitForExitAsync();

        var lines = await File.ReadAllLinesAsync(world.File);
        Assert.Equal((8, "before", "after"), (lines.Length, lines[0], lines[^1]));
    }

    [Fact]
    public async Task The_outbox_of_one_server_does_not_fill_up_the_streams_of_another()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();
        await world.JetStream.PurgeStreamAsync("auth-events", before: 3);
        await WriteEndpointsAsync("nats://127.0.0.1:1");
        var other = await RunAsync(world, "--data", world.Folder, "--dry-run");
        await WriteEndpointsAsync(new Uri(world.Account.Url).Authority is var place ? $"nats://{place}" : "");
        var own = await RunAsync(world, "--data", world.Folder, "--dry-run");
        await File.WriteAllTextAsync(Path.Combine(world.Folder, "endpoints.json"), "{");
        var broken = await RunAsync(world, "--data", world.Folder, "--dry-run");

        Assert.Contains("older events are only in the outbox (DATABASE_URL)", other.Errors, StringComparison.Ordinal);
        Assert.Contains("127.0.0.1:2", own.Errors, StringComparison.Ordinal);   // its database was asked
        Assert.Equal((1, 1), (broken.ExitCode, broken.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length));
        Assert.Contains("endpoints.json is damaged", broken.Errors, StringComparison.Ordinal);

        Task WriteEndpointsAsync(string url) => File.WriteAllTextAsync(Path.Combine(world.Folder, "endpoints.json"), JsonSerializer.Serialize(new
        {
            http = "http://127.0.0.1:1",
            nats = url,
            database = "postgres://u@127.0.0.1:2/d",
            targetDatabase = "postgres://u@127.0.0.1:2/t",
            natsPid = (int?)null,
            postgresPid = (int?)null,
        }));
    }

    [Theory]
    [InlineData("--stream is empty: give one.", "events", "replay", "--dry-run", "--stream", "")]
    [InlineData("--stream is empty: give one, or leave it out.", "consumer", "create", "email-service", "--stream", "")]
    [InlineData("--filter is empty", "consumer", "create", "email-service", "--filter", "")]
    [InlineData("--database-url is empty", "audit", "verify", "--database-url", "")]
    [InlineData("--head is empty", "audit", "verify", "--head", "")]
    [InlineData("Required argument missing for option: '--since'", "events", "catalogue", "--since")]
    public async Task An_option_without_its_value_is_refused_before_anything_is_asked(string words, params string[] arguments)
    {
        var run = await CommandRun.RunAsync([], arguments);

        Assert.Equal((2, ""), (run.ExitCode, run.Output));
        Assert.Contains(words, run.Errors, StringComparison.Ordinal);
        Assert.Single(run.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Theory]
    [InlineData("events", "tail")]
    [InlineData("events", "replay")]
    [InlineData("stream", "status")]
    [InlineData("consumer", "status")]
    [InlineData("consumer", "create")]
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
