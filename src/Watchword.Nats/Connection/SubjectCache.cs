using System.Text;

namespace Watchword.Nats;

/// <summary>Turns the subjects of inbound messages into strings, the same few over and over. For the read loop only.</summary>
internal sealed class SubjectCache
{
    private const int Slots = 256;
    private readonly (byte[] Utf8, string Text)[] _slots = new (byte[], string)[Slots];

    public string Get(ReadOnlySpan<byte> utf8)
    {
        var hash = new HashCode();
        hash.AddBytes(utf8);
        ref var slot = ref _slots[(uint)hash.ToHashCode() % Slots];
        if (slot.Utf8 is null || !utf8.SequenceEqual(slot.Utf8))
            slot = (utf8.ToArray(), Encoding.UTF8.GetString(utf8));
        return slot.Text;
    }
}
