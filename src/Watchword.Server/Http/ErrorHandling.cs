using Microsoft.AspNetCore.WebUtilities;
using Npgsql;
using Watchword.Server.Passwords;

namespace Watchword.Server.Http;

/// <summary>Turns every failure into an answer, once, at the edge.</summary>
internal static class ErrorHandling
{
    public static void UseErrorBodies(this WebApplication app)
    {
        app.Use(async (context, next) =>
        {
            try
            {
                await next(context);
            }
            catch (Exception e) when (!context.Response.HasStarted)
            {
                if (context.RequestAborted.IsCancellationRequested)
                    return;   // nobody is there to read an answer
                var error = Translate(e);
                if (error.Status >= 500)
                    app.Logger.RequestFailed(e, context.Request.Method, context.Request.Path);
                context.Response.Clear();
                await WriteAsync(context, error);
            }
        });
        app.UseStatusCodePages(pages => WriteAsync(pages.HttpContext, new(pages.HttpContext.Response.StatusCode, pages.HttpContext.Response.StatusCode switch
        {
            StatusCodes.Status404NotFound => $"No such endpoint: {pages.HttpContext.Request.Path}",
            StatusCodes.Status405MethodNotAllowed => $"{pages.HttpContext.Request.Method} is not answered here: use {pages.HttpContext.Response.Headers.Allow}",
            _ => ReasonPhrases.GetReasonPhrase(pages.HttpContext.Response.StatusCode),
        })));
    }

    private static ApiException Translate(Exception exception) => exception switch
    {
        ApiException e => e,
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } => new(StatusCodes.Status413PayloadTooLarge, $"The body is larger than {RequestBody.MaxBytes / 1024} KiB"),
        BadHttpRequestException e => new(e.StatusCode, e.Message),
        HashingBusyException e => new(StatusCodes.Status503ServiceUnavailable, "Too many sign-ins at once, try again shortly") { RetryAfter = e.RetryAfter },
        NpgsqlException { IsTransient: true } or TimeoutException => new(StatusCodes.Status503ServiceUnavailable, "The database does not answer, try again shortly") { RetryAfter = TimeSpan.FromSeconds(2) },
        _ => new(StatusCodes.Status500InternalServerError, "Something went wrong"),
    };

    private static Task WriteAsync(HttpContext context, ApiException error)
    {
        context.Response.StatusCode = error.Status;
        if (error.RetryAfter is { } wait)
            context.Response.Headers.RetryAfter = $"{Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds))}";
        if (error.Status == StatusCodes.Status401Unauthorized)
            context.Response.Headers.WWWAuthenticate = "Bearer";
        var body = new ErrorBody(ReasonPhrases.GetReasonPhrase(error.Status), error.Message, error.Fields.Count > 0 ? error.Fields : null);
        return context.Response.WriteAsJsonAsync(body, ErrorJson.Default.ErrorBody);
    }
}
