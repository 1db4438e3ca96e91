using System.Buffers;
using System.Text;

namespace Watchword.Nats;

/// <summary>A subject to write, either as text or as bytes that came from the wire; empty for none.</summary>
internal readonly ref struct SubjectText
{
    private static readonly SearchValues<char> Forbidden = SearchValues.Create(" \t\r\n\f\v\0");

    private readonly ReadOnlySpan<char> _chars;
    private readonly ReadOnlySpan<byte> _bytes;

    public SubjectText(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    private SubjectText(ReadOnlySpan<char> chars) => _chars = chars;

    public bool IsEmpty => _chars.IsEmpty && _bytes.IsEmpty;

    /// <summary>An upper bound of the bytes that <see cref="Write"/> needs.</summary>
    public int MaxBytes => _bytes.Length + _chars.Length * 3;

    /// <summary>Takes a caller's subject, refusing what would break the line it is written into.</summary>
    /// <exception cref="ArgumentException">The subject is empty, too long, or holds white space or an empty token.</exception>
    public static SubjectText Checked(string subject)
    {
        Check(subject, nameof(subject));
        return new SubjectText(subject.AsSpan());
    }

    /// <inheritdoc cref="Checked"/>
    public static SubjectText CheckedOrNone(string? subject) => subject is null ? default : Checked(subject);

    /// <summary>Refuses white space, control line breaks, empty tokens and more than 1,024 characters.</summary>
    public static void Check(string subject, string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(subject, name);
        if (subject.Length > 1024)
            throw new ArgumentException("A subject may have 1,024 characters at most.", name);
        if (subject.AsSpan().ContainsAny(Forbidden))
            throw new ArgumentException($"The subject '{subject.ReplaceLineEndings(" ")}' holds white space.", name);
        if (subject[0] == '.' || subject[^1] == '.' || subject.Contains("..", StringComparison.Ordinal))
            throw new ArgumentException($"The subject '{subject}' has an empty token.", name);
    }

    public int Write(Span<byte> to)
    {
        if (_chars.IsEmpty)
        {
            _bytes.CopyTo(to);
            return _bytes.Length;
        }

        return Encoding.UTF8.GetBytes(_chars, to);
    }
}
