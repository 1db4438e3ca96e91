using System.Runtime.InteropServices;

namespace Watchword.Tests.Passwords;

/// <summary>OpenSSL's scrypt, for comparison.</summary>
internal static partial class OpenSsl
{
    public static byte[] Scrypt(byte[] password, byte[] salt, int n, int r, int p, int length)
    {
        var key = new byte[length];
        // A null pointer would mean "no password"; an empty array is marshalled as a valid pointer with length 0.
        var ok = EVP_PBE_scrypt(
            password.Length == 0 ? [0] : password, (nuint)password.Length,
            salt.Length == 0 ? [0] : salt, (nuint)salt.Length,
            (ulong)n, (ulong)r, (ulong)p, 2UL << 30, key, (nuint)length);
        Assert.Equal(1, ok);
        return key;
    }

    [LibraryImport("libcrypto.so.3")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int EVP_PBE_scrypt(
        byte[] password, nuint passwordLength, byte[] salt, nuint saltLength,
        ulong n, ulong r, ulong p, ulong maxMemory, [Out] byte[] key, nuint keyLength);
}
