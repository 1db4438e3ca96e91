using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Watchword.Server.Tokens;

/// <summary>
/// Opaque refresh tokens: 32 random bytes in base64url. Stored as SHA-256; 256 random bits need no salt.
/// </summary>
internal sealed class RefreshTokens(string secret)
{
    /// <summary>The length of a token, in characters.</summary>
    public const int Length = 43;

    private readonly byte[] _key = HKDF.DeriveKey(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(secret), 32, info: "watchword refresh token successor"u8.ToArray());

    public static string New() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));

    public static byte[] Hash(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));

    /// <summary>
    /// The token that replaces this one. It is derived, so that a client whose answer was lost gets the same successor again
    /// although only hashes are stored. Nobody can compute it without the secret.
    /// </summary>
    public string Successor(string token) => Base64Url.EncodeToString(HMACSHA256.HashData(_key, Encoding.UTF8.GetBytes(token)));
}
