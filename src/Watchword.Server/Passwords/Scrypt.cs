using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Watchword.Server.Passwords;

/// <summary>One key to derive: its input, and the buffer for the key.</summary>
/// <param name="Password">The password's bytes; may be empty.</param>
/// <param name="Salt">The salt's bytes; may be empty.</param>
/// <param name="Key">Filled with the derived key; its length is RFC 7914's dkLen, 1 or more.</param>
internal sealed record ScryptJob(byte[] Password, byte[] Salt, byte[] Key);

/// <summary>scrypt (RFC 7914): a password hash that costs memory as well as time.</summary>
internal static unsafe class Scrypt
{
    /// <summary>For each position of the diagonal order, the word's position in the RFC's order.</summary>
    private static ReadOnlySpan<byte> Diagonal => [0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11];

    private static ReadOnlySpan<byte> InOrder => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    /// <summary>Derives one key on the calling thread, in memory that is allocated and freed by this call.</summary>
    /// <exception cref="ArgumentException">The parameters are not valid.</exception>
    /// <exception cref="InvalidOperationException">The system has too little memory.</exception>
    public static void DeriveKey(byte[] password, byte[] salt, ScryptParameters parameters, byte[] key)
    {
        using var memory = new ScryptMemory(parameters.Memory);
        DeriveKeys([new ScryptJob(password, salt, key)], parameters, memory);
    }

    /// <summary>
    /// Derives several keys of the same cost, as many side by side as the machine and <paramref name="memory"/> allow.
    /// </summary>
    /// <param name="jobs">What to derive; any number.</param>
    /// <param name="parameters">The cost of each.</param>
    /// <param name="memory">Working memory; kept for the next call.</param>
    /// <param name="kernel">The implementation to use, for tests; by default the best for the number of jobs.</param>
    /// <exception cref="ArgumentException">The parameters are not valid.</exception>
    /// <exception cref="InvalidOperationException">The system has too little memory.</exception>
    public static void DeriveKeys(
        IReadOnlyList<ScryptJob> jobs, ScryptParameters parameters, ScryptMemory memory, ScryptKernel? kernel = null)
    {
        parameters.ThrowIfInvalid();

        // The p blocks of one hash are as independent of each other as those of different hashes: all are mixed alike.
        var mixings = jobs.Count * parameters.P;
        var jobBytes = parameters.BlockBytes * parameters.P;
        var blockBytes = (nuint)jobs.Count * (nuint)jobBytes;
        var blocks = (byte*)NativeMemory.AlignedAlloc(blockBytes, 64);
        try
        {
            for (var i = 0; i < jobs.Count; i++)
            {
                var block = new Span<byte>(blocks + (nint)i * jobBytes, jobBytes);
                Rfc2898DeriveBytes.Pbkdf2(jobs[i].Password, jobs[i].Salt, block, 1, HashAlgorithmName.SHA256);
            }

            for (var done = 0; done < mixings;)
            {
                var chosen = kernel ?? ScryptKernel.For(mixings - done, memory.LanesFor(parameters));
                var count = Math.Min(chosen.Lanes, mixings - done);
                Mix(blocks + (nint)done * parameters.BlockBytes, count, parameters, memory, chosen);
                done += count;
            }

            for (var i = 0; i < jobs.Count; i++)
            {
                var block = new Span<byte>(blocks + (nint)i * jobBytes, jobBytes);
                Rfc2898DeriveBytes.Pbkdf2(jobs[i].Password, block, jobs[i].Key, 1, HashAlgorithmName.SHA256);
            }
        }
        finally
        {
            NativeMemory.Clear(blocks, blockBytes);
            NativeMemory.AlignedFree(blocks);
        }
    }

    /// <summary>Mixes <paramref name="count"/> adjacent blocks, at most as many as the kernel has lanes.</summary>
    private static void Mix(byte* blocks, int count, ScryptParameters parameters, ScryptMemory memory, ScryptKernel kernel)
    {
        var order = kernel.IsDiagonal ? Diagonal : InOrder;
        for (var i = 0; i < count; i++)
            ToWords(new Span<byte>(blocks + (nint)i * parameters.BlockBytes, parameters.BlockBytes), order);

        // A lane without a block of its own repeats the first lane's in the same memory: both write the same bytes.
        var blockOf = stackalloc byte*[kernel.Lanes];
        var memoryOf = stackalloc byte*[kernel.Lanes];
        var whole = memory.Take((nuint)count * (nuint)parameters.Memory);
        for (var lane = 0; lane < kernel.Lanes; lane++)
        {
            var source = lane < count ? lane : 0;
            blockOf[lane] = blocks + (nint)source * parameters.BlockBytes;
            memoryOf[lane] = whole + (nint)source * (nint)parameters.Memory;
        }

        var scratchBytes = kernel.ScratchBytes(parameters.R);
        var scratch = (byte*)NativeMemory.AlignedAlloc(scratchBytes, 64);
        kernel.Mix(blockOf, memoryOf, scratch, (uint)parameters.N, parameters.R);
        NativeMemory.Clear(scratch, scratchBytes);
        NativeMemory.AlignedFree(scratch);

        for (var i = 0; i < count; i++)
            ToBytes(new Span<byte>(blocks + (nint)i * parameters.BlockBytes, parameters.BlockBytes), order);
    }

    /// <summary>Little-endian bytes in the RFC's order to the machine's words in the kernel's order, in place.</summary>
    private static void ToWords(Span<byte> blocks, ReadOnlySpan<byte> order)
    {
        Span<uint> words = stackalloc uint[16];
        for (; blocks.Length > 0; blocks = blocks[64..])
        {
            for (var i = 0; i < 16; i++)
                words[i] = BinaryPrimitives.ReadUInt32LittleEndian(blocks[(4 * order[i])..]);
            MemoryMarshal.AsBytes(words).CopyTo(blocks);
        }
    }

    /// <summary>The reverse of <see cref="ToWords"/>.</summary>
    private static void ToBytes(Span<byte> blocks, ReadOnlySpan<byte> order)
    {
        Span<uint> words = stackalloc uint[16];
        for (; blocks.Length > 0; blocks = blocks[64..])
        {
            blocks[..64].CopyTo(MemoryMarshal.AsBytes(words));
            for (var i = 0; i < 16; i++)
                BinaryPrimitives.WriteUInt32LittleEndian(blocks[(4 * order[i])..], words[i]);
        }
    }
}
