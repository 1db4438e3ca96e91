using Microsoft.AspNetCore.Mvc;
using Npgsql;
using Watchword.Events.JetStream;
using Watchword.Events.Replay;
using Watchword.Server.Configuration;
using Watchword.Server.Http;

namespace Watchword.Server.Admin;

/// <summary>Events for administrators: <c>/admin/events</c>, <c>/admin/streams</c>, <c>/admin/consumers</c>.</summary>
internal static class EventAdmin
{
    private const int MaxText = 512;   // characters
    private static readonly string[] FilterFields = ["stream", "fromSequence", "toSequence", "since", "until", "user", "type"];

    public static void MapEventAdmin(this IEndpointRouteBuilder app)
    {
        var admin = app.MapGroup("/admin").RequireAuthorization(Caller.AdminPolicy);
        admin.MapPost("/events/replay", ReplayAsync);
        admin.MapGet("/events", DownloadAsync);
        admin.MapGet("/streams", StreamsAsync);
        admin.MapGet("/consumers", ConsumersAsync);
    }

    private static async Task<IResult> ReplayAsync(
        HttpContext context, [FromServices] JetStreamClient nats, [FromServices] NpgsqlDataSource database, [FromServices] ILogger<AdminLog> logger)
    {
        var admin = context.User;
        var body = await JsonBody.ReadAsync(context.Request);
        body.Only([.. FilterFields, "to"]);
        var filter = Filter(body);
        var to = body.Object("to");
        to?.Only("subject");
        var subject = to?.Text("subject", 1, MaxText) ?? "";
        body.ThrowIfInvalid();

        var result = await RefusedAs400Async(async () =>
        {
            var replay = new EventReplay(nats, database);
            var plan = await replay.PlanAsync(filter, context.RequestAborted);
            logger.ReplayAsked(admin.Subject, plan.Id, filter.Stream, plan.From, plan.To, filter.User ?? "any", filter.Type ?? "any", subject);
            try
            {
                return await replay.ToSubjectAsync(plan, subject, force: false, context.RequestAborted);
            }
            catch (ReplayStoppedException e)
            {
                logger.ReplayEndedEarly(filter.Stream, admin.Subject, e.Message);   // the client may have disconnected
                throw;
            }
        });
        logger.ReplayDone(admin.Subject, result.ReplayId, result.Events);
        return Results.Json(result, EventAdminJson.Default.ReplayResult);
    }

    private static async Task DownloadAsync(
        HttpContext context, [FromServices] JetStreamClient nats, [FromServices] NpgsqlDataSource database, [FromServices] ILogger<AdminLog> logger)
    {
        var admin = context.User;
        var query = RequestFields.Of(context.Request.Query);
        query.Only(FilterFields);
        var filter = Filter(query);
        query.ThrowIfInvalid();
        var replay = new EventReplay(nats, database);
        var plan = await RefusedAs400Async(() => replay.PlanAsync(filter, context.RequestAborted));
        logger.EventsDownloaded(admin.Subject, filter.Stream, plan.From, plan.To, filter.User ?? "any", filter.Type ?? "any");
        context.Response.ContentType = "application/x-ndjson";
        using var lines = new EventLines(context.Response.Body);
        // When no event matches, the answer is empty and not an error.
        await foreach (var e in replay.ReadAsync(plan, context.RequestAborted))
            await lines.WriteAsync(e, context.RequestAborted);
        await lines.FlushAsync(context.RequestAborted);
    }

    private static async Task<IResult> StreamsAsync(
        HttpContext context, [FromServices] JetStreamClient nats, [FromServices] NpgsqlDataSource database, [FromServices] ILogger<AdminLog> logger)
    {
        logger.StatusAsked(context.User.Subject, "streams");
        return Results.Json(await new EventStatus(nats, database).StreamsAsync(context.RequestAborted), EventAdminJson.Default.ListStreamStatus);
    }

    private static async Task<IResult> ConsumersAsync(
        HttpContext context, [FromServices] JetStreamClient nats, [FromServices] NpgsqlDataSource database, [FromServices] ILogger<AdminLog> logger)
    {
        logger.StatusAsked(context.User.Subject, "consumers");
        return Results.Json(await new EventStatus(nats, database).ConsumersAsync(context.RequestAborted), EventAdminJson.Default.ListConsumerStatus);
    }

    private static ReplayFilter Filter(RequestFields fields) => new(fields.Text("stream", 1, MaxText))
    {
        FromSequence = fields.WholeIfAny("fromSequence"),
        ToSequence = fields.WholeIfAny("toSequence"),
        Since = Moment(fields, "since"),
        Until = Moment(fields, "until"),
        User = fields.TextIfAny("user", 1, MaxText),
        Type = fields.TextIfAny("type", 1, MaxText),
    };

    private static DateTimeOffset? Moment(RequestFields fields, string field)
    {
        if (fields.TextIfAny(field, 1, MaxText) is not { } text)
            return null;
        if (Moments.TryParse(text, out var moment))
            return moment;
        fields.Fault(field, $"is '{text}': {Moments.Expected}");
        return null;
    }

    /// <summary>Answers a refusal under the field of the request that is at fault; without one, as the message alone.</summary>
    private static async Task<T> RefusedAs400Async<T>(Func<Task<T>> work)
    {
        try
        {
            return await work();
        }
        catch (ReplayRefusedException e)
        {
            var field = e.Field == "toSubject" ? "to.subject" : e.Field;
            throw field.Length > 0
                ? ApiException.InvalidFields(new Dictionary<string, string> { [field] = e.Reason })
                : new ApiException(StatusCodes.Status400BadRequest, e.Reason);
        }
    }
}

/// <summary>The log category of what administrators do.</summary>
internal sealed class AdminLog;
