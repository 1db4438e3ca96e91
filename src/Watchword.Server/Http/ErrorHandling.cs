using System.Net.Sockets;
using Microsoft.AspNetCore.WebUtilities;
using NATS.Client.Core;
using Npgsql;
using Watchword.Events.JetStream;
using Watchword.Events.Replay;
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
                context.AnswerCorrelationId();
                // Also where the endpoint reads no body.
                if (context.Request.ContentLength > RequestBody.MaxBytes)
                    throw RequestBody.TooLarge();
                await next(context);
            }
            catch (Exception e) when (!context.Response.HasStarted)
            {
                if (context.RequestAborted.IsCancellationRequested)
                    return;   // nobody is there to read an answer
                var error = Translate(e);
                if (error.Status == StatusCodes.Status503ServiceUnavailable)
                    app.Logger.RequestPutOff(context.Request.Method, context.Request.Path, e.Message);
                else if (error.Status >= 500)
                    app.Logger.RequestFailed(e, context.Request.Method, context.Request.Path);
                context.Response.Clear();
                context.AnswerCorrelationId();
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
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } => RequestBody.TooLarge(),
        BadHttpRequestException e => new(e.StatusCode, e.Message),
        // Kestrel tells the reader of a body that its sender has gone before it tells the request.
        IOException => new(StatusCodes.Status400BadRequest, "The request was cut off"),
        // Tried again it would begin anew: the caller has to go on from the place that is named.
        ReplayStoppedException e => new(StatusCodes.Status502BadGateway, e.Message),
        HashingBusyException e => new(StatusCodes.Status503ServiceUnavailable, "Too many sign-ins at once, try again shortly") { RetryAfter = e.RetryAfter },
        NpgsqlException e when IsPassing(e) => Unavailable(),
        NatsException e when e.IsTransient() => new(StatusCodes.Status503ServiceUnavailable, "NATS does not answer, try again shortly") { RetryAfter = TimeSpan.FromSeconds(2) },
        TimeoutException or SocketException or OperationCanceledException => Unavailable(),
        _ => new(StatusCodes.Status500InternalServerError, "Something went wrong"),
    };

    private static ApiException Unavailable() =>
        new(StatusCodes.Status503ServiceUnavailable, "The database does not answer, try again shortly") { RetryAfter = TimeSpan.FromSeconds(2) };

    // Beyond Npgsql's own view: a server that stops or cancels (57), and one that was demoted and takes no writes (25006).
    private static bool IsPassing(NpgsqlException exception) => exception.IsTransient
        || exception is PostgresException { SqlState: PostgresErrorCodes.ReadOnlySqlTransaction }
        || exception.SqlState?.StartsWith("57", StringComparison.Ordinal) == true;

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
