using Watchword.Events.Contracts;
using Watchword.Events.Outbox;

namespace Watchword.Tests.Cli;

/// <summary><c>stream create</c>: one of Watchword's own streams, made where it is missing.</summary>
public class StreamCreateTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("auth-events")]
    [InlineData("identity-changes")]
    [InlineData("dead-letters")]
    [InlineData("security-alerts")]
    public async Task Each_of_the_streams_is_made_as_it_should_be_and_found_the_next_time(string name)
    {
        var account = nats.TakeAccount();
        var wanted = Streams.All.Append(Streams.SecurityAlerts).Single(s => s.Name == name);

        var made = await CreateAsync(account, name);
        var again = await CreateAsync(account, name);

        Assert.Equal((0, "", $"Stream {name} was made; it takes {string.Join(", ", wanted.Subjects!)}.\n"), (made.ExitCode, made.Errors, made.Output));
        Assert.Equal((0, "", $"Stream {name} already exists, with these settings.\n"), (again.ExitCode, again.Errors, again.Output));
        await using var connection = await account.ConnectAsync(Ct);
        var stream = (await connection.FindStreamAsync(name, Ct))!;
        Assert.Equal("", StreamSetup.Differences(wanted, stream.Config));
        Assert.Equal((wanted.Description, wanted.DuplicateWindow), (stream.Config.Description, stream.Config.DuplicateWindow));
    }

    [Fact]
    public async Task One_with_other_settings_is_told_of_and_left_as_it_is()
    {
        var account = nats.TakeAccount();
        await using var connection = await account.ConnectAsync(Ct);
        await connection.CreateStreamAsync(Streams.SecurityAlerts with { MaxAge = TimeSpan.FromDays(1) }, Ct);

        var run = await CreateAsync(account, "security-alerts");

        Assert.Equal((1, "", "Stream security-alerts already exists, with other settings: max_age is 1.00:00:00, not 30.00:00:00. It was not changed: change it yourself, or keep it if that is intended.\n"),
            (run.ExitCode, run.Output, run.Errors));
        Assert.Equal(TimeSpan.FromDays(1), (await connection.FindStreamAsync("security-alerts", Ct))!.Config.MaxAge);
    }

    [Theory]
    [InlineData(1, "'security-alert' is not one of Watchword's streams: choose from auth-events, identity-changes, dead-letters, security-alerts.", "security-alert")]
    [InlineData(1, "'' is not one of Watchword's streams", "")]
    [InlineData(2, "Required argument 'name' missing for command: 'create'")]
    public async Task Another_name_is_refused(int exitCode, string words, params string[] arguments)
    {
        var run = await CreateAsync(nats.TakeAccount(), arguments);

        Assert.Equal((exitCode, ""), (run.ExitCode, run.Output));
        Assert.Contains(words, run.Errors, StringComparison.Ordinal);
        Assert.Single(run.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    private static Task<CommandRun> CreateAsync(NatsAccount account, params string[] arguments) => CommandRun.RunAsync([("NATS_URL", account.Url)], ["stream", "create", .. arguments]);
}
