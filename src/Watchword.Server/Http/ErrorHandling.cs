using System.Net.Sockets;
using Microsoft.AspNetCore.WebUtilities;
using NATS.Client.Core;
using Npgsql;
using Watchword.Events.JetStream;
using Watchword.Events.Replay;
using Watchword.Server.Passwords;

namespace Watchword.Server.Http;

/// <summary>Turns every failure into an answer: the only place that does.</summary>
internal static class ErrorHandling
{
    public static void UseErrorBodies(this WebApplication app)
    {
        app.Use(async (context, next) =>
        {
            try
            {
                context.AnswerCorrelationId();
                // Also for endpoints that read no body.
                if (context.Request.ContentLength > JsonBody.MaxBytes)
                    throw JsonBody.TooLarge();
                await next(context);
            }
            catch (Exception e) when (!context.Response.HasStarted)
            {
                if (context.RequestAborted.IsCancellationRequested)
                    return;   // the client has disconnected
                var error = Translate(e);
                if (error.Status == StatusCodes.Status503ServiceUnavailable)
                    app.Logger.RequestUnavailable(context.Request.Method, context.Request.Path, e.Message);
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
            StatusCodes.Status405MethodNotAllowed => $"{pages.HttpContext.Request.Method} is not allowed here: use {pages.HttpContext.Response.Headers.Allow}",
            _ => ReasonPhrases.GetReasonPhrase(pages.HttpContext.Response.StatusCode),
        })));
    }

    private static ApiException Translate(Exception exception) => exception switch
    {
        ApiException e => e,
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } => JsonBody.TooLarge(),
        BadHttpRequestException e => new(e.StatusCode, e.Message),
        // When a client disconnects, reading its body fails before RequestAborted is cancelled.
        IOException => new(StatusCodes.Status400BadRequest, "The request was cut off"),
        // Not 503: a retry would start over. The message names the sequence to continue from.
        ReplayStoppedException e => new(StatusCodes.Status502BadGateway, e.Message),
        HashingBusyException e => new(StatusCodes.Status503ServiceUnavailable, "Too many sign-ins at once, try again shortly") { RetryAfter = e.RetryAfter },
        NpgsqlException e when IsTransient(e) => ApiException.Unavailable("The database does not answer"),
        NatsException e when e.IsTransient() => ApiException.Unavailable("NATS does not answer"),
        // These do not say who failed to answer; the log line has the exception's message.
        TimeoutException or SocketException or OperationCanceledException => ApiException.Unavailable("The request could not be completed in time"),
        _ => new(StatusCodes.Status500InternalServerError, "Something went wrong"),
    };

    // More than Npgsql's own view: also a server that stops or cancels the statement (class 57), or was demoted to a standby (25006).
    private static bool IsTransient(NpgsqlException exception) => exception.IsTransient
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
