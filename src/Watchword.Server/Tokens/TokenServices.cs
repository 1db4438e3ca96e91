using Watchword.Server.Configuration;

namespace Watchword.Server.Tokens;

/// <summary>Registers the token API.</summary>
internal static class TokenServices
{
    public static void AddTokenApi(this IServiceCollection services, ServerOptions options)
    {
        // An access token must not outlive its session.
        var lifetime = options.AccessTokenLifetime < options.SessionLifetime ? options.AccessTokenLifetime : options.SessionLifetime;
        services.AddSingleton(s => new AccessTokenIssuer(
            options.Secret!, options.Url.GetLeftPart(UriPartial.Authority), lifetime, s.GetRequiredService<TimeProvider>()));
        services.AddSingleton(new RefreshTokens(options.Secret!));
        services.AddSingleton(new TokenOptions(options.SessionLifetime));
        services.AddSingleton(options.Lockout);
        services.AddSingleton<LoginFailures>();
        services.AddSingleton<TokenService>();
    }
}
