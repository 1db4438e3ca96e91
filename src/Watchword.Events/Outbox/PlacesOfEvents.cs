using Watchword.Events.Replay;
using Watchword.Nats;

namespace Watchword.Events.Outbox;

/// <summary>Which subjects a stream of ours takes, as it is on the server: an operator may have made it with fewer.</summary>
internal sealed class PlacesOfEvents(JetStream jetStream, StreamConfig stream)
{
    private IReadOnlyList<string> _subjects = [];

    /// <summary>Looks at the stream.</summary>
    public async Task LoadAsync(CancellationToken ct) =>
        _subjects = (await jetStream.FindStreamAsync(stream.Name, ct))?.Config.Subjects ?? stream.Subjects ?? [];

    /// <summary>False when no answer from the server is no wonder: the stream takes no such event.</summary>
    public bool Has(string subject) => _subjects.Any(s => SubjectPattern.Covers(s, subject));
}
