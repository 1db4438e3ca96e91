using System.Buffers;
using System.Text.Json;

namespace Watchword.Nats;

/// <summary>
/// JetStream: streams, consumers, publishing with an ack (nats-server 2.9). Every call throws
/// <see cref="JetStreamApiException"/> when the server refuses, and otherwise what
/// <see cref="NatsConnection.RequestAsync"/> throws.
/// </summary>
public sealed class JetStream(NatsConnection connection)
{
    private const int PublishAttempts = 3;
    private static readonly TimeSpan PublishRetryDelay = TimeSpan.FromMilliseconds(250);

    internal NatsConnection Connection { get; } = connection ?? throw new ArgumentNullException(nameof(connection));

    /// <summary>Creates a stream. One that exists with the very same configuration is success.</summary>
    public Task<StreamInfo> CreateStreamAsync(StreamConfig config, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        return AskAsync($"STREAM.CREATE.{Name(config.Name)}", Json(config, JetStreamJson.Default.StreamConfig), JetStreamJson.Default.StreamInfo, ct);
    }

    /// <summary>Changes a stream's configuration to this one.</summary>
    public Task<StreamInfo> UpdateStreamAsync(StreamConfig config, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        return AskAsync($"STREAM.UPDATE.{Name(config.Name)}", Json(config, JetStreamJson.Default.StreamConfig), JetStreamJson.Default.StreamInfo, ct);
    }

    /// <summary>A stream as it stands; null when there is none of that name.</summary>
    public Task<StreamInfo?> FindStreamAsync(string name, CancellationToken ct = default)
        => JetStreamApi.FindAsync(Connection, $"STREAM.INFO.{Name(name)}", default, JetStreamJson.Default.StreamInfo, ct);

    /// <summary>Deletes a stream with all its messages and consumers; false when there is none of that name.</summary>
    public async Task<bool> DeleteStreamAsync(string name, CancellationToken ct = default)
        => await JetStreamApi.FindAsync(Connection, $"STREAM.DELETE.{Name(name)}", default, JetStreamJson.Default.ErrorResponse, ct) is not null;

    /// <summary>Deletes a stream's messages, of one subject (it may hold wildcards) or all; gives how many.</summary>
    public async Task<ulong> PurgeStreamAsync(string name, string? subject = null, CancellationToken ct = default)
    {
        var body = Json(new PurgeRequest(subject), JetStreamJson.Default.PurgeRequest);
        return (await AskAsync($"STREAM.PURGE.{Name(name)}", body, JetStreamJson.Default.PurgeResponse, ct)).Purged;
    }

    /// <summary>The message at a sequence; null when it is not there (any more) or there is no such stream.</summary>
    public Task<StoredMessage?> GetMessageAsync(string stream, ulong sequence, CancellationToken ct = default)
        => GetAsync(stream, new GetMessageRequest(sequence, LastBySubj: null), ct);

    /// <summary>The newest message of a subject, which may hold wildcards; null when there is none.</summary>
    public Task<StoredMessage?> GetLastMessageAsync(string stream, string subject, CancellationToken ct = default)
        => GetAsync(stream, new GetMessageRequest(Seq: null, subject), ct);

    /// <summary>Creates a consumer, or changes one of the same name as far as it can be changed.</summary>
    public Task<ConsumerInfo> CreateConsumerAsync(string stream, ConsumerConfig config, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        var name = Name(config.Name ?? config.DurableName ?? "c" + Guid.NewGuid().ToString("N"));
        var body = Json(new CreateConsumerRequest(stream, config with { Name = name }), JetStreamJson.Default.CreateConsumerRequest);
        var filter = config.FilterSubject is { Length: > 0 } subject ? "." + subject : "";
        return AskAsync($"CONSUMER.CREATE.{Name(stream)}.{name}{filter}", body, JetStreamJson.Default.ConsumerInfo, ct);
    }

    /// <summary>A consumer as it stands; null when there is none of that name, or no such stream.</summary>
    public Task<ConsumerInfo?> FindConsumerAsync(string stream, string consumer, CancellationToken ct = default)
        => JetStreamApi.FindAsync(Connection, $"CONSUMER.INFO.{Name(stream)}.{Name(consumer)}", default, JetStreamJson.Default.ConsumerInfo, ct);

    /// <summary>Deletes a consumer; false when there is none of that name, or no such stream.</summary>
    public async Task<bool> DeleteConsumerAsync(string stream, string consumer, CancellationToken ct = default)
        => await JetStreamApi.FindAsync(Connection, $"CONSUMER.DELETE.{Name(stream)}.{Name(consumer)}", default, JetStreamJson.Default.ErrorResponse, ct) is not null;

    /// <summary>
    /// Publishes and waits for the ack. When nobody answers (no stream has the subject, or its leader is being
    /// elected), it tries twice more, 250 ms apart. Give a <c>Nats-Msg-Id</c> and repeat the call with it after a
    /// time-out or a drop: within the stream's duplicate window the message is then stored once.
    /// </summary>
    /// <exception cref="NatsNoRespondersException">No stream takes the subject.</exception>
    public async ValueTask<PublishAck> PublishAsync(
        string subject, ReadOnlyMemory<byte> payload, NatsHeaders? headers = null, CancellationToken ct = default)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                var answer = await Connection.RequestAsync(subject, payload, headers, ct: ct);
                return new PublishAckReader().Read(new ReadOnlySequence<byte>(answer.Payload));
            }
            catch (NatsNoRespondersException) when (attempt < PublishAttempts)
            {
                await Task.Delay(PublishRetryDelay, ct);
            }
        }
    }

    /// <summary>A publisher that keeps many messages under way at once.</summary>
    public JetStreamPublisher CreatePublisher(JetStreamPublisherOptions? options = null) => new(Connection, options ?? new JetStreamPublisherOptions());

    /// <summary>Begins to read from an existing pull consumer, and goes on over reconnects until it is disposed.</summary>
    /// <exception cref="JetStreamApiException">There is no such consumer (404); not checked while the connection is away.</exception>
    public async ValueTask<PullConsumer> ConsumeAsync(
        string stream, string consumer, ConsumeOptions? options = null, CancellationToken ct = default)
    {
        options ??= new ConsumeOptions();
        options.Validate();
        if (Connection.State == NatsConnectionState.Open)
        {
            // Asked plainly, a wrong name is a clear error rather than a pull that nobody answers.
            await AskAsync($"CONSUMER.INFO.{Name(stream)}.{Name(consumer)}", default, JetStreamJson.Default.ConsumerInfo, ct);
        }

        return new PullConsumer(this, Name(stream), Name(consumer), options);
    }

    private static byte[] Json<T>(T value, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type) => JsonSerializer.SerializeToUtf8Bytes(value, type);

    /// <summary>A name becomes one token of a subject, so it must be one.</summary>
    private static string Name(string name)
    {
        SubjectText.Check(name, nameof(name));
        if (name.AsSpan().ContainsAny(".*>/\\"))
            throw new ArgumentException($"The name '{name}' holds a dot, wildcard or slash.", nameof(name));
        return name;
    }

    private Task<T> AskAsync<T>(string subject, ReadOnlyMemory<byte> body, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type, CancellationToken ct)
        => JetStreamApi.AskAsync(Connection, subject, body, type, ct);

    private async Task<StoredMessage?> GetAsync(string stream, GetMessageRequest request, CancellationToken ct)
    {
        var body = Json(request, JetStreamJson.Default.GetMessageRequest);
        var answer = await JetStreamApi.FindAsync(Connection, $"STREAM.MSG.GET.{Name(stream)}", body, JetStreamJson.Default.GetMessageResponse, ct);
        return answer is not { Message: { } stored } ? null : new StoredMessage
        {
            Subject = stored.Subject,
            Sequence = stored.Seq,
            Timestamp = stored.Time,
            Headers = stored.Hdrs is { Length: > 0 } block ? new NatsHeaders(block, 0, block.Length) : null,
            Payload = stored.Data,
        };
    }
}
