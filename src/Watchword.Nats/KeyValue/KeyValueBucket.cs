namespace Watchword.Nats;

/// <summary>
/// A key-value bucket in JetStream (ADR-8): the newest value of each key and, if wanted, some before it; conditional
/// writes by revision; watches. Interoperates with every official client. Many threads may use it.
/// </summary>
/// <remarks>
/// Reads go to whichever replica is nearest and may be a moment old. Every call throws what
/// <see cref="NatsConnection.RequestAsync"/> throws, and <see cref="ArgumentException"/> for a key that is not letters,
/// digits and <c>-/_=.</c>, or has a dot at its start, its end, or beside another.
/// </remarks>
public sealed partial class KeyValueBucket
{
    internal const string OperationHeader = "KV-Operation";

    private readonly JetStream _jetStream;
    private readonly string _stream;
    private readonly string _prefix;
    private readonly bool _direct;

    internal KeyValueBucket(JetStream jetStream, StreamConfig stream)
    {
        _jetStream = jetStream;
        Name = KeyValueConfig.Of(stream).Bucket;
        (_stream, _prefix, _direct) = (stream.Name, $"$KV.{Name}.", stream.AllowDirect);
    }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>The newest value of a key; null when it does not exist (any more).</summary>
    public async Task<KeyValueEntry?> GetAsync(string key, CancellationToken ct = default)
    {
        var subject = Subject(key);
        var message = await (_direct ? _jetStream.GetLastDirectMessageAsync(_stream, subject, ct) : _jetStream.GetLastMessageAsync(_stream, subject, ct));
        return Value(message, subject);
    }

    /// <summary>The value that a key had at a revision; null when that is not kept, was a deletion, or is another key's.</summary>
    public async Task<KeyValueEntry?> GetAsync(string key, ulong revision, CancellationToken ct = default)
    {
        var subject = Subject(key);
        ArgumentOutOfRangeException.ThrowIfZero(revision);
        var message = await (_direct ? _jetStream.GetDirectMessageAsync(_stream, revision, ct) : _jetStream.GetMessageAsync(_stream, revision, ct));
        return Value(message, subject);
    }

    /// <summary>Gives a key a value; gives the new revision.</summary>
    /// <exception cref="JetStreamApiException">The value is too large for the bucket, or the bucket is full.</exception>
    public async Task<ulong> PutAsync(string key, ReadOnlyMemory<byte> value, CancellationToken ct = default)
        => (await _jetStream.PublishAsync(Subject(key), value, ct: ct)).Sequence;

    /// <summary>Gives a key that does not exist (any more) its value; gives the revision. Of several that try at once one succeeds.</summary>
    /// <exception cref="NatsKeyRevisionException">The key exists.</exception>
    public async Task<ulong> CreateAsync(string key, ReadOnlyMemory<byte> value, CancellationToken ct = default)
    {
        try
        {
            return await WriteAsync(key, value, operation: null, expected: 0, ct);
        }
        catch (NatsKeyRevisionException e)
        {
            // What is there may be the mark of a deletion; asked of the leader, since a replica may not know yet.
            var last = await _jetStream.GetLastMessageAsync(_stream, Subject(key), ct);
            if (last is not null && KeyValueEntry.OperationOf(last.Headers) == KeyValueOperation.Put)
                throw;
            try
            {
                return await WriteAsync(key, value, operation: null, last?.Sequence ?? 0, ct);
            }
            catch (NatsKeyRevisionException)
            {
                throw e; // another was first, also after the deletion
            }
        }
    }

    /// <summary>Gives a key a new value if it is still at a revision; gives the new one.</summary>
    /// <exception cref="NatsKeyRevisionException">The key is at another revision.</exception>
    public Task<ulong> UpdateAsync(string key, ReadOnlyMemory<byte> value, ulong expectedRevision, CancellationToken ct = default)
        => WriteAsync(key, value, operation: null, expectedRevision, ct);

    /// <summary>Deletes a key and leaves its history; a key that does not exist is success. Gives the revision of the deletion.</summary>
    /// <param name="key">The key.</param>
    /// <param name="expectedRevision">Only if it is still at this revision.</param>
    /// <param name="ct">Gives up waiting for the answer.</param>
    /// <exception cref="NatsKeyRevisionException">The key is at another revision.</exception>
    public Task<ulong> DeleteAsync(string key, ulong? expectedRevision = null, CancellationToken ct = default)
        => WriteAsync(key, default, "DEL", expectedRevision, ct);

    /// <summary>Deletes a key with its history; a key that does not exist is success. Gives the revision of the deletion.</summary>
    /// <inheritdoc cref="DeleteAsync"/>
    public Task<ulong> PurgeAsync(string key, ulong? expectedRevision = null, CancellationToken ct = default)
        => WriteAsync(key, default, "PURGE", expectedRevision, ct);

    /// <summary>The bucket as it stands; null when it was deleted.</summary>
    public async Task<KeyValueStatus?> GetStatusAsync(CancellationToken ct = default)
        => await _jetStream.FindStreamAsync(_stream, ct) is { } stream
            ? new KeyValueStatus(KeyValueConfig.Of(stream.Config), stream.State.Messages, stream.State.Bytes)
            : null;

    private string Subject(string key)
    {
        KeyValueKey.Check(key);
        return _prefix + key;
    }

    private async Task<ulong> WriteAsync(
        string key, ReadOnlyMemory<byte> value, string? operation, ulong? expected, CancellationToken ct)
    {
        var subject = Subject(key);
        var headers = new NatsHeaders();
        if (operation is not null)
            headers.Add(OperationHeader, operation);
        if (operation is "PURGE")
            headers.Add("Nats-Rollup", "sub");
        if (expected is { } revision)
            headers.Add("Nats-Expected-Last-Subject-Sequence", revision);
        try
        {
            return (await _jetStream.PublishAsync(subject, value, headers, ct)).Sequence;
        }
        catch (JetStreamApiException e) when (expected is not null && e.ErrorCode is JetStreamApi.WrongLastSequence or JetStreamApi.WrongLastSequenceReplicated)
        {
            throw new NatsKeyRevisionException(Name, key, expected.GetValueOrDefault(), e);
        }
    }

    /// <summary>A message as an entry, if it is a value of that key.</summary>
    private KeyValueEntry? Value(StoredMessage? message, string subject)
        => message is null || message.Subject != subject || KeyValueEntry.OperationOf(message.Headers) != KeyValueOperation.Put ? null : new KeyValueEntry
        {
            Bucket = Name,
            Key = subject[_prefix.Length..],
            Value = message.Payload,
            Revision = message.Sequence,
            Created = message.Timestamp,
        };
}
