using Microsoft.AspNetCore.Mvc;
using Npgsql;
using Watchword.Events.Replay;
using Watchword.Nats;
using Watchword.Server.Configuration;
using Watchword.Server.Http;

namespace Watchword.Server.Events;

/// <summary>Events for administrators: <c>/admin/events</c>, <c>/admin/streams</c>, <c>/admin/consumers</c>.</summary>
internal static class EventAdmin
{
    private const int MaxText = 512;

    public static void MapEventAdmin(this IEndpointRouteBuilder app)
    {
        var admin = app.MapGroup("/admin").RequireAuthorization(Caller.AdminPolicy);
        admin.MapPost("/events/replay", ReplayAsync);
        admin.MapGet("/events", DownloadAsync);
        admin.MapGet("/streams", StreamsAsync);
        admin.MapGet("/consumers", ConsumersAsync);
    }

    private static async Task<IResult> ReplayAsync(
        HttpContext context, [FromServices] NatsConnection nats, [FromServices] NpgsqlDataSource database, [FromServices] ILogger<AdminLog> logger)
    {
        var admin = context.User;
        var body = await JsonBody.ReadAsync(context.Request);
        body.Only("stream", "fromSequence", "toSequence", "since", "until", "user", "type", "to");
        var filter = Filter(body);
        var to = body.Object("to");
        to?.Only("subject", "consumer");
        var (subject, consumer) = (to?.TextIfAny("subject", 1, MaxText), to?.TextIfAny("consumer", 1, MaxText));
        if (to is { IsValid: true } && subject is null == consumer is null)
            body.Fault("to", "must name a subject or a consumer");
        body.ThrowIfInvalid();

        var result = await RefusedAs400Async(async () =>
        {
            var replay = new EventReplay(nats, database);
            var plan = await replay.PlanAsync(filter, context.RequestAborted);
            logger.ReplayAsked(admin.Subject, plan.Id, filter.Stream, plan.From, plan.To, filter.User ?? "any", filter.Type ?? "any", subject ?? $"consumer {consumer}");
            try
            {
                return subject is not null
                    ? await replay.ToSubjectAsync(plan, subject, force: false, context.RequestAborted)
                    : await replay.ToConsumerAsync(plan, consumer!, context.RequestAborted);
            }
            catch (ReplayStoppedException e)
            {
                logger.ReplayEndedEarly(filter.Stream, admin.Subject, e.Message);   // who asked may be gone
                throw;
            }
        });
        logger.ReplayDone(admin.Subject, result.ReplayId, result.Events);
        return Results.Json(result, EventAdminJson.Default.ReplayResult);
    }

    private static async Task DownloadAsync(
        HttpContext context, [FromServices] NatsConnection nats, [FromServices] NpgsqlDataSource database, [FromServices] ILogger<AdminLog> logger)
    {
        var admin = context.User;
        var query = RequestFields.Of(context.Request.Query);
        query.Only("stream", "fromSequence", "toSequence", "since", "until", "user", "type");
        var filter = Filter(query);
        query.ThrowIfInvalid();
        var replay = new EventReplay(nats, database);
        var plan = await RefusedAs400Async(() => replay.PlanAsync(filter, context.RequestAborted));
        logger.EventsDownloaded(admin.Subject, filter.Stream, plan.From, plan.To, filter.User ?? "any", filter.Type ?? "any");
        context.Response.ContentType = "application/x-ndjson";
        using var lines = new EventLines(context.Response.Body);
        // None at all is an answer too: an empty one.
        await foreach (var e in replay.ReadAsync(plan, context.RequestAborted))
            await lines.WriteAsync(e, context.RequestAborted);
        await lines.FlushAsync(context.RequestAborted);
    }

    private static async Task<IResult> StreamsAsync(
        HttpContext context, [FromServices] JetStream jetStream, [FromServices] NpgsqlDataSource database, [FromServices] ILogger<AdminLog> logger)
    {
        logger.StatusAsked(context.User.Subject, "streams");
        return Results.Json(await new EventStatus(jetStream, database).StreamsAsync(context.RequestAborted), EventAdminJson.Default.ListStreamStatus);
    }

    private static async Task<IResult> ConsumersAsync(
        HttpContext context, [FromServices] JetStream jetStream, [FromServices] NpgsqlDataSource database, [FromServices] ILogger<AdminLog> logger)
    {
        logger.StatusAsked(context.User.Subject, "consumers");
        return Results.Json(await new EventStatus(jetStream, database).ConsumersAsync(context.RequestAborted), EventAdminJson.Default.ListConsumerStatus);
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

    /// <summary>A refusal names the field of the request; where none is to blame, it stands alone.</summary>
    private static async Task<T> RefusedAs400Async<T>(Func<Task<T>> work)
    {
        try
        {
            return await work();
        }
        catch (ReplayRefusedException e)
        {
            var field = e.Field switch { "toSubject" => "to.subject", "toConsumer" => "to.consumer", var same => same };
            throw field.Length > 0
                ? ApiException.InvalidFields(new Dictionary<string, string> { [field] = e.Reason })
                : new ApiException(StatusCodes.Status400BadRequest, e.Reason);
        }
    }
}

/// <summary>The category of what administrators do, in the log.</summary>
internal sealed class AdminLog;
