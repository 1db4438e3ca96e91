using NATS.Client.Core;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;

namespace Watchword.Events.Replay;

/// <summary>The types of events that a stream can hold: those of the catalogue, and those that lie in it.</summary>
public static class KnownTypes
{
    /// <exception cref="ReplayRefusedException">None of the streams knows such a type.</exception>
    public static async Task CheckAsync(JetStreamClient jetStream, IReadOnlyList<string> streams, string type, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(jetStream);
        ArgumentNullException.ThrowIfNull(streams);
        if (SubjectPattern.Fault(type) is { } fault)
            throw new ReplayRefusedException("type", fault);
        var known = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var stream in streams)
        {
            if (IsDescribed(stream, type) || await FindAsync(jetStream, stream, type, ct) is not (false, false))
                return;
            known.UnionWith(await ListAsync(jetStream, stream, ct));
        }
        throw new ReplayRefusedException("type", $"is '{type}', which no stream knows: choose from {string.Join(", ", known)}");
    }

    /// <summary>Whether the catalogue has it, something it covers, or something that covers it.</summary>
    internal static bool IsDescribed(string stream, string type) =>
        EventCatalogue.All.Any(t => t.Stream == stream && (SubjectPattern.CoversKind(type, t.Subject) || SubjectPattern.CoversKind(t.Subject, type)));

    /// <summary>Whether the stream holds events of the type itself, and of finer subjects below it.</summary>
    internal static async Task<(bool Own, bool Finer)> FindAsync(JetStreamClient jetStream, string stream, string type, CancellationToken ct) =>
        (await jetStream.CountSubjectsAsync(stream, type, ct) is { Count: > 0 },
            !type.EndsWith('>') && await jetStream.CountSubjectsAsync(stream, type + ".>", ct) is { Count: > 0 });

    internal static async Task<IEnumerable<string>> ListAsync(JetStreamClient jetStream, string stream, CancellationToken ct) =>
        EventCatalogue.All.Where(t => t.Stream == stream).Select(t => t.Subject)
            .Concat((await jetStream.CountSubjectsAsync(stream, ">", ct)).Keys.Take(20)).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal);
}
