namespace Watchword.Server.Passwords;

/// <summary>How passwords are hashed: the cost of a new hash, and how much of the machine hashing may take.</summary>
/// <remarks>
/// Memory while logins wait is at most <see cref="Threads"/> × the hashes a thread computes at once × 128·N·r (32 MiB by
/// default), and within <see cref="MemoryMiB"/>; an idle server holds none of it.
/// </remarks>
internal sealed record PasswordOptions
{
    /// <summary>Base-2 logarithm of scrypt's N for new hashes; 14, as Better Auth has it.</summary>
    public int LogN { get; init; } = 14;

    /// <summary>scrypt's block size r for new hashes; 16, as Better Auth has it.</summary>
    public int R { get; init; } = 16;

    /// <summary>scrypt's p for new hashes; 1, as Better Auth has it.</summary>
    public int P { get; init; } = 1;

    /// <summary>Hashing threads, 1..256; by default one less than the processors, so that one is always free for requests.</summary>
    public int Threads { get; init; } = Math.Max(1, Environment.ProcessorCount - 1);

    /// <summary>Requests that may wait for each thread, 1..10000; those beyond are refused at once.</summary>
    public int QueueLength { get; init; } = 64;

    /// <summary>
    /// The most memory, in MiB, that all threads together take for hashing; 0, the default, is a quarter of what the
    /// process may have. With less, fewer hashes are computed side by side; one a thread always is.
    /// </summary>
    public int MemoryMiB { get; init; }

    /// <summary>The cost of a new hash.</summary>
    public ScryptParameters Cost => new(LogN, R, P);

    /// <summary>Bytes of memory for one thread.</summary>
    public long MemoryPerThread =>
        (MemoryMiB > 0 ? (long)MemoryMiB << 20 : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4) / Threads;

    /// <summary>Everything that is wrong with these options; empty if nothing is.</summary>
    public IReadOnlyList<string> Validate()
    {
        var errors = new List<string>();
        if (Cost.Fault() is { } fault)
            errors.Add("Passwords: " + fault);
        else if (!PasswordHash.IsAffordable(Cost))
            errors.Add("Passwords: this cost takes more than 256 MiB or 2^22 block mixings (N·r·p) a hash");
        if (Threads is < 1 or > 256)
            errors.Add("Passwords:Threads must lie within 1..256");
        if (QueueLength is < 1 or > 10_000)
            errors.Add("Passwords:QueueLength must lie within 1..10000");
        if (MemoryMiB < 0)
            errors.Add("Passwords:MemoryMiB must be 0 (a quarter of the memory) or more");
        return errors;
    }
}
