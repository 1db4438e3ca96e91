using System.Runtime.InteropServices;

namespace Watchword.Nats;

/// <summary>
/// Ed25519 signatures (RFC 8032) by the OpenSSL that .NET itself has loaded: the framework offers no Ed25519 of its
/// own. One place, four calls; to be replaced by the framework's as soon as it has one (decision 9).
/// </summary>
internal static partial class Ed25519
{
    public const int SeedLength = 32;
    public const int PublicKeyLength = 32;
    public const int SignatureLength = 64;

    private const string Library = "libcrypto";
    private const int KeyType = 1087; // EVP_PKEY_ED25519

    // The order in which .NET looks for it; the last two are macOS.
    private static readonly string[] FileNames =
        ["libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so", "libcrypto.3.dylib", "libcrypto.dylib"];

    static Ed25519() => NativeLibrary.SetDllImportResolver(
        typeof(Ed25519).Assembly, static (name, _, _) => name == Library ? Find(FileNames) : IntPtr.Zero);

    /// <summary>The public key that belongs to a seed.</summary>
    /// <exception cref="PlatformNotSupportedException">There is no OpenSSL 1.1.1 or later here.</exception>
    public static byte[] PublicKey(ReadOnlySpan<byte> seed)
    {
        using var key = Open(seed);
        var length = (nuint)PublicKeyLength;
        var publicKey = new byte[PublicKeyLength];
        Check(GetRawPublicKey(key, publicKey, ref length), "EVP_PKEY_get_raw_public_key");
        return publicKey;
    }

    /// <summary>Signs with the key that belongs to a seed.</summary>
    /// <exception cref="PlatformNotSupportedException">There is no OpenSSL 1.1.1 or later here.</exception>
    public static byte[] Sign(ReadOnlySpan<byte> seed, ReadOnlySpan<byte> message)
    {
        using var key = Open(seed);
        var context = NewContext();
        try
        {
            var length = (nuint)SignatureLength;
            var signature = new byte[SignatureLength];
            Check(SignInit(context, IntPtr.Zero, IntPtr.Zero, IntPtr.Zero, key), "EVP_DigestSignInit");
            Check(Sign(context, signature, ref length, message, (nuint)message.Length), "EVP_DigestSign");
            return signature;
        }
        finally
        {
            FreeContext(context);
        }
    }

    /// <summary>Loads the first of these libraries that is there.</summary>
    /// <exception cref="PlatformNotSupportedException">None is; the message names the remedy.</exception>
    internal static IntPtr Find(IReadOnlyList<string> fileNames)
    {
        foreach (var fileName in fileNames)
            if (NativeLibrary.TryLoad(fileName, out var library))
                return library;
        throw new PlatformNotSupportedException(
            "Nkey and JWT credentials need Ed25519 from OpenSSL 1.1.1 or later, and its libcrypto was not found "
            + $"(looked for {string.Join(", ", fileNames)}). Install it (Debian: apt-get install libssl3), or use user and password, a token or a client certificate.");
    }

    private static KeyHandle Open(ReadOnlySpan<byte> seed)
    {
        if (seed.Length != SeedLength)
            throw new ArgumentException($"An Ed25519 seed has {SeedLength} bytes.", nameof(seed));
        var key = NewPrivateKey(KeyType, IntPtr.Zero, seed, (nuint)seed.Length);
        return key.IsInvalid ? throw new PlatformNotSupportedException("This OpenSSL offers no Ed25519 (a FIPS-only build does not).") : key;
    }

    private static void Check(int result, string call)
    {
        if (result != 1)
            throw new PlatformNotSupportedException($"OpenSSL refused {call}.");
    }

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_new_raw_private_key")]
    private static partial KeyHandle NewPrivateKey(int type, IntPtr engine, ReadOnlySpan<byte> key, nuint length);

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_get_raw_public_key")]
    private static partial int GetRawPublicKey(KeyHandle key, Span<byte> to, ref nuint length);

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_free")]
    private static partial void FreeKey(IntPtr key);

    [LibraryImport(Library, EntryPoint = "EVP_MD_CTX_new")]
    private static partial IntPtr NewContext();

    [LibraryImport(Library, EntryPoint = "EVP_MD_CTX_free")]
    private static partial void FreeContext(IntPtr context);

    [LibraryImport(Library, EntryPoint = "EVP_DigestSignInit")]
    private static partial int SignInit(IntPtr context, IntPtr keyContext, IntPtr digest, IntPtr engine, KeyHandle key);

    [LibraryImport(Library, EntryPoint = "EVP_DigestSign")]
    private static partial int Sign(IntPtr context, Span<byte> to, ref nuint length, ReadOnlySpan<byte> message, nuint messageLength);

    private sealed class KeyHandle() : SafeHandle(IntPtr.Zero, ownsHandle: true)
    {
        public override bool IsInvalid => handle == IntPtr.Zero;

        protected override bool ReleaseHandle()
        {
            FreeKey(handle);
            return true;
        }
    }
}
