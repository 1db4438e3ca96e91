using Microsoft.AspNetCore.Mvc;
using Npgsql;
using Watchword.Events.Replay;
using NATS.Client.Core;
using Watchword.Events.JetStream;
using Watchword.Server.Configuration;
using Watchword.Server.Http;

namespace Watchword.Server.Admin;

/// <summary>Events for administrators: <c>/admin/events</c>, <c>/admin/streams</c>, <c>/admin/consumers</c>.</summary>
internal static class EventAdmin
{
    private const int MaxText = 512;

    public static void MapEventAdmin(this IEndpointRouteBuilder app)
    {
        var admin = app.MapGroup("/admin");
        admin.MapPost("/events/replay", ReplayAsync);
        admin.MapGet("/events", DownloadAsync);
        admin.MapGet("/streams", StreamsAsync);
        admin.MapGet("/consumers", ConsumersAsync);
    }

    private static async Task<IResult> ReplayAsync(
        HttpContext context, [FromServices] AuthenticateAdmin authenticate, [FromServices] NatsConnection nats, [FromServices] NpgsqlDataSource database, [FromServices] ILogger<AdminLog> logger)
    {
        var admin = await authenticate(context);
        var body = await RequestBody.ReadAsync(context.Request);
        body.Only("stream", "fromSequence", "toSequence", "since", "until", "user", "type", "to");
        var filter = new ReplayFilter(body.Text("stream", 1, MaxText))
        {
            FromSequence = body.WholeIfAny("fromSequence"),
            ToSequence = body.WholeIfAny("toSequence"),
            Since = Moment(body, "since"),
            Until = Moment(body, "until"),
            User = body.TextIfAny("user", 1, MaxText),
            Type = body.TextIfAny("type", 1, MaxText),
        };
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
        HttpContext context, [FromServices] AuthenticateAdmin authenticate, [FromServices] NatsConnection nats, [FromServices] NpgsqlDataSource database, [FromServices] ILogger<AdminLog> logger)
    {
        var admin = await authenticate(context);
        var filter = Filter(context.Request.Query);
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
        HttpContext context, [FromServices] AuthenticateAdmin authenticate, [FromServices] JetStream jetStream, [FromServices] NpgsqlDataSource database, [FromServices] ILogger<AdminLog> logger)
    {
        logger.StatusAsked((await authenticate(context)).Subject, "streams");
        return Results.Json(await new EventStatus(jetStream, database).StreamsAsync(context.RequestAborted), EventAdminJson.Default.ListStreamStatus);
    }

    private static async Task<IResult> ConsumersAsync(
        HttpContext context, [FromServices] AuthenticateAdmin authenticate, [FromServices] JetStream jetStream, [FromServices] NpgsqlDataSource database, [FromServices] ILogger<AdminLog> logger)
    {
        logger.StatusAsked((await authenticate(context)).Subject, "consumers");
        return Results.Json(await new EventStatus(jetStream, database).ConsumersAsync(context.RequestAborted), EventAdminJson.Default.ListConsumerStatus);
    }

    private static DateTimeOffset? Moment(RequestBody body, string field)
    {
        if (body.TextIfAny(field, 1, MaxText) is not { } text)
            return null;
        if (Moments.TryParse(text, out var moment))
            return moment;
        body.Fault(field, $"is '{text}': {Moments.Expected}");
        return null;
    }

    private static ReplayFilter Filter(IQueryCollection asked)
    {
        var query = new RequestQuery(asked, "stream", "fromSequence", "toSequence", "since", "until", "user", "type");
        if (query.Text("stream") is null)
            query.Fault("stream", "is missing");
        var filter = new ReplayFilter(query.Text("stream") ?? "")
        {
            FromSequence = query.Whole("fromSequence"),
            ToSequence = query.Whole("toSequence"),
            Since = Moment("since"),
            Until = Moment("until"),
            User = query.Text("user"),
            Type = query.Text("type"),
        };
        query.ThrowIfInvalid();
        return filter;

        DateTimeOffset? Moment(string field)
        {
            if (query.Text(field) is not { } text)
                return null;
            if (Moments.TryParse(text, out var moment))
                return moment;
            query.Fault(field, $"is '{text}': {Moments.Expected}");
            return null;
        }
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
