using System.Text.Json;

namespace Watchword.Tests.Cli;

/// <summary><c>dlq</c> as an operator types it, on the dead letters of a subscriber.</summary>
public class DeadLetterCommandTests(ServerFixture fixture)
{
    private Task<CommandRun> RunAsync(params string[] arguments) =>
        CommandRun.RunAsync([("TARGET_DATABASE_URL", fixture.Target.ConnectionString)], ["dlq", .. arguments]);

    [Fact]
    public async Task A_list_as_json_has_what_programs_are_promised_and_nothing_more()
    {
        await using var user = await RefusedUser.CreateAsync(fixture);

        var run = await RunAsync("list", "--consumer", user.Consumer, "--key", user.Key, "--json");

        Assert.Equal((0, ""), (run.ExitCode, run.Errors));
        var letter = Assert.Single(JsonDocument.Parse(run.Output).RootElement.EnumerateArray());
        Assert.Equal(["id", "consumer", "subject", "key", "reason", "attempts", "sequence", "at", "waiting"], letter.EnumerateObject().Select(p => p.Name));
        Assert.Equal((user.Consumer, "user.sync", user.Key, 2), (letter.GetProperty("consumer").GetString(), letter.GetProperty("subject").GetString(), letter.GetProperty("key").GetString(), letter.GetProperty("waiting").GetInt32()));
        Assert.Contains(user.Key, letter.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Equal("[]\n", (await RunAsync("list", "--consumer", "nobody", "--json")).Output);
        Assert.Equal("There are no dead letters of key nobody.\n", (await RunAsync("list", "--key", "nobody")).Output);
        Assert.Equal("There are no dead letters of consumer user-snyc of key nobody.\n", (await RunAsync("list", "--consumer", "user-snyc", "--key", "nobody")).Output);
    }

    [Fact]
    public async Task A_list_says_when_there_are_more_than_it_shows()
    {
        await using var one = await RefusedUser.CreateAsync(fixture);
        await using var other = await RefusedUser.CreateAsync(fixture);

        var run = await RunAsync("list", "--limit", "1");
        Assert.Equal(0, run.ExitCode);
        Assert.Matches("^These are the oldest 1 of [0-9,]+; --limit shows more, --json all of them.$", run.Lines[^1]);
        Assert.Single(JsonDocument.Parse((await RunAsync("list", "--limit", "1", "--json")).Output).RootElement.EnumerateArray());
        Assert.True(JsonDocument.Parse((await RunAsync("list", "--json")).Output).RootElement.GetArrayLength() >= 2);
        Assert.DoesNotContain("These are the oldest", (await RunAsync("list")).Output, StringComparison.Ordinal);
        Assert.Equal((2, "--limit is '0': expected a whole number from 1 to 9223372036854775807."), (await RunAsync("list", "--limit", "0")) is var refused ? (refused.ExitCode, refused.Errors.Split('\n')[0]) : default);
    }

    [Fact]
    public async Task A_redrive_tells_what_it_would_do_what_failed_and_what_went_through()
    {
        await using var user = await RefusedUser.CreateAsync(fixture);
        string[] which = ["redrive", "--consumer", user.Consumer, "--key", user.Key];

        var dry = await RunAsync([.. which, "--dry-run"]);
        Assert.Equal(0, dry.ExitCode);
        Assert.Equal((2, "3 events would be handled, each key's in this order. Nothing was done."), (dry.Lines.Count(l => l.StartsWith("  then  ", StringComparison.Ordinal)), dry.Lines[^1]));
        Assert.Empty(await user.ActionsAsync());

        var refused = await RunAsync(which);
        Assert.Equal((1, "Not everything could be handled; see the reasons above.\n"), (refused.ExitCode, refused.Errors));
        Assert.StartsWith($"{user.Consumer}, {user.Key}: 0 handled, then it failed again, with 2 behind it: the mailer refuses", refused.Output, StringComparison.Ordinal);

        user.Heal();
        var done = await RunAsync(which);
        Assert.Equal((0, $"{user.Consumer}, {user.Key}: 3 handled, in order; nothing waits any more.\n"), (done.ExitCode, done.Output));
        Assert.Equal("n3", user.Name);
        Assert.Equal([$"{Environment.UserName} redrive ", $"{Environment.UserName} redrive "], await user.ActionsAsync());

        var again = await RunAsync(which);
        Assert.Equal((1, ""), (again.ExitCode, again.Output));
        Assert.Matches($"^dead letter {user.Letter.Id} was redriven already, at .* UTC by {Environment.UserName}\n$", again.Errors);
        Assert.StartsWith($"dead letter {user.Letter.Id} was redriven already", (await RunAsync("redrive", $"{user.Letter.Id}")).Errors, StringComparison.Ordinal);
        Assert.StartsWith("redriven, ", (await RunAsync("show", $"{user.Letter.Id}")).Lines[1]["state".PadRight(10).Length..], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_discard_wants_a_reason_keeps_it_and_lets_the_rest_go_on()
    {
        await using var user = await RefusedUser.CreateAsync(fixture);
        user.Heal();

        Assert.Equal(2, (await RunAsync("discard", $"{user.Letter.Id}")).ExitCode);
        var blank = await RunAsync("discard", $"{user.Letter.Id}", "--reason", " ");
        Assert.Equal(1, blank.ExitCode);
        Assert.StartsWith("reason is missing", blank.Errors, StringComparison.Ordinal);
        Assert.Empty(await user.ActionsAsync());

        var done = await RunAsync("discard", $"{user.Letter.Id}", "--reason", "a test account");
        Assert.Equal((0, $"Dead letter {user.Letter.Id} was discarded. What waits behind it is handled as soon as its consumer runs.\n"), (done.ExitCode, done.Output));
        await Eventually.TrueAsync(() => user.Name == "n3");
        Assert.Equal([$"{Environment.UserName} discard a test account"], await user.ActionsAsync());
        var again = await RunAsync("discard", $"{user.Letter.Id}", "--reason", "once more");
        Assert.Equal(1, again.ExitCode);
        Assert.EndsWith(": a test account\n", again.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_only_waits_cannot_be_given_up()
    {
        await using var user = await RefusedUser.CreateAsync(fixture);
        var waiting = (await user.Letters.FindAsync(user.Letter.Id))!.Behind[0].Id;

        var run = await RunAsync("discard", $"{waiting}", "--reason", "why not");

        Assert.Equal((1, $"event {waiting} is not a dead letter: it only waits behind one of its key\n"), (run.ExitCode, run.Errors));
        Assert.Equal("waiting", (await user.Letters.FindAsync(waiting))!.State);
        Assert.Empty(await user.ActionsAsync());
    }

    [Fact]
    public async Task A_preview_says_no_where_a_redrive_would()
    {
        await using var user = await RefusedUser.CreateAsync(fixture);
        Assert.Equal(0, (await RunAsync("discard", $"{user.Letter.Id}", "--reason", "a test account")).ExitCode);

        var dry = await RunAsync("redrive", $"{user.Letter.Id}", "--dry-run");
        var real = await RunAsync("redrive", $"{user.Letter.Id}");

        Assert.Equal((1, ""), (dry.ExitCode, dry.Output));
        Assert.Contains(": a test account", dry.Errors, StringComparison.Ordinal);
        Assert.Equal(real, dry);
    }

    [Theory]
    [InlineData(1, "consumer user-sync has no dead letters of nobody", "redrive", "--consumer", "user-sync", "--key", "nobody")]
    [InlineData(1, "consumer nobody has no dead letters", "redrive", "--consumer", "nobody")]
    [InlineData(1, "consumer nobody has no dead letters", "redrive", "--consumer", "nobody", "--dry-run")]
    [InlineData(1, "there is no dead letter 999999999", "redrive", "999999999")]
    [InlineData(1, "there is no dead letter 999999999", "show", "999999999")]
    [InlineData(1, "there is no dead letter 999999999", "discard", "999999999", "--reason", "why not")]
    [InlineData(2, "id is 'seven': expected a whole number", "show", "seven")]
    [InlineData(2, "Give the id of a dead letter, or --consumer", "redrive")]
    [InlineData(2, "Give the id of a dead letter, or --consumer", "redrive", "7", "--consumer", "user-sync")]
    [InlineData(2, "id is 'seven': expected a whole number", "redrive", "seven")]
    [InlineData(2, "id is '': expected a whole number", "redrive", "")]
    [InlineData(2, "Required argument missing for option: '--consumer'", "redrive", "--consumer")]
    [InlineData(2, "Required argument missing for option: '--key'", "redrive", "7", "--key")]
    [InlineData(2, "--key needs --consumer", "redrive", "7", "--key", "ada")]
    [InlineData(2, "'--consumer' expects a single argument but 2 were provided", "redrive", "--consumer", "a", "--consumer", "a")]
    [InlineData(2, "--consumer is empty: give one, or leave it out.", "list", "--consumer", "")]
    [InlineData(2, "--key is empty: give one, or leave it out.", "list", "--key", " ")]
    [InlineData(2, "--consumer is empty", "redrive", "--consumer", "")]
    [InlineData(2, "--key is empty", "redrive", "--consumer", "user-sync", "--key", "")]
    public async Task A_fault_is_one_line_and_its_own_exit_code(int exitCode, string words, params string[] arguments)
    {
        await fixture.StartedAsync();

        var run = await RunAsync(arguments);

        Assert.Equal(exitCode, run.ExitCode);
        Assert.Contains(words, run.Errors, StringComparison.Ordinal);
        Assert.Single(run.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
