using System.Text.Json.Serialization;

namespace Watchword.Nats;

/// <summary>JSON of the JetStream API, compiled ahead. Fields that we do not know are passed over.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true,
    Converters = [typeof(NanosecondsConverter)])]
[JsonSerializable(typeof(StreamConfig))]
[JsonSerializable(typeof(StreamInfo))]
[JsonSerializable(typeof(ConsumerInfo))]
[JsonSerializable(typeof(CreateConsumerRequest))]
[JsonSerializable(typeof(GetMessageRequest))]
[JsonSerializable(typeof(GetMessageResponse))]
[JsonSerializable(typeof(PurgeRequest))]
[JsonSerializable(typeof(PurgeResponse))]
[JsonSerializable(typeof(ErrorResponse))]
internal sealed partial class JetStreamJson : JsonSerializerContext;

internal sealed record CreateConsumerRequest(string StreamName, ConsumerConfig Config);

internal sealed record GetMessageRequest(ulong? Seq, string? LastBySubj);

internal sealed record GetMessageResponse(GetMessageResponse.Stored Message)
{
    internal sealed record Stored(string Subject, ulong Seq, byte[]? Hdrs, byte[]? Data, DateTimeOffset Time);
}

internal sealed record PurgeRequest(string? Filter);

internal sealed record PurgeResponse(ulong Purged);

internal sealed record ErrorResponse(ErrorResponse.ApiError? Error)
{
    internal sealed record ApiError(int Code, int ErrCode, string? Description);
}
