namespace Watchword.Nats;

/// <content>Key-value buckets: made, found, listed, deleted.</content>
public sealed partial class JetStream
{
    /// <summary>Creates a bucket. One that exists with the very same configuration is success.</summary>
    /// <exception cref="ArgumentException">The configuration is not valid.</exception>
    public async Task<KeyValueBucket> CreateBucketAsync(KeyValueConfig config, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        return new KeyValueBucket(this, (await CreateStreamAsync(config.ToStream(), ct)).Config);
    }

    /// <summary>Opens a bucket that exists, whoever created it; null when there is none of that name.</summary>
    public async Task<KeyValueBucket?> FindBucketAsync(string bucket, CancellationToken ct = default)
        => await FindStreamAsync(KeyValueConfig.StreamName(bucket), ct) is { } stream ? new KeyValueBucket(this, stream.Config) : null;

    /// <summary>Deletes a bucket with all its values; false when there is none of that name.</summary>
    public Task<bool> DeleteBucketAsync(string bucket, CancellationToken ct = default)
        => DeleteStreamAsync(KeyValueConfig.StreamName(bucket), ct);

    /// <summary>The names of all buckets.</summary>
    public IAsyncEnumerable<string> ListBucketNamesAsync(CancellationToken ct = default)
        => ListStreamNamesAsync("$KV.*.>", ct).Where(static name => name.StartsWith("KV_", StringComparison.Ordinal)).Select(static name => name["KV_".Length..]);
}
