using Watchword.Tests.Events.Replay;

namespace Watchword.Tests.Cli;

/// <summary><c>consumer create</c> as an operator types it. What it makes is tested in <c>Deploy</c>.</summary>
public class ConsumerCreateTests(NatsFixture nats)
{
    [Theory]
    [InlineData(1, "There is no stream nowhere; ./run stream status lists the streams.", "c", "--stream", "nowhere")]
    [InlineData(1, "'a.b' cannot be a consumer's name", "a.b")]
    [InlineData(1, "--filter is 'auth.*.registered', which stream auth-events does not take: it takes auth.user.*.", "c", "--filter", "auth.*.registered")]
    [InlineData(1, "--filter is 'nothing.at.all', which stream dead-letters does not take: it takes dlq.*.", "c", "--stream", "dead-letters", "--filter", "nothing.at.all")]
    [InlineData(1, "--filter is 'auth.user.registred', which no stream has: choose from auth.user.locked_out, auth.user.logged_in, auth.user.logged_out, auth.user.login_failed, auth.user.registered, auth.user.token_refreshed.", "c", "--filter", "auth.user.registred")]
    [InlineData(1, "--filter is 'auth..x': it has an empty token between its dots.", "c", "--filter", "auth..x")]
    [InlineData(2, "--filter is empty: give one, or leave it out.", "c", "--filter", "")]
    [InlineData(1, "--from-sequence is 3, but stream auth-events ends at 0: use --from-now", "c", "--from-sequence", "3")]
    [InlineData(2, "--from-sequence is '0': expected a whole number from 1", "c", "--from-sequence", "0")]
    [InlineData(1, "--since is 2999-01-01T00:00:00.0000000+00:00, which is in the future", "c", "--since", "2999-01-01")]
    [InlineData(2, "Give only one of --from-now, --from-sequence and --since", "c", "--from-now", "--since", "1h")]
    public async Task A_fault_is_one_line_and_nothing_is_made(int exitCode, string words, params string[] arguments)
    {
        await using var world = await ReplayWorld.CreateAsync(nats);

        var run = await CommandRun.RunAsync([("NATS_URL", world.Account.Url)], ["consumer", "create", .. arguments]);

        Assert.Equal((exitCode, ""), (run.ExitCode, run.Output));
        Assert.Contains(words, run.Errors, StringComparison.Ordinal);
        Assert.Single(run.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Null(await world.JetStream.FindConsumerAsync("auth-events", "c", TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("auth-events", "auth.user.registered")]
    [InlineData("auth-events", "auth.user.>")]
    [InlineData("dead-letters", "dlq.nobody-yet")]
    [InlineData("identity-changes", "user.sync")]
    public async Task A_filter_of_what_may_come_is_taken(string stream, string filter)
    {
        await using var world = await ReplayWorld.CreateAsync(nats);

        var run = await CommandRun.RunAsync([("NATS_URL", world.Account.Url)], "consumer", "create", "c", "--stream", stream, "--filter", filter);

        Assert.Equal((0, "", $"Consumer c of {stream} was made; 0 events wait for it.\n"), (run.ExitCode, run.Errors, run.Output));
        Assert.Equal(filter, (await world.JetStream.FindConsumerAsync(stream, "c", TestContext.Current.CancellationToken))!.Config.FilterSubject);
    }

    [Fact]
    public async Task It_begins_at_a_sequence_or_a_time()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();
        var times = new List<DateTimeOffset>();
        for (ulong sequence = 1; sequence <= 6; sequence++)
            times.Add((await world.JetStream.GetMessageAsync("auth-events", sequence))!.StoredAt);
        var since = times[4];   // to the millisecond, which others may share
        var byTime = await CreateAsync("time", "--since", $"{since.UtcDateTime:yyyy-MM-ddTHH:mm:ss.fffffffZ}");
        await world.JetStream.PurgeStreamAsync("auth-events", before: 3);

        var older = await CreateAsync("older", "--from-sequence", "2");
        var bySequence = await CreateAsync("sequence", "--from-sequence", "4");
        var fromNow = await CreateAsync("now", "--from-now");

        Assert.StartsWith("--from-sequence is 2, but stream auth-events begins at 3.", older.Errors, StringComparison.Ordinal);
        Assert.Equal("Consumer sequence of auth-events was made; 3 events wait for it.\n", bySequence.Output);
        Assert.Equal($"Consumer time of auth-events was made; {times.Count(t => t >= since)} events wait for it.\n", byTime.Output);
        Assert.Equal("Consumer now of auth-events was made; 0 events wait for it.\n", fromNow.Output);

        Task<CommandRun> CreateAsync(params string[] arguments) => CommandRun.RunAsync([("NATS_URL", world.Account.Url)], ["consumer", "create", .. arguments]);
    }
}
