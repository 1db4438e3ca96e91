using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Watchword.Tokens;

/// <summary>
/// Verifies access tokens: HS256 and nothing else (RFC 7515, RFC 7519, and the practices of RFC 8725). Whether a token is
/// revoked is not its business. Safe for use by several threads.
/// </summary>
public sealed class AccessTokenVerifier
{
    /// <summary>The longest token that is looked at, in characters.</summary>
    public const int MaxLength = 8192;

    /// <summary>How far ahead of our clock a token may have been issued, beyond the options' skew.</summary>
    internal static readonly TimeSpan MaxIssuedAhead = TimeSpan.FromMinutes(1);

    // 32 bytes in base64url without padding.
    private const int SignatureLength = 43;
    private const int OnStack = 1024;

    private static readonly SearchValues<byte> Alphabet = SearchValues.Create(AlphabetInOrder);

    private readonly AccessTokenOptions _options;
    private readonly TimeProvider _time;
    private readonly byte[] _key;

    private static ReadOnlySpan<byte> AlphabetInOrder => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"u8;

    /// <summary>Creates a verifier.</summary>
    /// <param name="options">Secret, issuer, audience and clock skew.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="ArgumentException">The options are not valid; says all that is wrong.</exception>
    public AccessTokenVerifier(AccessTokenOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.ThrowIfInvalid();
        _options = options;
        _time = time;
        _key = Encoding.UTF8.GetBytes(options.Secret);
    }

    /// <summary>Whether the token holds, and what it says. Never throws, whatever the text.</summary>
    /// <param name="token">The token as it came, without "Bearer"; a null string is an empty one.</param>
    public AccessTokenResult Verify(ReadOnlySpan<char> token)
    {
        if (token.Length is < SignatureLength + 3 or > MaxLength)
            return AccessTokenResult.Invalid;

        var rented = token.Length > OnStack ? ArrayPool<byte>.Shared.Rent(token.Length) : null;
        try
        {
            var bytes = rented ?? stackalloc byte[OnStack];
            return Ascii.FromUtf16(token, bytes, out var length) == OperationStatus.Done
                ? Verify(bytes[..length])
                : AccessTokenResult.Invalid;
        }
        finally
        {
            if (rented is not null)
                ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <summary>Verifies in place; decodes header and payload over their own text.</summary>
    private AccessTokenResult Verify(Span<byte> token)
    {
        var signed = token[..^(SignatureLength + 1)];
        if (token[signed.Length] != '.' || !HasSignature(signed, token[(signed.Length + 1)..]))
            return AccessTokenResult.Invalid;

        // From here on the text is from a holder of the secret; it may still not be an access token.
        var dot = signed.IndexOf((byte)'.');
        if (dot < 0
            || !TryDecode(signed[..dot], out var header)
            || !TryDecode(signed[(dot + 1)..], out var payload))
            return AccessTokenResult.Invalid;
        try
        {
            return AccessTokenReader.IsOurHeader(header)
                && AccessTokenReader.Read(payload, _options.Issuer, _options.Audience) is { } content
                ? Judge(content)
                : AccessTokenResult.Invalid;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // The reader throws for text that is not JSON, and for strings that are not Unicode.
            return AccessTokenResult.Invalid;
        }
    }

    /// <summary>
    /// Compares in base64url, in constant time: a text that decodes to the same bytes but is written differently, with
    /// padding or stray bits, is no signature.
    /// </summary>
    private bool HasSignature(ReadOnlySpan<byte> signed, ReadOnlySpan<byte> signature)
    {
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        Span<byte> expected = stackalloc byte[SignatureLength];
        HMACSHA256.HashData(_key, signed, hash);
        Base64Url.EncodeToUtf8(hash, expected);
        return CryptographicOperations.FixedTimeEquals(expected, signature);
    }

    private AccessTokenResult Judge(AccessTokenContent content)
    {
        var now = _time.GetUtcNow();
        if (content.NotBefore > now + _options.ClockSkew
            || content.Claims.IssuedAt > now + _options.ClockSkew + MaxIssuedAhead)
            return AccessTokenResult.Invalid;
        return now - _options.ClockSkew >= content.Claims.ExpiresAt
            ? AccessTokenResult.Expired
            : AccessTokenResult.Valid(content.Claims);
    }

    /// <summary>base64url as RFC 7515 has it: no padding, no white space, no bits beyond the last byte.</summary>
    private static bool TryDecode(Span<byte> text, out ReadOnlySpan<byte> decoded)
    {
        decoded = default;
        if (text.IsEmpty || text.Length % 4 == 1)
            return false;
        if (text.ContainsAnyExcept(Alphabet))
            return false;
        // The last character of a rest of two or three carries four or two bits that belong to no byte.
        var strayBits = (text.Length % 4) switch { 2 => 0b1111, 3 => 0b11, _ => 0 };
        if ((AlphabetInOrder.IndexOf(text[^1]) & strayBits) != 0)
            return false;
        decoded = text[..Base64Url.DecodeFromUtf8InPlace(text)];
        return true;
    }
}
