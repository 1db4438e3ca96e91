namespace Watchword.Nats;

/// <content>Consumers: made, found, listed, read.</content>
public sealed partial class JetStream
{
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

    /// <summary>All consumers of a stream as they stand.</summary>
    public IAsyncEnumerable<ConsumerInfo> ListConsumersAsync(string stream, CancellationToken ct = default)
        => PagesAsync($"CONSUMER.LIST.{Name(stream)}", filter: null, JetStreamJson.Default.ConsumerPage, static page => page.Consumers, ct);

    /// <summary>The names of all consumers of a stream.</summary>
    public IAsyncEnumerable<string> ListConsumerNamesAsync(string stream, CancellationToken ct = default)
        => PagesAsync($"CONSUMER.NAMES.{Name(stream)}", filter: null, JetStreamJson.Default.ConsumerNamePage, static page => page.Consumers, ct);

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

    /// <summary>
    /// Begins to read a stream in order, each message once and without acks, and goes on over gaps, reconnects and
    /// restarts until it is disposed.
    /// </summary>
    /// <exception cref="ArgumentException">The options do not fit together.</exception>
    /// <exception cref="JetStreamApiException">There is no such stream (404), or the server refuses the filter.</exception>
    public Task<OrderedConsumer> OrderedConsumeAsync(string stream, OrderedConsumerOptions? options = null, CancellationToken ct = default)
    {
        options ??= new OrderedConsumerOptions();
        options.Validate();
        return OrderedConsumer.BeginAsync(this, Name(stream), options, ct);
    }
}
