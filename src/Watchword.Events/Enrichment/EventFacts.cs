namespace Watchword.Events.Enrichment;

/// <summary>What is known of an event while it is enriched.</summary>
/// <param name="Subject">The plain subject, such as <c>auth.user.logged_in</c>.</param>
/// <param name="UserId">The user whose event it is.</param>
/// <param name="Ip">The client's address; null when unknown.</param>
/// <param name="UserAgent">The client's <c>User-Agent</c> header; null when unknown.</param>
public sealed record EventFacts(string Subject, string UserId, string? Ip, string? UserAgent);
