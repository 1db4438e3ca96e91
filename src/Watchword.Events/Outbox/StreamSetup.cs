using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using NATS.Client.JetStream.Models;
using Watchword.Events.JetStream;

namespace Watchword.Events.Outbox;

/// <summary>Creates the streams that are missing. An existing stream with other settings is logged and never changed.</summary>
public static class StreamSetup
{
    /// <summary>Creates those of the streams that are missing.</summary>
    /// <exception cref="NatsException">The server refuses, or does not answer.</exception>
    public static async Task EnsureAsync(JetStreamClient jetStream, IEnumerable<StreamConfig> streams, ILogger logger, CancellationToken ct = default)
    {
        foreach (var wanted in streams)
        {
            if (await jetStream.FindStreamAsync(wanted.Name!, ct) is not { } found)
            {
                await jetStream.CreateStreamAsync(wanted, ct);
                logger.StreamCreated(wanted.Name!);
            }
            else if (Differences(wanted, found.Config) is { Length: > 0 } differences)
            {
                logger.StreamDiffers(wanted.Name!, differences);
            }
        }
    }

    /// <summary>How a stream differs, such as "max_age is 1.00:00:00, not 7.00:00:00"; empty when it does not.</summary>
    public static string Differences(StreamConfig wanted, StreamConfig found)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        ArgumentNullException.ThrowIfNull(found);
        var differences = new List<string>();
        Compare("subjects", Sorted(wanted.Subjects), Sorted(found.Subjects));
        Compare("retention", wanted.Retention, found.Retention);
        Compare("storage", wanted.Storage, found.Storage);
        Compare("discard", wanted.Discard, found.Discard);
        Compare("max_msgs", Limit(wanted.MaxMsgs), Limit(found.MaxMsgs));
        Compare("max_bytes", Limit(wanted.MaxBytes), Limit(found.MaxBytes));
        Compare("max_age", wanted.MaxAge, found.MaxAge);
        return string.Join("; ", differences);

        static string Sorted(IEnumerable<string>? subjects) => string.Join(' ', (subjects ?? []).Order(StringComparer.Ordinal));

        static long Limit(long limit) => limit > 0 ? limit : -1;

        void Compare<T>(string name, T want, T have)
        {
            if (!EqualityComparer<T>.Default.Equals(want, have))
                differences.Add($"{name} is {have}, not {want}");
        }
    }
}
