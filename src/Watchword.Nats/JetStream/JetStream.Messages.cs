namespace Watchword.Nats;

/// <content>Single stored messages.</content>
public sealed partial class JetStream
{
    /// <summary>The message at a sequence; null when it is not there (any more) or there is no such stream.</summary>
    public Task<StoredMessage?> GetMessageAsync(string stream, ulong sequence, CancellationToken ct = default)
        => GetAsync(stream, new GetMessageRequest(sequence, LastBySubj: null), ct);

    /// <summary>The newest message of a subject, which may hold wildcards; null when there is none.</summary>
    public Task<StoredMessage?> GetLastMessageAsync(string stream, string subject, CancellationToken ct = default)
        => GetAsync(stream, new GetMessageRequest(Seq: null, subject), ct);

    /// <summary>
    /// As <see cref="GetMessageAsync"/>, but from whichever replica is nearest rather than the leader: cheaper, and
    /// perhaps a moment old. The stream must have <see cref="StreamConfig.AllowDirect"/>.
    /// </summary>
    /// <exception cref="NatsException">The stream does not allow it (never transient), or what <see cref="NatsConnection.RequestAsync"/> throws.</exception>
    public Task<StoredMessage?> GetDirectMessageAsync(string stream, ulong sequence, CancellationToken ct = default)
        => GetDirectAsync(stream, Json(new GetMessageRequest(sequence, LastBySubj: null), JetStreamJson.Default.GetMessageRequest), ct);

    /// <summary>As <see cref="GetLastMessageAsync"/>, but from whichever replica is nearest. The stream must have <see cref="StreamConfig.AllowDirect"/>.</summary>
    /// <inheritdoc cref="GetDirectMessageAsync"/>
    public Task<StoredMessage?> GetLastDirectMessageAsync(string stream, string subject, CancellationToken ct = default)
        => GetDirectAsync(stream, Json(new GetMessageRequest(Seq: null, subject), JetStreamJson.Default.GetMessageRequest), ct);

    /// <summary>Deletes one message; false when it is not there (any more) or there is no such stream.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="sequence">The message's place in it.</param>
    /// <param name="erase">Whether its bytes in the store are overwritten too, which takes longer.</param>
    /// <param name="ct">Gives up waiting for the answer.</param>
    public async Task<bool> DeleteMessageAsync(string stream, ulong sequence, bool erase = false, CancellationToken ct = default)
    {
        var body = Json(new DeleteMessageRequest(sequence, NoErase: !erase), JetStreamJson.Default.DeleteMessageRequest);
        try
        {
            return await JetStreamApi.FindAsync(Connection, $"STREAM.MSG.DELETE.{Name(stream)}", body, JetStreamJson.Default.ErrorResponse, ct) is not null;
        }
        catch (JetStreamApiException e) when (e.ErrorCode == JetStreamApi.MessageDeleteFailed)
        {
            // So a store on disk answers, in words of its own, when the sequence is not there.
            if (await GetMessageAsync(stream, sequence, ct) is null)
                return false;
            throw;
        }
    }

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

    private async Task<StoredMessage?> GetDirectAsync(string stream, byte[] request, CancellationToken ct)
    {
        NatsMessage answer;
        try
        {
            answer = await Connection.RequestAsync($"$JS.API.DIRECT.GET.{Name(stream)}", request, ct: ct);
        }
        catch (NatsException e) when (e is NatsTimeoutException or NatsNoRespondersException)
        {
            // A stream that does not allow it, and one that is not there, are met with silence (2.9) or a 503 (2.10).
            var info = await FindStreamAsync(stream, ct);
            if (info is null)
                return null;
            if (!info.Config.AllowDirect)
                throw new NatsException($"Stream {stream} does not allow direct reads: set {nameof(StreamConfig.AllowDirect)}, or read from its leader.", isTransient: false, e);
            throw;
        }

        return DirectMessage.Read(answer);
    }
}
