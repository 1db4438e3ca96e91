using System.Text;

namespace Watchword.Nats;

/// <summary>Anything that went wrong with NATS. The one question it always answers: may I try again?</summary>
public class NatsException : Exception
{
    /// <summary>Says what happened and whether trying again may help.</summary>
    public NatsException(string message, bool isTransient, Exception? innerException = null)
        : base(message, innerException) => IsTransient = isTransient;

    /// <summary>Whether the same call may succeed later without any change to it.</summary>
    public bool IsTransient { get; }
}

/// <summary>No server could be reached, or none accepted us.</summary>
public sealed class NatsConnectException(string message, bool isTransient, Exception? innerException = null)
    : NatsException(message, isTransient, innerException)
{
    /// <summary>Whether the server refused who we are: the same credentials will be refused again.</summary>
    public bool IsAuthentication { get; init; }
}

/// <summary>The connection is away, or went away before the answer came. Always transient.</summary>
public sealed class NatsDisconnectedException(string message, Exception? innerException = null)
    : NatsException(message, isTransient: true, innerException);

/// <summary>No answer within the time allowed. Whether the request took effect is unknown. Always transient.</summary>
public sealed class NatsTimeoutException(string message, Exception? innerException = null)
    : NatsException(message, isTransient: true, innerException);

/// <summary>Nobody listens on the subject (for JetStream: no stream takes it, or JetStream is away). Transient.</summary>
public sealed class NatsNoRespondersException(string subject)
    : NatsException(
        subject.StartsWith("$JS.API.", StringComparison.Ordinal)
            ? "JetStream does not answer: it is off (start nats-server with -js, or with jetstream {} in its configuration), or this account may not use it, or a cluster has no leader just now."
            : $"Nobody answers on '{subject}'.",
        isTransient: true)
{
    /// <summary>The subject that nobody answers on.</summary>
    public string Subject { get; } = subject;
}

/// <summary>The message is larger than the server takes; found before it is sent. Never transient.</summary>
public sealed class NatsPayloadTooLargeException(long size, long maximum)
    : NatsException($"The message has {size:N0} bytes with its headers; the server takes {maximum:N0}. Raise max_payload there, or send less.", isTransient: false)
{
    /// <summary>Headers and payload, in bytes.</summary>
    public long Size { get; } = size;

    /// <summary>The server's max_payload, in bytes.</summary>
    public long Maximum { get; } = maximum;
}

/// <summary>The account may not publish or subscribe there. Never transient.</summary>
public sealed class NatsPermissionException(string message) : NatsException(message, isTransient: false);

/// <summary>The server said something that is not the NATS protocol; the connection is dropped and made again.</summary>
public sealed class NatsProtocolException(string message, Exception? innerException = null)
    : NatsException(message, isTransient: true, innerException)
{
    internal static NatsProtocolException At(string what, ReadOnlySpan<byte> line)
    {
        // Only printable bytes: the text ends up in logs.
        var shown = new StringBuilder();
        foreach (var c in line[..Math.Min(line.Length, 60)])
            shown.Append(c is >= 32 and < 127 ? (char)c : '?');
        return new NatsProtocolException($"The server sent {what}: {shown}");
    }
}

/// <summary>JetStream refused a request (ADR-7). Transient when the refusal is about its present state (408, 429, 500 and above).</summary>
public sealed class JetStreamApiException(int code, int errorCode, string description)
    : NatsException($"JetStream: {description} ({code}, {errorCode})", isTransient: code is 408 or 429 or >= 500)
{
    /// <summary>The HTTP-like class of the error, such as 404.</summary>
    public int Code { get; } = code;

    /// <summary>JetStream's own number of the error, such as 10059 (stream not found) or 10070 (wrong last message id).</summary>
    public int ErrorCode { get; } = errorCode;

    /// <summary>The server's words.</summary>
    public string Description { get; } = description;
}
