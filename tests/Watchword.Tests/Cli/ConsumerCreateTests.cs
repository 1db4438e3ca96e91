using Watchword.Tests.Events.Replay;

namespace Watchword.Tests.Cli;

/// <summary><c>consumer create</c> as an operator types it. What it makes is tested in <c>Deploy</c>.</summary>
public class ConsumerCreateTests(NatsFixture nats)
{
    [Theory]
    [InlineData(1, "There is no stream nowhere; ./run stream status shows those that there are.", "c", "--stream", "nowhere")]
    [InlineData(1, "'a.b' cannot be a consumer's name", "a.b")]
    [InlineData(1, "--filter is 'auth.*.registered', which stream auth-events does not take: it takes auth.user.*.", "c", "--filter", "auth.*.registered")]
    [InlineData(1, "--filter is 'nothing.at.all', which stream dead-letters does not take: it takes dlq.*.", "c", "--stream", "dead-letters", "--filter", "nothing.at.all")]
    [InlineData(1, "--filter is 'auth.user.registred', which no stream knows: choose from auth.user.logged_in, auth.user.logged_out, auth.user.registered, auth.user.token_refreshed.", "c", "--filter", "auth.user.registred")]
    [InlineData(1, "--filter is 'auth..x': it has an empty token between its dots.", "c", "--filter", "auth..x")]
    [InlineData(2, "--filter is empty: give one, or leave it out.", "c", "--filter", "")]
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
}
