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
[JsonSerializable(typeof(DeleteMessageRequest))]
[JsonSerializable(typeof(PageRequest))]
[JsonSerializable(typeof(StreamPage))]
[JsonSerializable(typeof(StreamNamePage))]
[JsonSerializable(typeof(ConsumerPage))]
[JsonSerializable(typeof(ConsumerNamePage))]
[JsonSerializable(typeof(SubjectsRequest))]
[JsonSerializable(typeof(SubjectsPage))]
[JsonSerializable(typeof(JetStreamAccountInfo))]
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

internal sealed record DeleteMessageRequest(ulong Seq, bool NoErase);

internal sealed record PurgeRequest(string? Filter, ulong? Seq, ulong? Keep);

internal sealed record PurgeResponse(ulong Purged);

internal sealed record ErrorResponse(ErrorResponse.ApiError? Error)
{
    internal sealed record ApiError(int Code, int ErrCode, string? Description);
}

internal sealed record PageRequest(long Offset, string? Subject);

/// <summary>A part of a list; the whole has so many items.</summary>
internal interface IPage
{
    long Total { get; }
}

internal sealed record StreamPage(long Total, IReadOnlyList<StreamInfo>? Streams) : IPage;

internal sealed record StreamNamePage(long Total, IReadOnlyList<string>? Streams) : IPage;

internal sealed record ConsumerPage(long Total, IReadOnlyList<ConsumerInfo>? Consumers) : IPage;

internal sealed record ConsumerNamePage(long Total, IReadOnlyList<string>? Consumers) : IPage;

internal sealed record SubjectsRequest(string SubjectsFilter, long Offset);

internal sealed record SubjectsPage(long Total, SubjectsPage.Held State)
{
    internal sealed record Held(Dictionary<string, ulong>? Subjects);
}
