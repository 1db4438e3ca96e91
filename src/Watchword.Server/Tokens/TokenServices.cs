using Watchword.Server.Configuration;
using Watchword.Tokens;

namespace Watchword.Server.Tokens;

/// <summary>Registers the token API.</summary>
internal static class TokenServices
{
    public static void AddTokenApi(this IServiceCollection services, ServerOptions options)
    {
        var origin = options.Url.GetLeftPart(UriPartial.Authority);
        // An access token must not outlive its session.
        var lifetime = options.AccessTokenLifetime < options.SessionLifetime ? options.AccessTokenLifetime : options.SessionLifetime;
        services.AddSingleton(new AccessTokenOptions { Secret = options.Secret!, Issuer = origin, Audience = origin, Lifetime = lifetime });
        services.AddSingleton<AccessTokenIssuer>();
        services.AddSingleton<AccessTokenVerifier>();
        services.AddSingleton(new RefreshTokens(options.Secret!));
        services.AddSingleton(new TokenOptions(options.SessionLifetime));
        services.AddSingleton<TokenService>();
    }
}
