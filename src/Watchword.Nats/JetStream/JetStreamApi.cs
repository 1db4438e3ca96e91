using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Watchword.Nats;

/// <summary>Questions to <c>$JS.API.*</c> and the errors in their answers (ADR-7).</summary>
internal static class JetStreamApi
{
    public const int ConsumerNotFound = 10014;
    public const int MessageNotFound = 10037;
    public const int SequenceNotFound = 10043;
    public const int MessageDeleteFailed = 10057;
    public const int StreamNotFound = 10059;
    public const int WrongLastSequence = 10071;
    public const int WrongLastSequenceReplicated = 10164;

    public static async Task<T> AskAsync<T>(
        NatsConnection connection, string subject, ReadOnlyMemory<byte> body, JsonTypeInfo<T> type, CancellationToken ct)
    {
        var answer = await connection.RequestAsync("$JS.API." + subject, body, ct: ct);
        var json = new ReadOnlySequence<byte>(answer.Payload);
        ThrowIfError(json);
        try
        {
            return JsonSerializer.Deserialize(answer.Payload.Span, type)
                ?? throw new NatsProtocolException($"JetStream answered {subject} with nothing.");
        }
        catch (JsonException e)
        {
            throw new NatsProtocolException($"JetStream's answer to {subject} cannot be read.", e);
        }
    }

    /// <summary>As above; null where the server says that there is no such thing.</summary>
    public static async Task<T?> FindAsync<T>(
        NatsConnection connection, string subject, ReadOnlyMemory<byte> body, JsonTypeInfo<T> type, CancellationToken ct)
        where T : class
    {
        try
        {
            return await AskAsync(connection, subject, body, type, ct);
        }
        catch (JetStreamApiException e) when (e.ErrorCode is ConsumerNotFound or MessageNotFound or SequenceNotFound or StreamNotFound)
        {
            return null;
        }
    }

    public static void ThrowIfError(in ReadOnlySequence<byte> json)
    {
        if (ParseError(json) is { Error: { } error })
            throw ToException(error);
    }

    public static JetStreamApiException ReadError(in ReadOnlySequence<byte> json)
        => ToException(ParseError(json).Error ?? new ErrorResponse.ApiError(500, 0, "an error without a text"));

    private static ErrorResponse ParseError(in ReadOnlySequence<byte> json)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            return JsonSerializer.Deserialize(ref reader, JetStreamJson.Default.ErrorResponse) ?? new ErrorResponse(Error: null);
        }
        catch (JsonException e)
        {
            throw new NatsProtocolException("JetStream's answer is not JSON.", e);
        }
    }

    private static JetStreamApiException ToException(ErrorResponse.ApiError error)
        => new(error.Code, error.ErrCode, error.Description ?? "an error without a text");
}
