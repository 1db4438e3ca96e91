using NATS.Client.Core;
using NATS.Client.JetStream.Models;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Replay;

namespace Watchword.Server.Cli;

/// <summary>The streams that <c>events tail</c> follows.</summary>
internal static class FollowedStreams
{
    /// <summary>The server's two streams, and that of the security alerts where it exists and this user may see it.</summary>
    /// <param name="nats">The connection.</param>
    /// <param name="subjects">The wanted subjects, with wildcards.</param>
    /// <param name="ct">Cancels.</param>
    /// <exception cref="CommandException">None of the streams takes one of the subjects: waiting for it would be in vain.</exception>
    public static async Task<IReadOnlyList<string>> FindAsync(JetStreamClient nats, IReadOnlyList<string> subjects, CancellationToken ct)
    {
        var (names, taken) = (new List<string>(), new List<string>());
        foreach (var stream in (StreamConfig[])[Streams.AuthEvents, Streams.IdentityChanges, Streams.SecurityAlerts])
        {
            var name = stream.Name!;
            try
            {
                var found = await nats.FindStreamAsync(name, ct);
                if (found is null && IsOptional(name))
                    continue;
                taken.AddRange(found?.Config.Subjects ?? stream.Subjects!);
            }
            catch (NatsException) when (IsOptional(name))
            {
                continue;
            }
            catch (NatsDeniedException)
            {
                taken.Add(">");   // a user who may not see its settings may still read it
            }
            names.Add(name);
        }
        foreach (var subject in subjects)
            if (!taken.Exists(t => SubjectPattern.Overlaps(t, subject)))
                throw new CommandException($"--subject is '{subject}', which none of the followed streams takes: choose from {string.Join(", ", taken)}");
        return names;
    }

    /// <summary>Whether the other streams are followed without it.</summary>
    public static bool IsOptional(string stream) => stream == Streams.SecurityAlerts.Name;
}
