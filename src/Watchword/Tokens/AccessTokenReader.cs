using System.Text.Json;
using System.Text.Unicode;

namespace Watchword.Tokens;

/// <summary>What a payload holds: the claims, and the one condition that is not a claim about the user.</summary>
internal readonly record struct AccessTokenContent(AccessTokenClaims Claims, DateTimeOffset NotBefore);

/// <summary>Reads the JSON of a token whose signature holds.</summary>
/// <exception cref="JsonException">Thrown by each method for text that is not JSON.</exception>
/// <exception cref="InvalidOperationException">Thrown by each method for a string that is not Unicode.</exception>
internal static class AccessTokenReader
{
    // The last second that DateTimeOffset knows, in the year 9999.
    private const long MaxSeconds = 253_402_300_799;

    /// <summary>Exactly HS256; <c>typ</c>, if there, is JWT; nothing that must be understood (<c>crit</c>).</summary>
    public static bool IsOurHeader(ReadOnlySpan<byte> header)
    {
        if (header.SequenceEqual("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"u8))
            return true;
        if (!Utf8.IsValid(header))
            return false;
        var json = new Utf8JsonReader(header);
        var members = new MemberNames();
        var isHs256 = false;
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
            return false;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            if (!members.Add(ref json, out _) || json.ValueTextEquals("crit"u8))
                return false;
            var isAlgorithm = json.ValueTextEquals("alg"u8);
            var isType = json.ValueTextEquals("typ"u8);
            json.Read();
            if (isAlgorithm)
                isHs256 = json.TokenType == JsonTokenType.String && json.ValueTextEquals("HS256"u8);
            else if (isType && !IsJwt(ref json))
                return false;
            json.Skip();
        }

        return isHs256 && IsAtEnd(ref json);
    }

    /// <summary>The content, if all required claims are there, are well formed, and name this issuer and audience.</summary>
    public static AccessTokenContent? Read(ReadOnlySpan<byte> payload, string issuer, string audience)
    {
        if (!Utf8.IsValid(payload))
            return null;
        var json = new Utf8JsonReader(payload);
        var members = new MemberNames();
        string? subject = null, session = null, id = null, email = null, name = null, role = null;
        long? issued = null, expires = null;
        long notBefore = 0;
        bool isIssuer = false, isAudience = false;

        if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
            return null;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            if (!members.Add(ref json, out var member))
                return null;
            json.Read();
            var isRight = member switch
            {
                Member.Subject => TryText(ref json, out subject),
                Member.Session => TryText(ref json, out session),
                Member.Id => TryText(ref json, out id),
                Member.Email => TryText(ref json, out email),
                Member.Name => json.TokenType == JsonTokenType.Null || TryText(ref json, out name),
                Member.Role => json.TokenType == JsonTokenType.Null || TryText(ref json, out role),
                Member.IssuedAt => (issued = Seconds(ref json)) is not null,
                Member.ExpiresAt => (expires = Seconds(ref json)) is not null,
                Member.NotBefore => Seconds(ref json) is { } seconds && (notBefore = seconds) >= 0,
                Member.Issuer => isIssuer = json.TokenType == JsonTokenType.String && json.ValueTextEquals(issuer),
                Member.Audience => isAudience = HasAudience(ref json, audience),
                _ => json.TrySkip(),
            };
            if (!isRight)
                return null;
        }

        if (!IsAtEnd(ref json) || !isIssuer || !isAudience || subject is null || session is null || id is null
            || email is null || issued is not { } from || expires is not { } until)
            return null;
        var claims = new AccessTokenClaims
        {
            Subject = subject,
            SessionId = session,
            TokenId = id,
            Email = email,
            Name = name,
            Role = role,
            IssuedAt = DateTimeOffset.FromUnixTimeSeconds(from),
            ExpiresAt = DateTimeOffset.FromUnixTimeSeconds(until),
            Issuer = issuer,
            Audience = audience,
        };
        return new AccessTokenContent(claims, DateTimeOffset.FromUnixTimeSeconds(notBefore));
    }

    private static bool IsJwt(ref Utf8JsonReader json) =>
        json.TokenType == JsonTokenType.String
        && string.Equals(json.GetString(), "JWT", StringComparison.OrdinalIgnoreCase);

    private static bool TryText(ref Utf8JsonReader json, out string? text)
    {
        text = json.TokenType == JsonTokenType.String ? json.GetString() : null;
        return text is not null;
    }

    /// <summary>A NumericDate, which may have a fraction (RFC 7519, section 2), cut to the second.</summary>
    private static long? Seconds(ref Utf8JsonReader json)
    {
        if (json.TokenType != JsonTokenType.Number)
            return null;
        if (json.TryGetInt64(out var whole))
            return whole is >= 0 and <= MaxSeconds ? whole : null;
        return json.TryGetDouble(out var real) && real is >= 0 and <= MaxSeconds ? (long)real : null;
    }

    /// <summary><c>aud</c> is a string or an array of strings.</summary>
    private static bool HasAudience(ref Utf8JsonReader json, string audience)
    {
        if (json.TokenType == JsonTokenType.String)
            return json.ValueTextEquals(audience);
        if (json.TokenType != JsonTokenType.StartArray)
            return false;
        var found = false;
        while (json.Read() && json.TokenType == JsonTokenType.String)
            found |= json.ValueTextEquals(audience);
        return found && json.TokenType == JsonTokenType.EndArray;
    }

    private static bool IsAtEnd(ref Utf8JsonReader json) => json.TokenType == JsonTokenType.EndObject && !json.Read();
}
