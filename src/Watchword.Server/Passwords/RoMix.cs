using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Watchword.Server.Passwords;

/// <summary>
/// scryptROMix (RFC 7914, section 5) over several independent hashes at once: as many as <typeparamref name="TRows"/>
/// has lanes in <see cref="One"/>, twice as many in <see cref="Two"/>.
/// </summary>
/// <remarks>
/// A single hash is one long chain of dependent instructions, which leaves most of a core idle; independent hashes fill
/// it. Blocks stay in diagonal order (see <see cref="Salsa20{TRows, T}"/>) throughout. Each lane has its own contiguous
/// V, so that its random read is one contiguous block. The methods are fully optimized at first use; otherwise the first
/// login after a start would take a second in unoptimized code.
/// </remarks>
internal static unsafe class RoMix<TRows, T>
    where TRows : IRows<T>
    where T : unmanaged
{
    /// <summary>How many chunks ahead a lane's random read is prefetched.</summary>
    private const int Ahead = 4;

    /// <summary>Mixes the block of each lane in place.</summary>
    /// <param name="blocks">For each lane a pointer to its block of 128·r bytes, in diagonal order.</param>
    /// <param name="memory">For each lane a pointer to its V: 128·r·N bytes, aligned to 64.</param>
    /// <param name="scratch"><see cref="ScryptKernel.ScratchBytes"/> bytes, aligned to 64.</param>
    /// <param name="n">The cost N, a power of two above 1.</param>
    /// <param name="r">The block size r.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void One(byte** blocks, byte** memory, byte* scratch, uint n, int r)
    {
        var lanes = TRows.Lanes;
        var x = (T*)scratch;
        var y = x + 8 * r;
        var v = stackalloc byte*[lanes];
        nint size = 128 * r;

        for (nint k = 0; k < 2 * r; k++)
            TRows.Load(blocks, k * 64, out x[4 * k], out x[4 * k + 1], out x[4 * k + 2], out x[4 * k + 3]);

        for (uint i = 0; i < n; i += 2)
        {
            Place(memory, v, lanes, (nint)i * size);
            FillOne(x, y, v, r);
            Place(memory, v, lanes, (nint)(i + 1) * size);
            FillOne(y, x, v, r);
        }

        for (uint i = 0; i < n; i += 2)
        {
            Locate(x, memory, v, n, r);
            MixOne(x, y, v, r);
            Locate(y, memory, v, n, r);
            MixOne(y, x, v, r);
        }

        for (nint k = 0; k < 2 * r; k++)
            TRows.Store(blocks, k * 64, x[4 * k], x[4 * k + 1], x[4 * k + 2], x[4 * k + 3]);
    }

    /// <inheritdoc cref="One"/>
    /// <remarks>Two chains of <typeparamref name="TRows"/>, their instructions alternating.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Two(byte** blocks, byte** memory, byte* scratch, uint n, int r)
    {
        var lanes = 2 * TRows.Lanes;
        var x = (T*)scratch;
        var y = x + 16 * r;
        var v = stackalloc byte*[lanes];
        nint size = 128 * r;

        // The second chain's rows follow the first's.
        for (nint k = 0; k < 2 * r; k++)
        {
            TRows.Load(blocks, k * 64, out x[4 * k], out x[4 * k + 1], out x[4 * k + 2], out x[4 * k + 3]);
            var z = x + 8 * r;
            TRows.Load(blocks + TRows.Lanes, k * 64, out z[4 * k], out z[4 * k + 1], out z[4 * k + 2], out z[4 * k + 3]);
        }

        for (uint i = 0; i < n; i += 2)
        {
            Place(memory, v, lanes, (nint)i * size);
            FillTwo(x, y, v, r);
            Place(memory, v, lanes, (nint)(i + 1) * size);
            FillTwo(y, x, v, r);
        }

        for (uint i = 0; i < n; i += 2)
        {
            Locate(x, memory, v, n, r);
            Locate(x + 8 * r, memory + TRows.Lanes, v + TRows.Lanes, n, r);
            MixTwo(x, y, v, r);
            Locate(y, memory, v, n, r);
            Locate(y + 8 * r, memory + TRows.Lanes, v + TRows.Lanes, n, r);
            MixTwo(y, x, v, r);
        }

        for (nint k = 0; k < 2 * r; k++)
        {
            TRows.Store(blocks, k * 64, x[4 * k], x[4 * k + 1], x[4 * k + 2], x[4 * k + 3]);
            var z = x + 8 * r;
            TRows.Store(blocks + TRows.Lanes, k * 64, z[4 * k], z[4 * k + 1], z[4 * k + 2], z[4 * k + 3]);
        }
    }

    /// <summary>Points each lane at the block at <paramref name="offset"/> in its V.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Place(byte** memory, byte** v, int lanes, nint offset)
    {
        for (var lane = 0; lane < lanes; lane++)
            v[lane] = memory[lane] + offset;
    }

    /// <summary>Integerify: each lane's next block of V, chosen by the first word of its last chunk.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Locate(T* x, byte** memory, byte** v, uint n, int r)
    {
        var words = (uint*)(x + 4 * (2 * r - 1));
        for (var lane = 0; lane < TRows.Lanes; lane++)
        {
            v[lane] = memory[lane] + (nint)(words[4 * lane] & (n - 1)) * (128 * r);
            Fetch(v[lane] + 64 * (2 * r - 1));
            for (var k = 0; k < Ahead && k < 2 * r; k++)
                Fetch(v[lane] + 64 * k);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fetch(byte* line)
    {
        if (Sse.IsSupported)
            Sse.Prefetch0(line);
    }

    /// <summary>Stores x in V and writes BlockMix(x) to y.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FillOne(T* x, T* y, byte** v, int r)
    {
        var last = x + 4 * (2 * r - 1);
        var (a0, a1, a2, a3) = (last[0], last[1], last[2], last[3]);
        for (nint k = 0; k < 2 * r; k++)
        {
            var b = x + 4 * k;
            var (b0, b1, b2, b3) = (b[0], b[1], b[2], b[3]);
            TRows.Store(v, k * 64, b0, b1, b2, b3);
            Xor(ref a0, ref a1, ref a2, ref a3, b0, b1, b2, b3);
            Salsa20<TRows, T>.One(ref a0, ref a1, ref a2, ref a3);
            var o = y + 4 * ((k >> 1) + (k & 1) * r);
            Put(o, a0, a1, a2, a3);
        }
    }

    /// <summary>Writes BlockMix(x xor V[j]) to y.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MixOne(T* x, T* y, byte** v, int r)
    {
        var last = x + 4 * (2 * r - 1);
        TRows.Load(v, 64 * (2 * r - 1), out var a0, out var a1, out var a2, out var a3);
        Xor(ref a0, ref a1, ref a2, ref a3, last[0], last[1], last[2], last[3]);
        for (nint k = 0; k < 2 * r; k++)
        {
            if (k + Ahead < 2 * r)
                for (var lane = 0; lane < TRows.Lanes; lane++)
                    Fetch(v[lane] + 64 * (k + Ahead));
            var b = x + 4 * k;
            TRows.Load(v, k * 64, out var b0, out var b1, out var b2, out var b3);
            Xor(ref b0, ref b1, ref b2, ref b3, b[0], b[1], b[2], b[3]);
            Xor(ref a0, ref a1, ref a2, ref a3, b0, b1, b2, b3);
            Salsa20<TRows, T>.One(ref a0, ref a1, ref a2, ref a3);
            var o = y + 4 * ((k >> 1) + (k & 1) * r);
            Put(o, a0, a1, a2, a3);
        }
    }

    /// <inheritdoc cref="FillOne"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FillTwo(T* x, T* y, byte** v, int r)
    {
        var last = x + 4 * (2 * r - 1);
        var (a0, a1, a2, a3) = (last[0], last[1], last[2], last[3]);
        last += 8 * r;
        var (c0, c1, c2, c3) = (last[0], last[1], last[2], last[3]);
        for (nint k = 0; k < 2 * r; k++)
        {
            var b = x + 4 * k;
            TRows.Store(v, k * 64, b[0], b[1], b[2], b[3]);
            Xor(ref a0, ref a1, ref a2, ref a3, b[0], b[1], b[2], b[3]);
            b += 8 * r;
            TRows.Store(v + TRows.Lanes, k * 64, b[0], b[1], b[2], b[3]);
            Xor(ref c0, ref c1, ref c2, ref c3, b[0], b[1], b[2], b[3]);
            Salsa20<TRows, T>.Two(ref a0, ref a1, ref a2, ref a3, ref c0, ref c1, ref c2, ref c3);
            var o = y + 4 * ((k >> 1) + (k & 1) * r);
            Put(o, a0, a1, a2, a3);
            o += 8 * r;
            Put(o, c0, c1, c2, c3);
        }
    }

    /// <inheritdoc cref="MixOne"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MixTwo(T* x, T* y, byte** v, int r)
    {
        var last = x + 4 * (2 * r - 1);
        TRows.Load(v, 64 * (2 * r - 1), out var a0, out var a1, out var a2, out var a3);
        Xor(ref a0, ref a1, ref a2, ref a3, last[0], last[1], last[2], last[3]);
        last += 8 * r;
        TRows.Load(v + TRows.Lanes, 64 * (2 * r - 1), out var c0, out var c1, out var c2, out var c3);
        Xor(ref c0, ref c1, ref c2, ref c3, last[0], last[1], last[2], last[3]);
        for (nint k = 0; k < 2 * r; k++)
        {
            if (k + Ahead < 2 * r)
                for (var lane = 0; lane < 2 * TRows.Lanes; lane++)
                    Fetch(v[lane] + 64 * (k + Ahead));
            var b = x + 4 * k;
            TRows.Load(v, k * 64, out var b0, out var b1, out var b2, out var b3);
            Xor(ref b0, ref b1, ref b2, ref b3, b[0], b[1], b[2], b[3]);
            Xor(ref a0, ref a1, ref a2, ref a3, b0, b1, b2, b3);
            b += 8 * r;
            TRows.Load(v + TRows.Lanes, k * 64, out b0, out b1, out b2, out b3);
            Xor(ref b0, ref b1, ref b2, ref b3, b[0], b[1], b[2], b[3]);
            Xor(ref c0, ref c1, ref c2, ref c3, b0, b1, b2, b3);
            Salsa20<TRows, T>.Two(ref a0, ref a1, ref a2, ref a3, ref c0, ref c1, ref c2, ref c3);
            var o = y + 4 * ((k >> 1) + (k & 1) * r);
            Put(o, a0, a1, a2, a3);
            o += 8 * r;
            Put(o, c0, c1, c2, c3);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Xor(ref T a0, ref T a1, ref T a2, ref T a3, T b0, T b1, T b2, T b3)
    {
        a0 = TRows.Xor(a0, b0);
        a1 = TRows.Xor(a1, b1);
        a2 = TRows.Xor(a2, b2);
        a3 = TRows.Xor(a3, b3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(T* chunk, T row0, T row1, T row2, T row3)
    {
        chunk[0] = row0;
        chunk[1] = row1;
        chunk[2] = row2;
        chunk[3] = row3;
    }
}
