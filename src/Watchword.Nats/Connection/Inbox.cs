using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Watchword.Nats;

/// <summary>A subject prefix that nobody else has, with numbered tokens under it to tell answers apart.</summary>
internal sealed class Inbox
{
    /// <summary>The longest token: a 64-bit number.</summary>
    public const int MaxTokenLength = 20;

    private readonly byte[] _prefix;

    public Inbox()
    {
        // The name is the only thing that keeps others from answering in our stead, so it is not guessable.
        Name = "_INBOX." + RandomNumberGenerator.GetHexString(24, lowercase: true);
        _prefix = Encoding.ASCII.GetBytes(Name + ".");
    }

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
