using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Watchword.Nats;

/// <summary>A subject prefix that nobody else has, with numbered tokens under it to tell answers apart.</summary>
internal sealed class Inbox
{
    /// <summary>The longest token: a 64-bit number.</summary>
    public const int MaxTokenLength = 20;

    public const string DefaultPrefix = "_INBOX";

    private const int MaxPrefixLength = 128;

    private readonly byte[] _prefix;

    public Inbox(NatsConnection connection)
    {
        // The name is the only thing that keeps others from answering in our stead, so it is not guessable.
        Name = connection.Options.InboxPrefix + "." + RandomNumberGenerator.GetHexString(24, lowercase: true);
        _prefix = Encoding.ASCII.GetBytes(Name + ".");
    }

    /// <summary>Whether inboxes can begin with it. All begin alike, so that they are known for inboxes wherever they appear.</summary>
    public static bool IsPrefix(string prefix) =>
        prefix.StartsWith(DefaultPrefix, StringComparison.Ordinal) && prefix.Length <= MaxPrefixLength && prefix[^1] != '.' && !prefix.Contains("..", StringComparison.Ordinal)
        && prefix.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.');

    public string Name { get; }

    public string Wildcard => Name + ".*";

    public int MaxSubjectLength => _prefix.Length + MaxTokenLength;

    /// <summary>Writes the subject of <paramref name="token"/>; gives its length.</summary>
    public int Write(long token, Span<byte> to)
    {
        _prefix.CopyTo(to);
        Utf8Formatter.TryFormat(token, to[_prefix.Length..], out var written);
        return _prefix.Length + written;
    }

    public bool TryReadToken(ReadOnlySpan<byte> subject, out long token)
    {
        token = 0;
        return subject.Length > _prefix.Length && Digits.TryParse(subject[_prefix.Length..], out token);
    }
}
