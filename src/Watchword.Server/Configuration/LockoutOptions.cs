namespace Watchword.Server.Configuration;

/// <summary>When failed logins lock an address.</summary>
internal sealed record LockoutOptions
{
    /// <summary>Failures in a row, of one e-mail address from one place, until it is locked; null: never. From all places together: ten times as many.</summary>
    public int? Failures { get; init; } = 10;

    /// <summary>How long it stays locked, and after how long a failure is forgotten.</summary>
    public TimeSpan Time { get; init; } = TimeSpan.FromMinutes(15);
}
