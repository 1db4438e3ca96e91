using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Watchword.Events.Outbox;

/// <summary>Which country an address belongs to: lines <c>192.0.2.0/24,NL</c>, IPv4 and IPv6, the longest prefix wins, of two lines for one network the later.</summary>
public sealed class CountryTable
{
    private const int MostFaults = 20;

    // Flat ranges: the i-th begins at _starts[i] and ends where the next begins. IPv4 lies in ::ffff:0:0/96.
    private readonly UInt128[] _starts;
    private readonly string?[] _countries;

    private readonly record struct Network(UInt128 Start, int Prefix, string Country, int Line)
    {
        public UInt128 Last => Prefix == 128 ? Start : Start | (UInt128.MaxValue >> Prefix);
    }

    private CountryTable(List<Network> networks)
    {
        Networks = networks.Count;
        networks.Sort((a, b) => a.Start != b.Start ? a.Start.CompareTo(b.Start) : a.Prefix != b.Prefix ? a.Prefix.CompareTo(b.Prefix) : a.Line.CompareTo(b.Line));
        var (starts, countries) = (new List<UInt128>(), new List<string?>());
        var open = new Stack<Network>();
        foreach (var network in networks)
        {
            CloseUpTo(network.Start);
            Begin(network.Start, network.Country);
            open.Push(network);
        }
        CloseUpTo(null);
        (_starts, _countries) = ([.. starts], [.. countries]);

        void CloseUpTo(UInt128? start)
        {
            while (open.TryPeek(out var inner) && (start is null || inner.Last < start))
            {
                open.Pop();
                if (inner.Last < UInt128.MaxValue)
                    Begin(inner.Last + 1, open.TryPeek(out var outer) ? outer.Country : null);
            }
        }

        void Begin(UInt128 start, string? country)
        {
            // A range of no length: what begins here too takes its place.
            if (starts.Count > 0 && starts[^1] == start)
                countries[^1] = country;
            else
            {
                starts.Add(start);
                countries.Add(country);
            }
        }
    }

    /// <summary>How many networks it knows.</summary>
    public int Networks { get; }

    /// <summary>Reads the lines; adds one fault for each bad one, with its number, up to twenty.</summary>
    public static CountryTable Read(IEnumerable<string> lines, ICollection<string> faults)
    {
        ArgumentNullException.ThrowIfNull(lines);
        var networks = new List<Network>();
        var (number, bad) = (0, 0);
        foreach (var line in lines)
        {
            number++;
            var text = line.AsSpan(0, line.IndexOf('#', StringComparison.Ordinal) is >= 0 and var comment ? comment : line.Length).Trim();
            if (text.IsEmpty)
                continue;
            if (ReadNetwork(text, number) is { } network)
                networks.Add(network);
            else if (++bad <= MostFaults)
                faults.Add($"line {number} is '{text}': expected network and country, for example 192.0.2.0/24,NL");
        }
        if (bad > MostFaults)
            faults.Add($"and {bad - MostFaults} more lines like these");
        return new(networks);
    }

    /// <summary>Two letters; null when no network holds the address.</summary>
    public string? Find(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        var at = Array.BinarySearch(_starts, Number(address));
        at = at >= 0 ? at : ~at - 1;
        return at >= 0 ? _countries[at] : null;
    }

    private static Network? ReadNetwork(ReadOnlySpan<char> text, int line)
    {
        var (slash, comma) = (text.IndexOf('/'), text.IndexOf(','));
        if (slash <= 0 || comma < slash || !IPAddress.TryParse(text[..slash].Trim(), out var address)
            || !int.TryParse(text[(slash + 1)..comma].Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var prefix))
            return null;
        var country = text[(comma + 1)..].Trim();
        var bits = address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
        // "192.168" is an address to the parser, and no network to anyone else; so is "010.0.0.0", which it takes for octal.
        if (prefix > bits || country.Length != 2 || !char.IsAsciiLetterUpper(country[0]) || !char.IsAsciiLetterUpper(country[1]) || (bits == 32 && !text[..slash].Trim().SequenceEqual(address.ToString())))
            return null;
        prefix += 128 - bits;
        var start = prefix == 0 ? UInt128.Zero : Number(address) & (UInt128.MaxValue << (128 - prefix));
        return new(start, prefix, string.Intern(country.ToString()), line);
    }

    private static UInt128 Number(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.MapToIPv6().TryWriteBytes(bytes, out _);
        return BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }
}
