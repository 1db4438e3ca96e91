using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace Watchword.Tests;

/// <summary>Writes small databases of countries in the MaxMind DB format, version 2.0.</summary>
internal static class CountryDatabase
{
    private const int Empty = -1;

    /// <summary>The bytes of a database. Of two networks that hold an address the longer prefix wins.</summary>
    public static byte[] Of(params (string Network, string Country)[] networks) => Of("country", 6, networks);

    /// <param name="member">The record's member that holds the <c>iso_code</c>.</param>
    /// <param name="ipVersion">6, or 4 for a database without IPv6.</param>
    /// <param name="networks">For example ("203.0.113.0/24", "NL").</param>
    public static byte[] Of(string member, int ipVersion, params (string Network, string Country)[] networks)
    {
        var data = new MemoryStream();
        var offsets = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var country in networks.Select(n => n.Country).Distinct())
        {
            offsets[country] = (int)data.Length;
            Write(data, new Dictionary<string, object> { [member] = new Dictionary<string, object> { ["iso_code"] = country } });
        }

        // A node's two children: the index of a node, Empty, or -2 - the offset of a record.
        List<int[]> nodes = [[Empty, Empty]];
        foreach (var (network, country) in networks.OrderBy(n => IPNetwork.Parse(n.Network).PrefixLength))
        {
            var parsed = IPNetwork.Parse(network);
            var bytes = parsed.BaseAddress.GetAddressBytes();
            var isIpv4InIpv6 = ipVersion == 6 && bytes.Length == 4;   // they lie in ::/96
            Insert(nodes, isIpv4InIpv6 ? [.. new byte[12], .. bytes] : bytes, parsed.PrefixLength + (isIpv4InIpv6 ? 96 : 0), -2 - offsets[country]);
        }

        var file = new MemoryStream();
        var record = new byte[4];
        foreach (var child in nodes.SelectMany(n => n))
        {
            BinaryPrimitives.WriteInt32BigEndian(record, child == Empty ? nodes.Count : child >= 0 ? child : nodes.Count + 16 + (-2 - child));
            file.Write(record);
        }
        file.Write(new byte[16]);
        data.WriteTo(file);
        file.Write([0xAB, 0xCD, 0xEF, .. "MaxMind.com"u8]);
        Write(file, new Dictionary<string, object>
        {
            ["node_count"] = (uint)nodes.Count,
            ["record_size"] = (ushort)32,
            ["ip_version"] = (ushort)ipVersion,
            ["database_type"] = "Test-Country",
            ["languages"] = Array.Empty<string>(),
            ["binary_format_major_version"] = (ushort)2,
            ["binary_format_minor_version"] = (ushort)0,
            ["build_epoch"] = 1_700_000_000UL,
            ["description"] = new Dictionary<string, object>(),
        });
        return file.ToArray();
    }

    private static void Insert(List<int[]> nodes, byte[] address, int prefix, int value)
    {
        var node = 0;
        for (var bit = 0; ; bit++)
        {
            var side = (address[bit / 8] >> (7 - bit % 8)) & 1;
            if (bit == prefix - 1)
            {
                nodes[node][side] = value;
                return;
            }
            var next = nodes[node][side];
            if (next < 0)
            {
                // What held the whole of it, if anything, now holds both halves.
                nodes.Add([next, next]);
                nodes[node][side] = nodes.Count - 1;
            }
            node = nodes[node][side];
        }
    }

    private static void Write(MemoryStream to, object value)
    {
        switch (value)
        {
            case string text:
                Control(to, 2, Encoding.UTF8.GetByteCount(text));
                to.Write(Encoding.UTF8.GetBytes(text));
                break;
            case ushort number: Number(to, 5, number, 2); break;
            case uint number: Number(to, 6, number, 4); break;
            case ulong number: Number(to, 9, number, 8); break;
            case string[] list: Control(to, 11, list.Length); break;   // empty ones only
            case Dictionary<string, object> map:
                Control(to, 7, map.Count);
                foreach (var (key, member) in map)
                {
                    Write(to, key);
                    Write(to, member);
                }
                break;
        }
    }

    // Sizes up to 28 fit into the control byte; types from 8 on take another.
    private static void Control(MemoryStream to, int type, int size)
    {
        to.WriteByte((byte)((type < 8 ? type << 5 : 0) | size));
        if (type >= 8)
            to.WriteByte((byte)(type - 7));
    }

    private static void Number(MemoryStream to, int type, ulong number, int bytes)
    {
        Control(to, type, bytes);
        for (var i = bytes - 1; i >= 0; i--)
            to.WriteByte((byte)(number >> (8 * i)));
    }
}
