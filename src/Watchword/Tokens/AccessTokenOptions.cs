using System.Globalization;

namespace Watchword.Tokens;

/// <summary>What the issuer of access tokens and each verifier must agree on.</summary>
public sealed record AccessTokenOptions
{
    /// <summary>The shortest secret that is accepted, in characters.</summary>
    public const int MinSecretLength = 32;

    /// <summary>The shared secret, 32 characters or more; its UTF-8 bytes are the HMAC key.</summary>
    public required string Secret { get; init; }

    /// <summary>The <c>iss</c> of every token; not empty.</summary>
    public required string Issuer { get; init; }

    /// <summary>The <c>aud</c> of every token, or one of them; not empty.</summary>
    public required string Audience { get; init; }

    /// <summary>How long a new token is valid: 1 second to 24 hours, whole seconds count; 15 minutes by default.</summary>
    public TimeSpan Lifetime { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>How far the clocks of issuer and verifier may differ: 0 to 5 minutes; 0 by default.</summary>
    public TimeSpan ClockSkew { get; init; }

    /// <summary>Everything that is wrong with these options; empty if nothing is. Never contains the secret.</summary>
    public IReadOnlyList<string> Validate()
    {
        var errors = new List<string>();
        if (Secret is null || Secret.Length < MinSecretLength)
            errors.Add(string.Create(CultureInfo.InvariantCulture, $"Tokens:Secret must have at least {MinSecretLength} characters"));
        if (string.IsNullOrEmpty(Issuer))
            errors.Add("Tokens:Issuer must not be empty");
        if (string.IsNullOrEmpty(Audience))
            errors.Add("Tokens:Audience must not be empty");
        if (Lifetime < TimeSpan.FromSeconds(1) || Lifetime > TimeSpan.FromHours(24))
            errors.Add("Tokens:Lifetime must lie within 1 second and 24 hours");
        if (ClockSkew < TimeSpan.Zero || ClockSkew > TimeSpan.FromMinutes(5))
            errors.Add("Tokens:ClockSkew must lie within 0 and 5 minutes");
        return errors;
    }

    /// <summary>As every record, but without the secret: options find their way into logs.</summary>
    public override string ToString() =>
        $"AccessTokenOptions {{ Issuer = {Issuer}, Audience = {Audience}, Lifetime = {Lifetime}, ClockSkew = {ClockSkew} }}";

    /// <summary>Refuses options that <see cref="Validate"/> finds fault with.</summary>
    internal void ThrowIfInvalid()
    {
        if (Validate() is { Count: > 0 } errors)
            throw new ArgumentException(string.Join("; ", errors), paramName: null);
    }
}
