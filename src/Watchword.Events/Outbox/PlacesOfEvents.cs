using Watchword.Events.Replay;
using Watchword.Nats;

namespace Watchword.Events.Outbox;

/// <summary>Which subjects our streams take, as they are on the server: an operator may have made them with fewer.</summary>
internal sealed class PlacesOfEvents(JetStream jetStream)
{
    private IReadOnlyList<string> _subjects = [];

    /// <summary>Looks at the streams.</summary>
    public async Task LoadAsync(CancellationToken ct)
    {
        List<string> subjects = [];
        foreach (var stream in StreamAudit.Audited)
            subjects.AddRange((await jetStream.FindStreamAsync(stream.Name, ct))?.Config.Subjects ?? stream.Subjects ?? []);
        _subjects = subjects;
    }

    /// <summary>False when no answer from the server is no wonder: no stream of ours takes such an event.</summary>
    public bool Has(string subject) => _subjects.Any(s => SubjectPattern.Covers(s, subject));
}
