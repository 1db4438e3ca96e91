using System.Runtime.InteropServices;

namespace Watchword.Server.Passwords;

/// <summary>
/// The working memory of one hashing thread: allocated at the first hash, reused by the next, freed by
/// <see cref="Release"/>. Not thread-safe.
/// </summary>
/// <remarks>
/// On Linux it is mapped directly from the kernel: <c>free</c> might keep it in the process, and the kernel zeroes it
/// before any other process can read it. It asks for pages of 2 MiB, which make first use cheaper, and stays out of core
/// dumps. Only the lanes in use are ever touched, so a single hash costs a single hash's memory.
/// </remarks>
internal sealed unsafe partial class ScryptMemory(long maxBytes) : IDisposable
{
    private const nuint HugePage = 2 << 20;

    private byte* _mapping;
    private nuint _mapped;

    /// <summary>Whether memory is held now.</summary>
    public bool IsHeld => _mapping != null;

    /// <summary>How many mixings of this cost fit at once: at least 1, whatever the limit.</summary>
    public int LanesFor(ScryptParameters parameters) =>
        (int)Math.Clamp(maxBytes / Math.Max(1, parameters.Memory), 1, ScryptKernel.MaxLanes);

    /// <summary>Uninitialized memory of at least <paramref name="bytes"/>, aligned to 2 MiB.</summary>
    /// <exception cref="InvalidOperationException">The system is out of memory.</exception>
    public byte* Take(nuint bytes)
    {
        if (_mapped < bytes + HugePage)
        {
            Release();
            _mapping = Map(bytes + HugePage);
            _mapped = bytes + HugePage;
        }

        return (byte*)(((nuint)_mapping + HugePage - 1) & ~(HugePage - 1));
    }

    /// <summary>Returns the memory to the system. Safe to call twice.</summary>
    public void Release()
    {
        if (_mapping == null)
            return;
        if (OperatingSystem.IsLinux())
        {
            _ = munmap(_mapping, _mapped);
        }
        else
        {
            NativeMemory.Clear(_mapping, _mapped);
            NativeMemory.Free(_mapping);
        }

        _mapping = null;
        _mapped = 0;
    }

    public void Dispose() => Release();

    private static byte* Map(nuint bytes)
    {
        if (!OperatingSystem.IsLinux())
            return (byte*)NativeMemory.Alloc(bytes);

        const int readWrite = 1 | 2, privateAnonymous = 2 | 32, hugePages = 14, dontDump = 16;
        var mapping = mmap(null, bytes, readWrite, privateAnonymous, -1, 0);
        if (mapping == (void*)-1)
            throw new InvalidOperationException("No memory for password hashing: lower PASSWORD_THREADS, or the cost (PASSWORD_LOG_N, PASSWORD_R).");
        // Both are hints.
        _ = madvise(mapping, bytes, hugePages);
        _ = madvise(mapping, bytes, dontDump);
        return (byte*)mapping;
    }

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial void* mmap(void* address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int munmap(void* address, nuint length);

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int madvise(void* address, nuint length, int advice);
}
