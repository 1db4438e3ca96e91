using System.Text.RegularExpressions;

namespace Watchword.Server.Http;

/// <summary>Which e-mail addresses are accepted: the dot-atom form of RFC 5321, which all mail systems accept.</summary>
internal static partial class EmailAddress
{
    // RFC 5321, section 4.5.3.1, with RFC 3696's erratum 1690.
    private const int MaxLength = 254;

    public static bool IsValid(string text) => text.Length <= MaxLength && Shape().IsMatch(text);

    [GeneratedRegex(@"\A(?!\.)(?!.*\.\.)[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}(?<!\.)@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])\z",
        RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Shape();
}
