using Watchword.Events.Contracts;
using Watchword.Events.Replay;
using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Server.Cli;

/// <summary>The streams that <c>events tail</c> follows.</summary>
internal static class FollowedStreams
{
    /// <summary>The server's two; and that of the alerts, which another service makes, where it is there and may be looked at.</summary>
    /// <param name="jetStream">Where they are.</param>
    /// <param name="subjects">What is wanted of them, with wildcards.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="CommandException">None of them can carry one of the subjects, which would be waited for in vain.</exception>
    public static async Task<IReadOnlyList<string>> FindAsync(JetStream jetStream, IReadOnlyList<string> subjects, CancellationToken ct)
    {
        var (names, carried) = (new List<string>(), new List<string>());
        foreach (var stream in (StreamConfig[])[Streams.AuthEvents, Streams.IdentityChanges, Streams.SecurityAlerts])
        {
            try
            {
                var found = await jetStream.FindStreamAsync(stream.Name, ct);
                if (found is null && IsOptional(stream.Name))
                    continue;
                carried.AddRange(found?.Config.Subjects ?? stream.Subjects!);
            }
            catch (NatsPermissionException)
            {
                if (IsOptional(stream.Name))
                    continue;
                carried.Add(">");   // who may not look at it may read it all the same
            }
            names.Add(stream.Name);
        }
        foreach (var subject in subjects)
            if (!carried.Exists(c => SubjectPattern.Overlaps(c, subject)))
                throw new CommandException($"--subject is '{subject}', which none of the streams that are followed can carry: choose from {string.Join(", ", carried)}");
        return names;
    }

    /// <summary>Whether the others are followed without it.</summary>
    public static bool IsOptional(string stream) => stream == Streams.SecurityAlerts.Name;
}
