using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Watchword.Nats;

/// <summary>
/// Message headers (ADR-4), kept as the very bytes that travel: adding one writes into the block, and nothing is
/// allocated once the block has grown. A publisher clears and reuses one instance for all its messages. Names keep
/// their case and are compared by it; a name may occur more than once. Not safe for several threads at once.
/// </summary>
public sealed class NatsHeaders : IEnumerable<KeyValuePair<string, string>>
{
    private readonly int _start;
    private readonly bool _frozen;
    private volatile bool _closed;
    private byte[] _block;
    private int _length;

    /// <summary>An empty set, to be filled.</summary>
    public NatsHeaders()
    {
        _block = new byte[256];
        Clear();
    }

    /// <summary>A block as it came from the wire; read only from here on.</summary>
    internal NatsHeaders(byte[] block, int start, int length)
    {
        // Shares the message's own array: nothing is copied for a header that nobody reads.
        (_block, _start, _length, _frozen) = (block, start, length, true);
    }

    /// <summary>The code of a status message from the server, such as 503; zero when there is none.</summary>
    public int Status => HeaderBlock.Status(Encoded, out _);

    /// <summary>The text after the status code, such as "No Responders"; empty when there is none.</summary>
    public string StatusText
    {
        get
        {
            HeaderBlock.Status(Encoded, out var text);
            return Encoding.UTF8.GetString(text);
        }
    }

    /// <summary>How many headers there are.</summary>
    public int Count
    {
        get
        {
            var count = 0;
            var reader = HeaderBlock.Read(Encoded);
            while (reader.MoveNext())
                count++;
            return count;
        }
    }

    /// <summary>The size on the wire, in bytes.</summary>
    public int EncodedLength => _length;

    /// <summary>The block as it travels, closing blank line included.</summary>
    /// <exception cref="ObjectDisposedException">They came with a message that was disposed.</exception>
    internal ReadOnlySpan<byte> Encoded
        => _closed ? throw new ObjectDisposedException(objectName: null, "These headers ended with their message, which was disposed.") : _block.AsSpan(_start, _length);

    /// <summary>Nothing was added: the message needs no header block at all.</summary>
    internal bool IsEmpty => _length == HeaderBlock.Empty.Length;

    /// <summary>The first value of <paramref name="name"/>; null when it is absent.</summary>
    public string? this[string name] => TryGet(name, out var value) ? value : null;

    /// <summary>Adds a header after those already there.</summary>
    /// <param name="name">Printable ASCII without blanks and colons.</param>
    /// <param name="value">Any text without CR and LF; blanks around it do not survive the journey.</param>
    /// <exception cref="ArgumentException">The name or the value would break the block.</exception>
    public void Add(string name, string value)
    {
        ArgumentNullException.ThrowIfNull(value);
        HeaderBlock.CheckValue(value);
        var to = Begin(name, Encoding.UTF8.GetMaxByteCount(value.Length));
        End(name, Encoding.UTF8.GetBytes(value, to));
    }

    /// <summary>Adds a header if it can travel; false for one that <see cref="Add(string, string)"/> refuses, as other programs send them.</summary>
    public bool TryAdd(string name, string value)
    {
        if (!HeaderBlock.IsName(name) || !HeaderBlock.IsValue(value))
            return false;
        Add(name, value);
        return true;
    }

    /// <summary>Adds a header whose value is UTF-8 already.</summary>
    /// <inheritdoc cref="Add(string, string)"/>
    public void Add(string name, ReadOnlySpan<byte> value)
    {
        HeaderBlock.CheckValue(value);
        value.CopyTo(Begin(name, value.Length));
        End(name, value.Length);
    }

    /// <summary>Adds a header whose value formats itself: a number, a GUID, a date (ISO 8601 with "O").</summary>
    /// <inheritdoc cref="Add(string, string)"/>
    public void Add<T>(string name, T value, ReadOnlySpan<char> format = default)
        where T : IUtf8SpanFormattable
    {
        Span<byte> text = stackalloc byte[128];
        if (!value.TryFormat(text, out var written, format, System.Globalization.CultureInfo.InvariantCulture))
            throw new ArgumentException("A formatted header value may have 128 bytes at most.", nameof(value));
        Add(name, text[..written]);
    }

    /// <summary>Takes all headers out and keeps the memory.</summary>
    public void Clear()
    {
        ThrowIfFrozen();
        HeaderBlock.Empty.CopyTo(_block);
        _length = HeaderBlock.Empty.Length;
    }

    /// <summary>Finds the first value of <paramref name="name"/>.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out string? value)
    {
        var found = TryGetUtf8(name, out var bytes);
        value = found ? Encoding.UTF8.GetString(bytes) : null;
        return found;
    }

    /// <summary>Finds the first value of <paramref name="name"/> as bytes, valid until these headers change.</summary>
    public bool TryGetUtf8(string name, out ReadOnlySpan<byte> value) => HeaderBlock.TryGet(Encoded, name, out value);

    /// <summary>All headers, in the order in which they were added.</summary>
    public IEnumerator<KeyValuePair<string, string>> GetEnumerator() => ToList().GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Becomes what the others are; empty for null.</summary>
    internal void CopyFrom(NatsHeaders? others)
    {
        Clear();
        if (others is null)
            return;
        if (others._length > _block.Length)
            _block = new byte[others._length * 2];
        others.Encoded.CopyTo(_block);
        _length = others._length;
    }

    /// <summary>Their memory belongs to another message from here on.</summary>
    internal void Close() => _closed = true;

    private List<KeyValuePair<string, string>> ToList()
    {
        var all = new List<KeyValuePair<string, string>>();
        var reader = HeaderBlock.Read(Encoded);
        while (reader.MoveNext())
            all.Add(new(Encoding.UTF8.GetString(reader.Name), Encoding.UTF8.GetString(reader.Value)));
        return all;
    }

    /// <summary>Writes the name over the closing blank line; gives the room for the value.</summary>
    private Span<byte> Begin(string name, int valueBytes)
    {
        ThrowIfFrozen();
        HeaderBlock.CheckName(name);
        var needed = _length + name.Length + 2 + valueBytes + 4;
        if (needed > _block.Length)
            Array.Resize(ref _block, Math.Max(needed, _block.Length * 2));
        var at = _length - 2;
        at += Encoding.ASCII.GetBytes(name, _block.AsSpan(at));
        ": "u8.CopyTo(_block.AsSpan(at));
        return _block.AsSpan(at + 2);
    }

    private void End(string name, int valueBytes)
    {
        var at = _length - 2 + name.Length + 2 + valueBytes;
        "\r\n\r\n"u8.CopyTo(_block.AsSpan(at));
        _length = at + 4;
    }

    private void ThrowIfFrozen()
    {
        if (_frozen)
            throw new InvalidOperationException("The headers of a received message cannot be changed.");
    }
}
