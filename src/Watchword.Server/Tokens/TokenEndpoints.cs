using Microsoft.AspNetCore.Mvc;
using Watchword.Server.Http;

namespace Watchword.Server.Tokens;

/// <summary>The token API: <c>/auth/register|login|refresh|logout|me</c> (specs 1 and 3).</summary>
internal static class TokenEndpoints
{
    private const int MaxName = 200;
    private const int MinPassword = 8;
    private const int MaxPassword = 128;

    public static void MapTokenApi(this IEndpointRouteBuilder app)
    {
        var auth = app.MapGroup("/auth");
        auth.MapPost("/register", RegisterAsync);
        auth.MapPost("/login", LoginAsync);
        auth.MapPost("/refresh", RefreshAsync);
        auth.MapPost("/logout", LogoutAsync);
        auth.MapGet("/me", MeAsync);
    }

    private static async Task<IResult> RegisterAsync(HttpContext context, [FromServices] TokenService tokens)
    {
        var body = await RequestBody.ReadAsync(context.Request);
        var (email, password, name) = (body.Email("email"), body.Text("password", MinPassword, MaxPassword), body.Text("name", 1, MaxName));
        body.ThrowIfInvalid();
        return Answer(context, await tokens.RegisterAsync(context, email, password, name), StatusCodes.Status201Created);
    }

    private static async Task<IResult> LoginAsync(HttpContext context, [FromServices] TokenService tokens)
    {
        var body = await RequestBody.ReadAsync(context.Request);
        // A password shorter than the rule may be from before the rule: only the length that is hashed is bounded.
        var (email, password) = (body.Email("email"), body.Text("password", 1, MaxPassword));
        body.ThrowIfInvalid();
        return Answer(context, await tokens.LoginAsync(context, email, password));
    }

    private static async Task<IResult> RefreshAsync(HttpContext context, [FromServices] TokenService tokens)
    {
        var body = await RequestBody.ReadAsync(context.Request);
        var token = body.Text("refreshToken", 1, 4096);
        body.ThrowIfInvalid();
        if (token.Length != RefreshTokens.Length)
            throw ApiException.InvalidToken();
        return Answer(context, await tokens.RefreshAsync(context, token));
    }

    private static async Task<IResult> LogoutAsync(HttpContext context, [FromServices] TokenService tokens, [FromServices] Authenticate authenticate)
    {
        var caller = await authenticate(context);
        context.SetVersion(await tokens.LogoutAsync(context, caller));
        return Results.Json(new MessageAnswer("Logged out"), TokenJson.Default.MessageAnswer);
    }

    private static async Task<IResult> MeAsync(HttpContext context, [FromServices] TokenService tokens, [FromServices] Authenticate authenticate)
    {
        var caller = await authenticate(context);
        return Results.Json(new UserAnswer(await tokens.FindAsync(caller.Subject, context.RequestAborted)), TokenJson.Default.UserAnswer);
    }

    private static IResult Answer(HttpContext context, TokenService.Issued issued, int status = StatusCodes.Status200OK)
    {
        if (issued.Version > 0)
            context.SetVersion(issued.Version);
        context.Response.Headers.CacheControl = "no-store";   // RFC 6749, section 5.1
        return Results.Json(issued.Answer, TokenJson.Default.TokenAnswer, statusCode: status);
    }
}
