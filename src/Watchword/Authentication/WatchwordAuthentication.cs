using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Watchword.Authentication;

/// <summary>Authentication by the access tokens of a Watchword server, in any ASP.NET Core backend.</summary>
public static class WatchwordAuthentication
{
    /// <summary>The name of the authentication scheme.</summary>
    public const string Scheme = "Watchword";

    /// <summary>The longest token that is accepted, in characters.</summary>
    public const int MaxTokenLength = 8192;

    /// <summary>
    /// Adds the scheme <see cref="Scheme"/>: a valid Bearer token sets <see cref="HttpContext.User"/>, with the token's
    /// claims under their own names (<c>sub</c>, <c>sid</c>, <c>email</c>, <c>role</c> …), one <c>role</c> claim for each
    /// role. An endpoint that requires authorization answers 401 or 403 as the Watchword server does:
    /// <c>{"error":"Unauthorized","message":"Token expired"}</c>.
    /// </summary>
    /// <param name="builder">What <c>services.AddAuthentication()</c> returned.</param>
    /// <param name="configure">
    /// Sets options. What it leaves out is read from the configuration: <c>BETTER_AUTH_SECRET</c> and <c>BETTER_AUTH_URL</c>.
    /// Invalid options stop the host at its start with an <see cref="OptionsValidationException"/> that names each fault.
    /// </param>
    public static AuthenticationBuilder AddWatchword(this AuthenticationBuilder builder, Action<WatchwordAuthenticationOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var options = builder.Services.AddOptions<WatchwordAuthenticationOptions>();
        if (configure is not null)
            options.Configure(configure);
        options
            .PostConfigure<IConfiguration>(Complete)
            .Validate(o => o.Secret?.Length >= WatchwordAuthenticationOptions.MinSecretLength,
                "Secret is missing or shorter than 32 characters: set BETTER_AUTH_SECRET to the secret of the Watchword server")
            .Validate(o => !string.IsNullOrEmpty(o.Issuer), "Issuer is missing: set BETTER_AUTH_URL to the origin of the Watchword server, such as https://id.example.com")
            .Validate(o => !string.IsNullOrEmpty(o.Audience), "Audience is missing: set BETTER_AUTH_URL to the origin of the Watchword server, such as https://id.example.com")
            .Validate(o => o.ClockSkew >= TimeSpan.Zero && o.ClockSkew <= TimeSpan.FromMinutes(5), "ClockSkew must lie within 0 and 5 minutes")
            .ValidateOnStart();
        builder.Services.AddOptions<JwtBearerOptions>(Scheme).Configure<IOptions<WatchwordAuthenticationOptions>, TimeProvider>((bearer, own, time) =>
        {
            bearer.TokenHandlers.Clear();
            bearer.TokenHandlers.Add(AccessTokenRules.Handler());
            bearer.TokenValidationParameters = AccessTokenRules.Parameters(own.Value, time);
            bearer.Events = Events(own.Value.IsEnded);
        });
        return builder.AddJwtBearer(Scheme, static _ => { });
    }

    private static void Complete(WatchwordAuthenticationOptions options, IConfiguration configuration)
    {
        options.Secret ??= configuration["BETTER_AUTH_SECRET"];
        // Tokens name the server by its origin, whatever path the URL ends in.
        var origin = Uri.TryCreate(configuration["BETTER_AUTH_URL"], UriKind.Absolute, out var url) ? url.GetLeftPart(UriPartial.Authority) : null;
        options.Issuer ??= origin;
        options.Audience ??= origin;
    }

    private static JwtBearerEvents Events(Func<string, CancellationToken, ValueTask<bool>>? isEnded) => new()
    {
        OnTokenValidated = async context =>
        {
            var user = (ClaimsIdentity)context.Principal!.Identity!;
            if (isEnded is not null && await isEnded(user.FindFirst(JwtRegisteredClaimNames.Sid)!.Value, context.HttpContext.RequestAborted))
                context.Fail("The token's session has ended.");
            else
                SplitRoles(user);
        },
        OnChallenge = context =>
        {
            context.HandleResponse();
            context.Response.Headers.WWWAuthenticate = "Bearer";
            return Refusal.WriteAsync(context.Response, StatusCodes.Status401Unauthorized,
                context.AuthenticateFailure is SecurityTokenExpiredException ? "Token expired" : "Invalid token");
        },
        OnForbidden = context => Refusal.WriteAsync(context.Response, StatusCodes.Status403Forbidden, "Insufficient permissions"),
    };

    // Better Auth keeps several roles in one text, "user,admin"; policies compare one role at a time.
    private static void SplitRoles(ClaimsIdentity user)
    {
        foreach (var several in user.FindAll(user.RoleClaimType).Where(role => role.Value.Contains(',', StringComparison.Ordinal)).ToList())
        {
            user.RemoveClaim(several);
            foreach (var role in several.Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
                user.AddClaim(new(several.Type, role, several.ValueType, several.Issuer));
        }
    }
}
