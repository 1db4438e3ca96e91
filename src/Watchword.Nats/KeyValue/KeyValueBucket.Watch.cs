using System.Runtime.CompilerServices;

namespace Watchword.Nats;

/// <content>Watching keys, and what follows from it: listing them, and their history.</content>
public sealed partial class KeyValueBucket
{
    /// <summary>
    /// Tells of keys: first what there is, then <c>null</c> once, then each change as it happens, in order, over
    /// reconnects and restarts of the server. It watches while it is enumerated.
    /// </summary>
    /// <param name="filter">A key, or a pattern: <c>*</c> for one token, a final <c>&gt;</c> for one or more. Default: all keys.</param>
    /// <param name="options">What to tell of. Default: the newest revision of each key, deletions included, and all changes.</param>
    /// <param name="ct">Ends the watch.</param>
    /// <exception cref="ArgumentException">The pattern is not valid, or the options exclude each other.</exception>
    /// <exception cref="JetStreamApiException">The bucket was deleted (404).</exception>
    public IAsyncEnumerable<KeyValueEntry?> WatchAsync(string filter = ">", KeyValueWatchOptions? options = null, CancellationToken ct = default)
    {
        KeyValueKey.CheckPattern(filter);
        options ??= new KeyValueWatchOptions();
        options.Validate();
        return WatchAsync(
            new OrderedConsumerOptions { FilterSubject = _prefix + filter, DeliverPolicy = options.DeliverPolicy, HeadersOnly = options.MetaOnly },
            options.IgnoreDeletes,
            ct);
    }

    /// <summary>The keys that exist, in the order of their last change.</summary>
    /// <param name="filter">A pattern as in <see cref="WatchAsync(string, KeyValueWatchOptions?, CancellationToken)"/>.</param>
    /// <param name="ct">Ends the list.</param>
    public async IAsyncEnumerable<string> ListKeysAsync(string filter = ">", [EnumeratorCancellation] CancellationToken ct = default)
    {
        await foreach (var entry in WatchAsync(filter, new KeyValueWatchOptions { IgnoreDeletes = true, MetaOnly = true }, ct))
        {
            if (entry is null)
                yield break;
            yield return entry.Key;
        }
    }

    /// <summary>The revisions of a key that are kept, deletions among them, the oldest first; empty when there are none.</summary>
    public async Task<IReadOnlyList<KeyValueEntry>> GetHistoryAsync(string key, CancellationToken ct = default)
    {
        KeyValueKey.Check(key);
        var history = new List<KeyValueEntry>();
        await foreach (var entry in WatchAsync(key, new KeyValueWatchOptions { IncludeHistory = true }, ct))
        {
            if (entry is null)
                break;
            history.Add(entry);
        }

        return history;
    }

    private async IAsyncEnumerable<KeyValueEntry?> WatchAsync(
        OrderedConsumerOptions options, bool ignoreDeletes, [EnumeratorCancellation] CancellationToken ct)
    {
        await using var messages = await _jetStream.OrderedConsumeAsync(_stream, options, ct);
        var complete = false;
        do
        {
            while (true)
            {
                var entry = messages.TryRead(out var message) ? Entry(message) : null;
                if (entry is not null && !(ignoreDeletes && entry.Operation != KeyValueOperation.Put))
                    yield return entry;
                if (!complete && messages.IsCaughtUp)
                {
                    complete = true;
                    yield return null;
                }

                if (entry is null)
                    break;
            }
        }
        while (await messages.WaitToReadAsync(ct));
    }

    private KeyValueEntry Entry(JetStreamMessage message) => new()
    {
        Bucket = Name,
        Key = message.Subject[_prefix.Length..],
        Value = message.Payload,
        Revision = message.StreamSequence,
        Created = message.Timestamp,
        Operation = KeyValueEntry.OperationOf(message.Headers),
        Delta = message.Pending,
    };
}
