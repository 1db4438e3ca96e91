using System.Security.Claims;
using Microsoft.AspNetCore.Mvc;
using Watchword.Server.Http;

namespace Watchword.Server.Tokens;

/// <summary>The token API: <c>/auth/register|login|refresh|logout|me</c> (specs 1 and 3).</summary>
internal static class TokenEndpoints
{
    private const int MaxName = 200;
    private const int MinPassword = 8;
    private const int MaxPassword = 128;
    private const int MaxRefreshToken = 4096;

    public static void MapTokenApi(this IEndpointRouteBuilder app)
    {
        var auth = app.MapGroup("/auth");
        auth.MapPost("/register", RegisterAsync);
        auth.MapPost("/login", LoginAsync);
        auth.MapPost("/refresh", RefreshAsync);
        auth.MapPost("/logout", LogoutAsync).RequireAuthorization();
        auth.MapGet("/me", MeAsync).RequireAuthorization();
    }

    private static async Task<IResult> RegisterAsync(HttpContext context, [FromServices] TokenService tokens, CancellationToken ct)
    {
        var body = await JsonBody.ReadAsync(context.Request);
        var (email, password, name) = (body.Email("email"), body.Text("password", MinPassword, MaxPassword), body.Text("name", 1, MaxName));
        body.ThrowIfInvalid();
        return Answer(context, await tokens.RegisterAsync(context.Change(), email, password, name, ct), StatusCodes.Status201Created);
    }

    private static async Task<IResult> LoginAsync(HttpContext context, [FromServices] TokenService tokens, CancellationToken ct)
    {
        var body = await JsonBody.ReadAsync(context.Request);
        // Passwords from before the minimum length must still sign in; only what is hashed is bounded.
        var (email, password) = (body.Email("email"), body.Text("password", 1, MaxPassword));
        body.ThrowIfInvalid();
        return Answer(context, await tokens.LoginAsync(context.Change(), email, password, ct));
    }

    private static async Task<IResult> RefreshAsync(HttpContext context, [FromServices] TokenService tokens, CancellationToken ct)
    {
        var body = await JsonBody.ReadAsync(context.Request);
        var token = body.Text("refreshToken", 1, MaxRefreshToken);
        body.ThrowIfInvalid();
        return Answer(context, await tokens.RefreshAsync(context.Change(), token, ct));
    }

    private static async Task<IResult> LogoutAsync(HttpContext context, ClaimsPrincipal caller, [FromServices] TokenService tokens)
    {
        context.SetVersion(await tokens.LogoutAsync(context.Change(caller.Subject), caller.SessionId));
        return Results.Json(new MessageAnswer("Logged out"), TokenJson.Default.MessageAnswer);
    }

    private static async Task<IResult> MeAsync(ClaimsPrincipal caller, [FromServices] TokenService tokens, CancellationToken ct) =>
        Results.Json(new UserAnswer(await tokens.FindAsync(caller.Subject, ct)), TokenJson.Default.UserAnswer);

    private static IResult Answer(HttpContext context, TokenService.Issued issued, int status = StatusCodes.Status200OK)
    {
        if (issued.Version is { } version)
            context.SetVersion(version);
        context.Response.Headers.CacheControl = "no-store";   // RFC 6749, section 5.1
        return Results.Json(issued.Answer, TokenJson.Default.TokenAnswer, statusCode: status);
    }
}
