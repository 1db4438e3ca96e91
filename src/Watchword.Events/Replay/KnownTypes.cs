using Watchword.Events.Contracts;
using Watchword.Events.JetStream;

namespace Watchword.Events.Replay;

/// <summary>The event types that a stream can hold: those of the catalogue, and the subjects of its messages.</summary>
public static class KnownTypes
{
    private const int MostListed = 20;   // subjects of one stream; a foreign stream may have thousands

    /// <summary>Refuses a type that none of the streams can hold: a misspelt type would silently match nothing.</summary>
    /// <param name="jetStream">Where the streams are.</param>
    /// <param name="streams">Their names.</param>
    /// <param name="type">A subject, which may contain wildcards.</param>
    /// <param name="ct">Cancels.</param>
    /// <exception cref="ReplayRefusedException">The type is malformed or unknown; lists the known ones.</exception>
    public static async Task CheckAsync(JetStreamClient jetStream, IReadOnlyList<string> streams, string type, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(jetStream);
        ArgumentNullException.ThrowIfNull(streams);
        if (SubjectPattern.Fault(type) is { } fault)
            throw new ReplayRefusedException("type", fault);
        var known = new SortedSet<string>(EventCatalogue.All.Where(t => streams.Contains(t.Stream)).Select(t => t.Subject), StringComparer.Ordinal);
        if (known.Any(k => SubjectPattern.Covers(type, k)))
            return;
        foreach (var stream in streams)
        {
            if (await jetStream.CountSubjectsAsync(stream, type, ct) is { Count: > 0 })
                return;
            known.UnionWith((await jetStream.CountSubjectsAsync(stream, ">", ct)).Keys.Take(MostListed));
        }
        throw new ReplayRefusedException("type", $"is '{type}', which no stream has: choose from {string.Join(", ", known)}");
    }
}
