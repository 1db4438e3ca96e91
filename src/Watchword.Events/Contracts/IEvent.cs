namespace Watchword.Events.Contracts;

/// <summary>The data of a change event: it names the user or organization whose events keep their order.</summary>
internal interface IKeyed
{
    /// <summary>The field's path, and its value.</summary>
    (string Field, string Value) Key { get; }
}

/// <summary>What every event's record answers for <see cref="EventReader"/>.</summary>
internal interface IEvent
{
    private const long VersionsPerSecond = 1_000_000;

    // A publisher whose clock is days ahead, or whose versions are not microseconds, would shut out everybody's later events.
    private static readonly TimeSpan MaxAhead = TimeSpan.FromDays(1);

    /// <summary>The version of its form that it names, or that its silence stands for.</summary>
    int SchemaVersion { get; }

    /// <summary>What the types of its fields cannot say is wrong with it; null when nothing.</summary>
    string? Fault(DateTimeOffset now);

    /// <summary>The fault of a time that lies ahead; null when it does not.</summary>
    static string? Ahead(string field, DateTimeOffset at, DateTimeOffset now) =>
        at > now + MaxAhead ? $"{field} {at:O} lies more than a day ahead: check the publisher's clock" : null;

    /// <summary>The fault of a version that lies ahead; null when it does not.</summary>
    static string? Ahead(long version, DateTimeOffset now) =>
        version / VersionsPerSecond > (now + MaxAhead).ToUnixTimeSeconds() ? $"version {version} lies more than a day ahead, as microseconds since 1970: it would shut out every later one" : null;
}
