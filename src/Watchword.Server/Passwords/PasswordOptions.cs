namespace Watchword.Server.Passwords;

/// <summary>How passwords are hashed: the cost of a new hash, and how much of the machine hashing may use.</summary>
/// <remarks>
/// Under load, hashing takes at most <see cref="Threads"/> × the hashes that a thread computes at once × 128·N·r bytes
/// (32 MiB by default), within <see cref="MemoryMiB"/>. An idle server holds none of it.
/// </remarks>
internal sealed record PasswordOptions
{
    /// <summary>Base-2 logarithm of scrypt's N for new hashes; 14, as in Better Auth.</summary>
    public int LogN { get; init; } = 14;

    /// <summary>scrypt's block size r for new hashes; 16, as in Better Auth.</summary>
    public int R { get; init; } = 16;

    /// <summary>scrypt's p for new hashes; 1, as in Better Auth.</summary>
    public int P { get; init; } = 1;

    /// <summary>Hashing threads, 1..256. By default one fewer than the processors, so that one is always free for requests.</summary>
    public int Threads { get; init; } = Math.Max(1, Environment.ProcessorCount - 1);

    /// <summary>Requests that may wait for each thread, 1..10000. More are refused at once.</summary>
    public int QueueLength { get; init; } = 64;

    /// <summary>
    /// The most memory, in MiB, that all threads together use for hashing; 0, the default, is a quarter of what the
    /// process may have. With less memory fewer hashes are computed side by side, but always one for each thread.
    /// </summary>
    public int MemoryMiB { get; init; }

    /// <summary>The cost of a new hash.</summary>
    public ScryptParameters Cost => new(LogN, R, P);

    /// <summary>Bytes of memory for each thread.</summary>
    public long MemoryPerThread =>
        (MemoryMiB > 0 ? (long)MemoryMiB << 20 : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4) / Threads;

    /// <summary>Every fault of these options; empty if there is none.</summary>
    public IReadOnlyList<string> Validate()
    {
        var errors = new List<string>();
        if (Cost.Fault() is { } fault)
            errors.Add("Passwords: " + fault);
        else if (!PasswordHash.IsAffordable(Cost))
            errors.Add("Passwords: this cost takes more than 256 MiB or 2^22 block mixings (N·r·p) for each hash");
        if (Threads is < 1 or > 256)
            errors.Add("Passwords:Threads must lie within 1..256");
        if (QueueLength is < 1 or > 10_000)
            errors.Add("Passwords:QueueLength must lie within 1..10000");
        if (MemoryMiB < 0)
            errors.Add("Passwords:MemoryMiB must be 0 (a quarter of the memory) or more");
        return errors;
    }
}
