using System.Text.Json;

namespace Watchword.Tokens;

/// <summary>The members of a token's payload that mean something here.</summary>
internal enum Member
{
    Other, Subject, Session, Id, Email, Name, Role, IssuedAt, ExpiresAt, NotBefore, Issuer, Audience,
}

/// <summary>
/// The names seen so far in an object, to refuse one that occurs twice: readers differ in which of the two they believe.
/// Known names take no memory.
/// </summary>
internal ref struct MemberNames
{
    private uint _known;
    private HashSet<string>? _others;

    /// <summary>Notes the name that the reader stands on; false if it was there before.</summary>
    public bool Add(ref Utf8JsonReader json, out Member member)
    {
        member = Known(ref json);
        if (member == Member.Other)
            return (_others ??= new(StringComparer.Ordinal)).Add(json.GetString()!);
        var bit = 1u << (int)member;
        var isNew = (_known & bit) == 0;
        _known |= bit;
        return isNew;
    }

    /// <summary>Which member the reader stands on, however its name is escaped.</summary>
    private static Member Known(ref Utf8JsonReader json) =>
        json.ValueTextEquals("sub"u8) ? Member.Subject
        : json.ValueTextEquals("sid"u8) ? Member.Session
        : json.ValueTextEquals("jti"u8) ? Member.Id
        : json.ValueTextEquals("email"u8) ? Member.Email
        : json.ValueTextEquals("name"u8) ? Member.Name
        : json.ValueTextEquals("role"u8) ? Member.Role
        : json.ValueTextEquals("iat"u8) ? Member.IssuedAt
        : json.ValueTextEquals("exp"u8) ? Member.ExpiresAt
        : json.ValueTextEquals("nbf"u8) ? Member.NotBefore
        : json.ValueTextEquals("iss"u8) ? Member.Issuer
        : json.ValueTextEquals("aud"u8) ? Member.Audience
        : Member.Other;
}
