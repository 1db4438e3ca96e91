using System.CommandLine;
using System.Text;
using System.Text.Json;
using NATS.Client.Core;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Replay;

namespace Watchword.Server.Cli;

/// <summary><c>./run events tail</c>: prints events as they pass, a line each.</summary>
internal static class EventsTail
{
    private sealed record Wanted(IReadOnlyList<string> Subjects, string? Type, string? User, DateTimeOffset? Since, bool All, long? Count, bool Json);

    public static Command Create()
    {
        var subject = new Option<string[]>("--subject") { Description = "Only these subjects; wildcards are allowed: 'auth.user.>'. May be repeated.", HelpName = "pattern" }.NotEmpty();
        var type = new Option<string?>("--type") { Description = "Only events of this type, such as auth.user.registered; wildcards are allowed.", HelpName = "subject" }.NotEmpty();
        var user = new Option<string?>("--user") { Description = "Only events of this user or organization, by id.", HelpName = "id" }.NotEmpty();
        var since = MomentOption.Create("--since", "Begin with events that happened then or later.");
        var all = new Option<bool>("--all") { Description = "Begin with the oldest event that the streams hold. Default: with the next one." };
        var count = WholeNumber.Option("--count", "Stop after so many events.", "number");
        var json = new Option<bool>("--json") { Description = "Print a line of JSON per event, with headers, for other programs." };
        var tail = new Command("tail", """
            Print events as they pass: time, subject, JSON. It continues when NATS restarts; Ctrl-C stops it.

            Examples:
              ./run events tail --all --count 2
              ./run events tail --subject 'auth.user.>' --since 10m
              ./run events tail --type user.sync --user 0aFv… --json | jq .event.data
            """) { subject, type, user, since, all, count, json };
        Connections.AddTo(tail);
        tail.SetVerb(async (parsed, ct) =>
        {
            var wanted = new Wanted(parsed.GetValue(subject) ?? [], parsed.GetValue(type), parsed.GetValue(user), parsed.GetValue(since),
                parsed.GetValue(all), parsed.GetValue(count), parsed.GetValue(json));
            foreach (var pattern in wanted.Type is null ? wanted.Subjects : [.. wanted.Subjects, wanted.Type])
                if (SubjectPattern.Fault(pattern) is { } fault)
                    throw new CommandException($"--subject or --type {fault}.");
            if (wanted.Since > DateTimeOffset.UtcNow)
                throw new CommandException($"--since is {wanted.Since:O}, which is in the future: leave it out to begin now.");
            await using var nats = await Connections.ConnectAsync(parsed, "watchword events tail", ct);
            var streams = await FollowedStreams.FindAsync(nats, wanted.Subjects, ct);
            if (wanted.Type is { } wantedType)
                await KnownTypes.CheckAsync(nats, streams, wantedType, ct);
            await FollowAsync(nats, streams, wanted, ct);
        });
        return tail;
    }

    private static async Task FollowAsync(JetStreamClient nats, IReadOnlyList<string> streams, Wanted wanted, CancellationToken ct)
    {
        await using var output = Terminal.OpenOutput();
        using var lines = new EventLines(output);
        using var turn = new SemaphoreSlim(1, 1);   // the streams share one output
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var printed = 0L;
        try
        {
            await Task.WhenAll(streams.Select(FollowAsync));
        }
        catch (OperationCanceledException)
        {
            // Ctrl-C, or all events that were asked for were printed.
        }

        async Task FollowAsync(string stream)
        {
            try
            {
                var filter = new ReplayFilter(stream) { Type = wanted.Type, User = wanted.User, Since = wanted.Since };
                var from = new ReadFrom { StoredSince = filter.StoredSince, OnlyNew = wanted is { Since: null, All: false } };
                await foreach (var message in StoredMessages.FollowAsync(nats, stream, from, enough.Token))
                {
                    var e = ReplayEvent.Of(message);
                    if (filter.Matches(e) && (wanted.Subjects.Count == 0 || wanted.Subjects.Any(p => SubjectPattern.Covers(p, e.Subject))))
                        await PrintAsync(e);
                }
            }
            catch (NatsDeniedException) when (FollowedStreams.IsOptional(stream))
            {
                await Console.Error.WriteLineAsync($"Stream {stream} is not followed: this user may see it but not read it.");
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                await enough.CancelAsync();   // the other streams' events alone would look like all events
                throw e is NatsException ? new CommandException($"Stream {stream} cannot be followed: {e.Message}") : e;
            }
        }

        async Task PrintAsync(ReplayEvent e)
        {
            await turn.WaitAsync(enough.Token);
            try
            {
                enough.Token.ThrowIfCancellationRequested();   // another stream may have printed the last one meanwhile
                if (wanted.Json)
                {
                    await lines.WriteAsync(e, ct);
                    await lines.FlushAsync(ct);
                }
                else
                {
                    await output.WriteAsync(Encoding.UTF8.GetBytes($"{e.Time.UtcDateTime:HH:mm:ss.fff} {Colored(Terminal.OneLine(e.Subject))} {OneLine(e.Payload)}\n"), ct);
                }
                if (++printed == wanted.Count)
                    await enough.CancelAsync();
            }
            finally
            {
                turn.Release();
            }
        }
    }

    /// <summary>Colours a subject by its first token.</summary>
    private static string Colored(string subject)
    {
        if (!Terminal.IsColored)
            return subject;
        var color = subject.AsSpan(0, Math.Max(0, subject.IndexOf('.', StringComparison.Ordinal))) switch
        {
            "auth" => 36,
            "user" => 32,
            "organization" or "organizationMembership" or "organizationRole" or "member" or "team" or "teamMembership" => 33,
            "invitation" => 35,
            "security" or "session" or "credential" => 31,
            _ => 34,
        };
        return $"\e[{color}m{subject}\e[0m";
    }

    private static string OneLine(ReadOnlyMemory<byte> payload)
    {
        try
        {
            using var json = JsonDocument.Parse(payload);
            return JsonSerializer.Serialize(json.RootElement, EventJson.Default.JsonElement);
        }
        catch (JsonException)
        {
            // A foreign publisher's bytes must not control the terminal.
            return Terminal.OneLine(Encoding.UTF8.GetString(payload.Span));
        }
    }
}
