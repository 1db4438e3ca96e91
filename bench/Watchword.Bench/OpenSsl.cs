using System.Runtime.InteropServices;

namespace Watchword.Bench;

/// <summary>OpenSSL's own scrypt, which is what Node.js, and so Better Auth, hashes passwords with.</summary>
internal static partial class OpenSsl
{
    public static void Scrypt(byte[] password, byte[] salt, int n, int r, int p, byte[] key)
    {
        if (EVP_PBE_scrypt(
            password, (nuint)password.Length, salt, (nuint)salt.Length,
            (ulong)n, (ulong)r, (ulong)p, 2UL << 30, key, (nuint)key.Length) != 1)
            throw new InvalidOperationException("OpenSSL refused to hash.");
    }

    [LibraryImport("libcrypto.so.3")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int EVP_PBE_scrypt(
        byte[] password, nuint passwordLength, byte[] salt, nuint saltLength,
        ulong n, ulong r, ulong p, ulong maxMemory, [Out] byte[] key, nuint keyLength);
}
