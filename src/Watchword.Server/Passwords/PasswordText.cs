using System.Text;
using Watchword.Server.Configuration;

namespace Watchword.Server.Passwords;

/// <summary>Unicode normalization of passwords, as Better Auth does it before hashing.</summary>
internal static class PasswordText
{
    /// <summary>The password in normalization form NFKC, with U+FFFD for each unpaired surrogate.</summary>
    /// <remarks>
    /// .NET refuses to normalize unpaired surrogates; encoding replaces them, as JavaScript's encoder does. Characters
    /// newer than this machine's ICU stay as they are.
    /// </remarks>
    public static string Normalize(string password) => Ascii.IsValid(password)
        ? password
        : Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(password)).Normalize(NormalizationForm.FormKC);

    /// <summary>Refuses a runtime that does not normalize: users with passwords beyond ASCII could not sign in.</summary>
    /// <exception cref="StartException">Globalization is invariant; the message names the setting and the package.</exception>
    public static void ThrowIfNotNormalizing()
    {
        // In invariant mode .NET returns the text unchanged, without an error.
        if (Normalize("\uFB01") != "fi")
            throw new StartException(
                "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT is set, and without Unicode normalization users with passwords beyond ASCII could "
                + "not sign in: remove it (or set it to 0), and install ICU (Debian 12: libicu72; Ubuntu: libicu-dev; Alpine: icu-libs).");
    }
}
