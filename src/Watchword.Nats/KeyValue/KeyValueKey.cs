using System.Buffers;

namespace Watchword.Nats;

/// <summary>What a bucket, a key, and a pattern of keys may look like (ADR-8).</summary>
internal static class KeyValueKey
{
    private const string Letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

    private static readonly SearchValues<char> BucketChars = SearchValues.Create(Letters);
    private static readonly SearchValues<char> KeyChars = SearchValues.Create(Letters + "/=.");

    public static string CheckedBucket(string bucket)
    {
        ArgumentException.ThrowIfNullOrEmpty(bucket);
        return !bucket.AsSpan().ContainsAnyExcept(BucketChars)
            ? bucket
            : throw new ArgumentException($"The bucket's name '{bucket}' may hold letters, digits, '-' and '_' only.", nameof(bucket));
    }

    public static void Check(string key)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        if (key.AsSpan().ContainsAnyExcept(KeyChars))
            throw new ArgumentException($"The key '{key}' may hold letters, digits and '-/_=.' only.", nameof(key));
        CheckTokens(key, nameof(key));
    }

    /// <summary>As a key, but <c>*</c> may stand for one token and a final <c>&gt;</c> for one or more.</summary>
    public static void CheckPattern(string filter)
    {
        ArgumentException.ThrowIfNullOrEmpty(filter);
        var tokens = filter.Split('.');
        for (var i = 0; i < tokens.Length; i++)
            if (tokens[i].AsSpan().ContainsAnyExcept(KeyChars) && tokens[i] != "*" && !(tokens[i] == ">" && i == tokens.Length - 1))
                throw new ArgumentException($"The pattern '{filter}' may hold letters, digits and '-/_=.', '*' for a token and '>' at its end only.", nameof(filter));
        CheckTokens(filter, nameof(filter));
    }

    private static void CheckTokens(string key, string name)
    {
        if (key[0] == '.' || key[^1] == '.' || key.Contains("..", StringComparison.Ordinal))
            throw new ArgumentException($"The key '{key}' has a dot too many: at its start, its end, or beside another.", name);
        if (key.StartsWith("_kv", StringComparison.Ordinal))
            throw new ArgumentException($"The key '{key}' begins with _kv, which is reserved.", name);
    }
}
