namespace Watchword.Events.Outbox;

/// <summary>What an audit found.</summary>
/// <param name="Compared">Rows compared with the stream.</param>
/// <param name="Lost">Events that were acknowledged and are no longer stored; their rows wait to be published again.</param>
/// <param name="Corrected">Events that lie at another sequence than their rows said.</param>
internal sealed record AuditResult(long Compared, long Lost, long Corrected);
