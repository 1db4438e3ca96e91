using System.Buffers;
using System.Text;

namespace Watchword.Nats;

/// <summary>Reading a header block where it lies: a version line, "name: value" lines, a blank line (ADR-4).</summary>
internal static class HeaderBlock
{
    private static readonly SearchValues<char> NameChars =
        SearchValues.Create([.. Enumerable.Range(33, 94).Select(c => (char)c).Where(c => c != ':')]);

    public static ReadOnlySpan<byte> Empty => "NATS/1.0\r\n\r\n"u8;

    private static ReadOnlySpan<byte> Version => "NATS/1.0"u8;

    public static bool IsName(ReadOnlySpan<char> name) => !name.IsEmpty && !name.ContainsAnyExcept(NameChars);

    public static bool IsValue(ReadOnlySpan<char> value) => !value.ContainsAny('\r', '\n');

    public static void CheckName(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (!IsName(name))
            throw new ArgumentException("A header name is printable ASCII without blanks and colons.", nameof(name));
    }

    public static void CheckValue(ReadOnlySpan<char> value)
    {
        if (!IsValue(value))
            throw new ArgumentException("A header value cannot hold CR or LF.", nameof(value));
    }

    public static void CheckValue(ReadOnlySpan<byte> value)
    {
        if (value.ContainsAny((byte)'\r', (byte)'\n'))
            throw new ArgumentException("A header value cannot hold CR or LF.", nameof(value));
    }

    /// <summary>The inline status of "NATS/1.0 503 No Responders"; zero when the line holds none.</summary>
    public static int Status(ReadOnlySpan<byte> block, out ReadOnlySpan<byte> text)
    {
        text = default;
        if (block.Length < Version.Length + 4 || !block.StartsWith(Version) || block[Version.Length] != (byte)' ')
            return 0;
        var end = block.IndexOf((byte)'\r');
        var line = (end < 0 ? block : block[..end])[Version.Length..].Trim((byte)' ');
        if (line.Length < 3 || !Digits.TryParse(line[..3], out var code))
            return 0;
        text = line[3..].Trim((byte)' ');
        return (int)code;
    }

    public static bool TryGet(ReadOnlySpan<byte> block, ReadOnlySpan<char> name, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (name.Length > 256)
            return false;
        Span<byte> wanted = stackalloc byte[name.Length];
        if (!Encoding.ASCII.TryGetBytes(name, wanted, out _))
            return false;
        var reader = Read(block);
        while (reader.MoveNext())
        {
            if (!reader.Name.SequenceEqual(wanted))
                continue;
            value = reader.Value;
            return true;
        }

        return false;
    }

    public static Reader Read(ReadOnlySpan<byte> block)
    {
        var end = block.IndexOf((byte)'\n');
        return new Reader(end < 0 ? default : block[(end + 1)..]);
    }

    /// <summary>Walks the lines. What is not "name: value" is passed over: a peer's odd header must not end a stream.</summary>
    internal ref struct Reader(ReadOnlySpan<byte> rest)
    {
        private ReadOnlySpan<byte> _rest = rest;

        public ReadOnlySpan<byte> Name { get; private set; }

        public ReadOnlySpan<byte> Value { get; private set; }

        public bool MoveNext()
        {
            while (!_rest.IsEmpty)
            {
                var end = _rest.IndexOf((byte)'\n');
                var line = (end < 0 ? _rest : _rest[..end]).TrimEnd((byte)'\r');
                _rest = end < 0 ? default : _rest[(end + 1)..];
                var colon = line.IndexOf((byte)':');
                if (colon <= 0)
                    continue;
                Name = line[..colon];
                Value = line[(colon + 1)..].Trim((byte)' ');
                return true;
            }

            return false;
        }
    }
}
