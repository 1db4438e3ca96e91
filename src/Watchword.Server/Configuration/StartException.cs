namespace Watchword.Server.Configuration;

/// <summary>The server cannot start; the message says why and what to do.</summary>
internal sealed class StartException(string message, Exception? cause = null) : Exception(message, cause);
