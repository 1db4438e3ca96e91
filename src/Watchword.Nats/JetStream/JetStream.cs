using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Watchword.Nats;

/// <summary>
/// JetStream: streams, consumers, publishing with an ack (nats-server 2.9). Every call throws
/// <see cref="JetStreamApiException"/> when the server refuses, and otherwise what
/// <see cref="NatsConnection.RequestAsync"/> throws.
/// </summary>
public sealed partial class JetStream(NatsConnection connection)
{
    private const int PublishAttempts = 3;
    private static readonly TimeSpan PublishRetryDelay = TimeSpan.FromMilliseconds(250);

    /// <summary>What it talks through.</summary>
    public NatsConnection Connection { get; } = connection ?? throw new ArgumentNullException(nameof(connection));

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
                var answer = await Connection.Requests.RequestAsync(subject, payload, headers, Connection.Options.RequestTimeout, ct, "publish");
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

    /// <summary>What this account uses of JetStream, and what it may use.</summary>
    public Task<JetStreamAccountInfo> GetAccountInfoAsync(CancellationToken ct = default)
        => AskAsync("INFO", default, JetStreamJson.Default.JetStreamAccountInfo, ct);

    private static byte[] Json<T>(T value, JsonTypeInfo<T> type) => JsonSerializer.SerializeToUtf8Bytes(value, type);

    /// <summary>A name becomes one token of a subject, so it must be one.</summary>
    private static string Name(string name)
    {
        SubjectText.Check(name, nameof(name));
        if (name.AsSpan().ContainsAny(".*>/\\"))
            throw new ArgumentException($"The name '{name}' holds a dot, wildcard or slash.", nameof(name));
        return name;
    }

    private Task<T> AskAsync<T>(string subject, ReadOnlyMemory<byte> body, JsonTypeInfo<T> type, CancellationToken ct)
        => JetStreamApi.AskAsync(Connection, subject, body, type, ct);

    /// <summary>Walks a list that the server gives in pages.</summary>
    private async IAsyncEnumerable<T> PagesAsync<TPage, T>(
        string subject,
        string? filter,
        JsonTypeInfo<TPage> type,
        Func<TPage, IReadOnlyList<T>?> items,
        [EnumeratorCancellation] CancellationToken ct)
        where TPage : IPage
    {
        for (var offset = 0L; ;)
        {
            var page = await AskAsync(subject, Json(new PageRequest(offset, filter), JetStreamJson.Default.PageRequest), type, ct);
            var found = items(page) ?? [];
            foreach (var item in found)
                yield return item;
            offset += found.Count;
            if (found.Count == 0 || offset >= page.Total)
                yield break;
        }
    }
}
