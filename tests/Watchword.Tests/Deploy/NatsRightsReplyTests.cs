using System.Text.RegularExpressions;
using Watchword.Events.JetStream;

namespace Watchword.Tests.Deploy;

/// <summary>
/// nats-server sends an answer to whatever reply subject a request names, also to those that the one who asks may not
/// publish to: an empty answer deletes a stream, and any answer can become an event. In deploy/nats none leaves its account.
/// </summary>
public partial class NatsRightsReplyTests
{
    private static readonly byte[][] Bodies =
    [
        [], [.. """{"batch":9,"no_wait":true}"""u8], [.. """{"seq":1}"""u8], [.. "+NXT"u8],
        [.. """{"stream_name":"auth-events","config":{"name":"passing","ack_policy":"explicit"}}"""u8],
    ];

    public static TheoryData<string> Others => [.. DeployedNats.Users.Where(u => u != "watchword")];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Others))]
    public async Task A_foreign_reply_subject_has_no_effect(string user)
    {
        await using var nats = await DeployedNats.WithStreamsAsync();
        await nats.PublishAsync("a", "b", "c");
        await using var server = await nats.ConnectAsync("watchword");
        await server.PublishAsync("user.sync", "{}"u8.ToArray());
        var victim = user == "analytics" ? "security" : "analytics";
        Assert.Single(await server.FetchAsync("auth-events", victim, 1, TimeSpan.FromSeconds(5)));
        var before = await StateAsync(server, victim);
        var subjects = SubjectsOf(user);
        Assert.Contains("$JS.API.INFO", subjects);

        await using var connection = await nats.ConnectAsync(user);
        foreach (var reply in (string[])[
            "user.sync", "auth.user.logged_in", "organization.deleted", $"$JS.ACK.auth-events.{victim}.1.1.1.1.0", $"$JS.API.CONSUMER.DELETE.auth-events.{victim}",
            "$JS.API.STREAM.PURGE.identity-changes", "$JS.API.STREAM.PURGE.auth-events", "$JS.API.STREAM.DELETE.identity-changes"])
            foreach (var subject in subjects)
                foreach (var body in Bodies)
                    await connection.Connection.PublishAsync(subject, body, replyTo: reply, cancellationToken: Ct);
        // Who asks last is answered last.
        await connection.RequestAsync("$JS.API.INFO");
        await server.FetchAsync("auth-events", "user-sync", 1);
        Assert.Equal(before, await StateAsync(server, victim));
    }

    // Of what a user may add to, dead letters and alerts, only that it is there.
    private static async Task<string> StateAsync(JetStreamClient jetStream, string victim)
    {
        List<string> state = [];
        foreach (var stream in (string[])["auth-events", "identity-changes"])
        {
            var info = await jetStream.FindStreamAsync(stream, Ct);
            state.Add($"{stream}: {info?.State.Messages} messages up to {info?.State.LastSeq}");
            foreach (var consumer in await jetStream.ListConsumersAsync(stream, Ct))
                if (consumer.Name == victim)
                    state.Add($"{victim} has {consumer.NumAckPending} under way, {consumer.NumPending} to come");
                else if (consumer.Name != "passing")
                    state.Add(consumer.Name);
        }
        state.AddRange(await jetStream.ListStreamNamesAsync(null, Ct));
        return string.Join("; ", state);
    }

    /// <summary>All that the file lets a user publish to.</summary>
    private static List<string> SubjectsOf(string user)
    {
        var file = File.ReadAllText(DeployedNats.File);
        var begin = file.IndexOf($"user: {user},", StringComparison.Ordinal);
        var end = file.IndexOf("user: ", begin + 1, StringComparison.Ordinal);
        return [.. Quoted().Matches(end < 0 ? file[begin..] : file[begin..end]).Select(m => Concrete(m.Groups["subject"].Value)).Distinct()];
    }

    private static string Concrete(string subject)
    {
        var stream = subject.Contains(".auth-events", StringComparison.Ordinal) || subject.Contains(".identity-changes", StringComparison.Ordinal) ? "" : "auth-events";
        if (stream.Length > 0 && subject.IndexOf('*', StringComparison.Ordinal) is >= 0 and var star)
            subject = subject[..star] + stream + subject[(star + 1)..];
        return subject.Replace("*", "passing", StringComparison.Ordinal)
            .Replace(">", subject.StartsWith("$JS.ACK.", StringComparison.Ordinal) ? "1.1.1.1.0" : stream.Length > 0 ? stream : "passing", StringComparison.Ordinal);
    }

    [GeneratedRegex("\"(?<subject>(?:\\$JS|dlq|security)\\.[^\"]+)\"", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Quoted();
}
