using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Outbox;
using Watchword.Tests.Events.Replay;

namespace Watchword.Tests.Cli;

/// <summary><c>events tail</c>, with its filters and over a restart.</summary>
public class EventsTailTests(NatsFixture nats)
{
    [Fact]
    public async Task Its_filters_choose_together_and_a_pipe_has_no_colours()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();
        await world.PublishAsync("user.sync", "ada", ReplayWorld.Noon, "sync-1");

        var byUser = await TailAsync(world, "--all", "--subject", "*.user.logged_in", "--subject", "auth.*.logged_out", "--user", "bob", "--count", "2");
        var bySubjects = await TailAsync(world, "--all", "--subject", "user.>", "--subject", "auth.user.registered", "--count", "3");
        var byTime = await TailAsync(world, "--since", "2026-03-01T16:30:00Z", "--type", "auth.user.logged_out", "--count", "1", "--json");

        Assert.Equal(
            [
                """15:00:00.000 auth.user.logged_in {"subject":"auth.user.logged_in","data":{"userId":"bob"}}""",
                """17:00:00.000 auth.user.logged_out {"subject":"auth.user.logged_out","data":{"userId":"bob"}}""",
            ], byUser.Lines);
        Assert.Equal(3, bySubjects.Lines.Length);
        Assert.Single(bySubjects.Lines, l => l.Contains(" user.sync {", StringComparison.Ordinal));
        var line = JsonDocument.Parse(Assert.Single(byTime.Lines)).RootElement;
        Assert.Equal(("auth-events", 6), (line.GetProperty("stream").GetString(), line.GetProperty("sequence").GetInt32()));
    }

    [Fact]
    public async Task As_many_as_were_asked_for_and_no_more_though_two_streams_have_them()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        for (var i = 0; i < 40; i++)
        {
            await world.PublishAsync("user.sync", "ada", ReplayWorld.Noon, $"sync-{i}");
            await world.PublishAsync("auth.user.logged_in", "ada", ReplayWorld.Noon, $"login-{i}");
        }

        for (var count = 21; count <= 26; count++)
            Assert.Equal(count, (await TailAsync(world, "--all", "--count", $"{count}")).Lines.Length);
    }

    [Fact]
    public async Task A_type_that_no_stream_knows_is_refused_instead_of_waited_for()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.PublishAsync("auth.user.foreign_kind", "ada", ReplayWorld.Noon, "id-1");

        var refused = await CommandRun.RunAsync([("NATS_URL", world.Account.Url)], ["events", "tail", "--all", "--type", "auth.user.regisered"]);
        var foreign = await TailAsync(world, "--all", "--type", "auth.user.foreign_kind", "--count", "1");

        Assert.Equal((1, ""), (refused.ExitCode, refused.Output));
        Assert.Contains("'auth.user.regisered', which no stream has: choose from ", refused.Errors, StringComparison.Ordinal);
        Assert.Contains("auth.user.registered", refused.Errors, StringComparison.Ordinal);
        Assert.Contains("user.sync", refused.Errors, StringComparison.Ordinal);
        Assert.Single(foreign.Lines);
    }

    [Fact]
    public async Task Security_alerts_are_followed_where_somebody_raises_them()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        var without = await CommandRun.RunAsync([("NATS_URL", world.Account.Url)], ["events", "tail", "--all", "--type", "security.alert"]);
        await world.JetStream.CreateStreamAsync(Streams.SecurityAlerts);
        await world.PublishAsync("security.alert", "ada", ReplayWorld.Noon, "alert-1");
        await world.PublishAsync("user.sync", "ada", ReplayWorld.Noon, "sync-1");

        var byType = await TailAsync(world, "--all", "--type", "security.alert", "--count", "1");
        var bySubject = await TailAsync(world, "--all", "--subject", "security.>", "--count", "1");
        var all = await TailAsync(world, "--all", "--count", "2");

        Assert.Equal((1, ""), (without.ExitCode, without.Output));
        Assert.Contains("'security.alert', which no stream has", without.Errors, StringComparison.Ordinal);
        Assert.Equal(["""12:00:00.000 security.alert {"subject":"security.alert","data":{"userId":"ada"}}"""], byType.Lines);
        Assert.Equal(byType.Lines, bySubject.Lines);
        Assert.Single(all.Lines, l => l.Contains(" security.alert {", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Streams_that_the_user_may_not_look_at_are_passed_over()
    {
        await using var server = new NatsServer("""
            authorization { users: [
              { user: all, password: p }
              { user: blind, password: p, permissions: { publish: { deny: ["$JS.API.STREAM.INFO.>"] } } }
              { user: deaf, password: p, permissions: { publish: { deny: ["$JS.API.CONSUMER.CREATE.security-alerts.>"] } } } ] }
            """);
        await server.StartAsync();
        await using var connection = JetStreamClient.Connect(new() { Url = server.Url.Replace("nats://", "nats://all:p@", StringComparison.Ordinal) });
        await connection.WaitUntilOpenAsync(default);
        await StreamSetup.EnsureAsync(connection, [.. Streams.All, Streams.SecurityAlerts], NullLogger.Instance);
        await connection.PublishAsync("security.alert", "{}"u8.ToArray());
        await connection.PublishAsync("user.sync", "{}"u8.ToArray());
        await connection.PublishAsync("auth.user.registered", "{}"u8.ToArray());

        foreach (var user in (string[])["blind", "deaf"])
        {
            var run = await CommandRun.RunAsync([("NATS_URL", server.Url.Replace("nats://", $"nats://{user}:p@", StringComparison.Ordinal))],
                ["events", "tail", "--all", "--count", "2", "--subject", "user.sync", "--subject", "auth.user.registered"]);
            Assert.Equal((0, 2, user == "deaf"), (run.ExitCode, run.Lines.Length, run.Errors == "Stream security-alerts is not followed: this user may see it but not read it.\n"));
        }
    }

    [Theory]
    [InlineData("auth.user.registered.NL")]
    [InlineData("user")]
    [InlineData("dlq.>")]
    [InlineData("security.alert")]
    public async Task A_subject_that_no_followed_stream_can_carry_is_refused_instead_of_waited_for(string subject)
    {
        await using var world = await ReplayWorld.CreateAsync(nats);

        var run = await CommandRun.RunAsync([("NATS_URL", world.Account.Url)], ["events", "tail", "--subject", "user.sync", "--subject", subject]);

        Assert.Equal((1, $"--subject is '{subject}', which none of the followed streams takes: choose from auth.user.*, user.sync, user.erased, organization.*, organizationMembership.*, member.role.changed, invitation.*, organizationRole.*, team.*, teamMembership.*, account.*, credential.changed, session.revoked, apiKey.*\n"),
            (run.ExitCode, run.Errors));
    }

    [Fact]
    public async Task A_stream_that_is_gone_ends_it_for_both()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.JetStream.DeleteStreamAsync("identity-changes");

        var run = await CommandRun.RunAsync([("NATS_URL", world.Account.Url)], ["events", "tail"]);

        Assert.Equal((1, ""), (run.ExitCode, run.Output));
        Assert.StartsWith("Stream identity-changes cannot be followed: ", run.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, "--count is '0': expected a whole number from 1 to", "--count", "0")]
    [InlineData(2, "--count is '-1'", "--count", "-1")]
    [InlineData(2, "--user is empty: give one, or leave it out.", "--user", "")]
    [InlineData(2, "--type is empty: give one, or leave it out.", "--type", "")]
    [InlineData(2, "--subject is empty: give one, or leave it out.", "--subject", "user.sync", "--subject", "")]
    [InlineData(1, "--since is 2999-01-01T00:00:00.0000000+00:00, which is in the future", "--since", "2999-01-01T00:00:00Z")]
    public async Task What_would_never_end_is_refused(int exitCode, string words, params string[] arguments)
    {
        var run = await CommandRun.RunAsync([("NATS_URL", "nats://127.0.0.1:1")], ["events", "tail", .. arguments]);

        Assert.Equal(exitCode, run.ExitCode);
        Assert.Contains(words, run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_goes_on_after_nats_restarts_and_misses_nothing()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var connection = JetStreamClient.Connect(new() { Url = server.Url });
        await connection.WaitUntilOpenAsync(default);
        await StreamSetup.EnsureAsync(connection, Streams.All, NullLogger.Instance);
        await connection.PublishAsync("user.sync", """{"n":1}"""u8.ToArray());
        using var tail = CommandRun.Start([("NATS_URL", server.Url)], "events", "tail", "--all", "--count", "3");
        Assert.EndsWith(" user.sync {\"n\":1}", await tail.StandardOutput.ReadLineAsync(), StringComparison.Ordinal);

        await server.StopAsync();
        await server.StartAsync();
        await connection.WaitUntilOpenAsync(default);
        await connection.PublishAsync("user.sync", """{"n":2}"""u8.ToArray());
        await connection.PublishAsync("auth.user.logged_in", """{"n":3}"""u8.ToArray());

        string[] rest = [(await tail.StandardOutput.ReadLineAsync())!, (await tail.StandardOutput.ReadLineAsync())!];
        Assert.Single(rest, l => l.EndsWith(" user.sync {\"n\":2}", StringComparison.Ordinal));
        Assert.Single(rest, l => l.EndsWith(" auth.user.logged_in {\"n\":3}", StringComparison.Ordinal));
        await tail.WaitForExitAsync();
        Assert.Equal(0, tail.ExitCode);
    }

    private static async Task<CommandRun> TailAsync(ReplayWorld world, params string[] arguments)
    {
        var run = await CommandRun.RunAsync([("NATS_URL", world.Account.Url)], ["events", "tail", .. arguments]);
        Assert.Equal((0, ""), (run.ExitCode, run.Errors));
        Assert.DoesNotContain('\e', run.Output);
        return run;
    }
}
