using NATS.Client.Core;
using NATS.Client.JetStream;
using NATS.Client.JetStream.Models;

namespace Watchword.Events.JetStream;

// The calls of the JetStream API: streams, consumers, stored messages.
public sealed partial class JetStreamClient
{
    /// <summary>A stream's configuration and state; null when there is no such stream.</summary>
    public Task<StreamInfo?> FindStreamAsync(string stream, CancellationToken ct) =>
        FindAsync(async c => (await Context.GetStreamAsync(stream, cancellationToken: c)).Info, ["STREAM", "INFO", stream], ct);

    /// <summary>Makes a stream.</summary>
    public Task<StreamInfo> CreateStreamAsync(StreamConfig config, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(config);
        return CallAsync(async c => (await Context.CreateStreamAsync(config, c)).Info, ["STREAM", "CREATE", config.Name!], ct);
    }

    /// <summary>How many messages a stream has of each subject that the filter covers; empty when there is no such stream.</summary>
    public async Task<IDictionary<string, long>> CountSubjectsAsync(string stream, string filter, CancellationToken ct) =>
        (await FindAsync(async c => (await Context.GetStreamAsync(stream, new() { SubjectsFilter = filter }, c)).Info, ["STREAM", "INFO", stream], ct))?.State.Subjects
        ?? new Dictionary<string, long>();

    /// <summary>When a stream stored its first message from a sequence on; null when there is none.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="sequence">The sequence, from 1 on.</param>
    /// <param name="filter">Only messages of these subjects; null: any.</param>
    /// <param name="ct">Gives up.</param>
    public async Task<DateTimeOffset?> FindStoredAtAsync(string stream, ulong sequence, string? filter, CancellationToken ct) =>
        (await FindAsync(
            async c => await (await Context.GetStreamAsync(stream, cancellationToken: c)).GetAsync(new() { Seq = sequence, NextBySubj = filter ?? ">" }, c),
            ["STREAM", stream], ct))?.Message.Time;

    /// <summary>The content of a stored message; null when there is none, or this user may not ask for it.</summary>
    internal async Task<byte[]?> FindContentAsync(string stream, ulong sequence, CancellationToken ct)
    {
        try
        {
            return (await FindAsync(
                async c => await (await Context.GetStreamAsync(stream, cancellationToken: c)).GetAsync(new() { Seq = sequence }, c), ["STREAM", stream], ct))?.Message.Data.ToArray();
        }
        catch (NatsDeniedException)
        {
            return null;
        }
    }

    /// <summary>Deletes a stored message, and has the server overwrite its bytes. One that is gone already is no error.</summary>
    internal async Task EraseMessageAsync(string stream, ulong sequence, CancellationToken ct)
    {
        try
        {
            await CallAsync(async c => await Context.DeleteMessageAsync(stream, new() { Seq = sequence, NoErase = false }, c), ["STREAM", "MSG", "DELETE", stream], ct);
        }
        catch (NatsJSApiException e) when (e.Error.ErrCode == NatsErrors.MessageNotDeleted)
        {
            if (await FindContentAsync(stream, sequence, ct) is not null)
                throw;
        }
    }

    /// <summary>The names of the streams that take the subject; null: of all.</summary>
    public Task<IReadOnlyList<string>> ListStreamNamesAsync(string? subject, CancellationToken ct) =>
        CallAsync<IReadOnlyList<string>>(async c => await Context.ListStreamNamesAsync(subject, c).ToArrayAsync(c), ["STREAM", "NAMES"], ct);

    /// <summary>All streams.</summary>
    public Task<IReadOnlyList<StreamInfo>> ListStreamsAsync(CancellationToken ct) =>
        CallAsync<IReadOnlyList<StreamInfo>>(async c => await Context.ListStreamsAsync(cancellationToken: c).Select(s => s.Info).ToArrayAsync(c), ["STREAM", "LIST"], ct);

    /// <summary>All consumers of a stream.</summary>
    public Task<IReadOnlyList<ConsumerInfo>> ListConsumersAsync(string stream, CancellationToken ct) =>
        CallAsync<IReadOnlyList<ConsumerInfo>>(async c => await Context.ListConsumersAsync(stream, c).Select(s => s.Info).ToArrayAsync(c), ["CONSUMER", "LIST", stream], ct);

    /// <summary>A consumer's configuration and state; null when there is none of that name, or no such stream.</summary>
    public Task<ConsumerInfo?> FindConsumerAsync(string stream, string consumer, CancellationToken ct) =>
        FindAsync(async c => (await Context.GetConsumerAsync(stream, consumer, c)).Info, ["CONSUMER", "INFO", stream, consumer], ct);

    /// <summary>Makes a durable consumer, or changes it.</summary>
    public Task<ConsumerInfo> CreateConsumerAsync(string stream, ConsumerConfig config, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(config);
        string[] tokens = config.DurableName is { } name ? ["CONSUMER", "CREATE", stream, name] : ["CONSUMER", "CREATE", stream];
        return CallAsync(async c => (await Context.CreateOrUpdateConsumerAsync(stream, config, c)).Info, tokens, ct);
    }

    /// <summary>Publishes one message and waits for its ack.</summary>
    /// <returns>The stream that has it, and its sequence there.</returns>
    public Task<PubAckResponse> PublishAsync(string subject, byte[] payload, NatsHeaders? headers, CancellationToken ct) =>
        CallAsync(
            async c =>
            {
                var ack = await Context.PublishAsync(subject, payload, headers: headers, cancellationToken: c);
                return ack.Error is { } error ? throw new NatsJSApiException(error) : ack;
            },
            subject.Split('.'), ct);

    private async Task<T?> FindAsync<T>(Func<CancellationToken, Task<T>> call, string[] tokens, CancellationToken ct)
        where T : class
    {
        try
        {
            return await CallAsync(call, tokens, ct);
        }
        catch (NatsException e) when (e.IsNotFound())
        {
            return null;
        }
    }
}
