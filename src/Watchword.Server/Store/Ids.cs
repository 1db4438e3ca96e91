using System.Security.Cryptography;

namespace Watchword.Server.Store;

/// <summary>Identifiers in Better Auth's format.</summary>
internal static class Ids
{
    private const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    /// <summary>32 random characters of [a-zA-Z0-9]: 190 bits.</summary>
    public static string New() => RandomNumberGenerator.GetString(Alphabet, 32);
}
