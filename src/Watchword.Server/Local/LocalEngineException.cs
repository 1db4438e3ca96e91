namespace Watchword.Server.Local;

/// <summary>An engine cannot be started. The message tells the operator what is wrong and what to do.</summary>
internal sealed class LocalEngineException : Exception
{
    public LocalEngineException(string message) : base(message)
    {
    }

    public LocalEngineException(string message, Exception? cause) : base(message, cause)
    {
    }
}
