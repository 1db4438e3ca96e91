using NATS.Client.JetStream.Models;
using Watchword.Events.JetStream;
using Watchword.Events.Replay;

namespace Watchword.Events.Outbox;

/// <summary>Which subjects a stream of ours takes, as it is on the server: an operator may have made it with fewer.</summary>
internal sealed class PlacesOfEvents(JetStreamClient jetStream, StreamConfig stream)
{
    private readonly Dictionary<string, bool> _known = new(StringComparer.Ordinal);
    private ICollection<string> _subjects = [];

    /// <summary>Looks at the stream.</summary>
    public async Task LoadAsync(CancellationToken ct)
    {
        _subjects = (await jetStream.FindStreamAsync(stream.Name!, ct))?.Config.Subjects ?? stream.Subjects ?? [];
        _known.Clear();
    }

    /// <summary>Whether the stream takes such an event. Another one may: published all the same, it would be taken for stored here.</summary>
    public bool Has(string subject)
    {
        if (!_known.TryGetValue(subject, out var has))
            _known[subject] = has = _subjects.Any(s => SubjectPattern.Covers(s, subject));
        return has;
    }
}
