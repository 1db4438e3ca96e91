using NATS.Client.Core;
using NATS.Client.JetStream;

namespace Watchword.Events.JetStream;

/// <summary>What an error of NATS means. The one question it always answers: may I retry?</summary>
public static class NatsErrors
{
    /// <summary>JetStream's numbers of errors.</summary>
    internal const int ConsumerNotFound = 10014, MessageTooLarge = 10054, MessageNotDeleted = 10057, StreamNotFound = 10059, WrongLastMessageId = 10070, HeadersTooLarge = 10097;

    /// <summary>Whether the same call may succeed later without any change to it.</summary>
    public static bool IsTransient(this NatsException e) => e switch
    {
        NatsDeniedException or NatsPayloadTooLargeException or NatsConnectionFailedException => false,
        NatsJSApiException api => api.Error.Code is 408 or 429 or >= 500,
        _ => true,
    };

    /// <summary>Whether the message is larger than the server or its stream takes: no retry helps.</summary>
    public static bool IsTooLarge(this NatsException e) =>
        e is NatsPayloadTooLargeException or NatsJSApiException { Error.ErrCode: MessageTooLarge or HeadersTooLarge };

    /// <summary>Whether the server said that the stream, the consumer or the message is not there.</summary>
    internal static bool IsNotFound(this NatsException e) => e is NatsJSApiException { Error.Code: 404 };
}
