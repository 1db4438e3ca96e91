using NATS.Client.JetStream.Models;
using Watchword.Events.JetStream;
using Watchword.Events.Replay;

namespace Watchword.Events.Outbox;

/// <summary>The subjects that a stream takes, as it is on the server: an operator may have made it with fewer than we publish to.</summary>
internal sealed class StreamSubjects(JetStreamClient jetStream, StreamConfig stream)
{
    private readonly Dictionary<string, bool> _known = new(StringComparer.Ordinal);
    private ICollection<string> _subjects = [];

    /// <summary>Asks the server.</summary>
    public async Task LoadAsync(CancellationToken ct)
    {
        _subjects = (await jetStream.FindStreamAsync(stream.Name!, ct))?.Config.Subjects ?? stream.Subjects ?? [];
        _known.Clear();
    }

    /// <summary>Whether the stream takes the subject. If another stream took it, its ack would be mistaken for this stream's.</summary>
    public bool Has(string subject)
    {
        if (!_known.TryGetValue(subject, out var has))
            _known[subject] = has = _subjects.Any(s => SubjectPattern.Covers(s, subject));
        return has;
    }
}
