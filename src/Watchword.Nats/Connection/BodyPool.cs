namespace Watchword.Nats;

/// <summary>
/// Arrays for the bodies of received messages. Whoever disposes a message gives its array back here, for the next one;
/// until somebody does, arrays are made to measure. The largest bodies are not kept, and what is kept is bounded.
/// </summary>
internal static class BodyPool
{
    /// <summary>The largest array that is kept, in bytes.</summary>
    public const int Largest = 4096;

    /// <summary>How many bytes are kept at most, for the whole process.</summary>
    public const int MostRetained = 4 * 1024 * 1024;

    private const int Step = 64;

    private static readonly Lock Gate = new();
    private static readonly Stack<byte[]>[] Kept = [.. Enumerable.Range(0, Largest / Step).Select(_ => new Stack<byte[]>())];
    private static volatile bool _used;
    private static int _retained;

    /// <summary>Bytes that lie here unused.</summary>
    public static int Retained => Volatile.Read(ref _retained);

    /// <summary>An array of at least that length, with anything in it.</summary>
    public static byte[] Rent(int length)
    {
        if (length == 0)
            return [];
        if (!_used || length > Largest)
            return GC.AllocateUninitializedArray<byte>(length);
        var place = (length - 1) / Step;
        if (Retained > 0)
        {
            lock (Gate)
            {
                if (Kept[place].TryPop(out var kept))
                {
                    _retained -= kept.Length;
                    return kept;
                }
            }
        }

        return GC.AllocateUninitializedArray<byte>((place + 1) * Step);
    }

    /// <summary>Takes back what <see cref="Rent"/> gave. Nobody may use it any more.</summary>
    public static void Return(byte[] array)
    {
        _used = true;
        if (array.Length is 0 or > Largest || array.Length % Step != 0)
            return;
        lock (Gate)
        {
            if (_retained + array.Length > MostRetained)
                return;
            _retained += array.Length;
            Kept[array.Length / Step - 1].Push(array);
        }
    }
}
