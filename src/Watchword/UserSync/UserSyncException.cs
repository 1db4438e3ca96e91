namespace Watchword.UserSync;

/// <summary>User sync cannot work with the target as it is; the message says why and what to do.</summary>
public sealed class UserSyncException(string message) : Exception(message);
