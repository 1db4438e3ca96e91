using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using Watchword.Events.Subscribing;
using Watchword.Server.Http;

namespace Watchword.Server.Admin;

/// <summary>Dead letters for administrators: <c>/admin/dead-letters</c>, of the consumers that keep theirs in the target's database.</summary>
internal static class DeadLetterAdmin
{
    private const int MaxText = 512;
    private const int MostLetters = 1000;

    public static void MapDeadLetterAdmin(this IEndpointRouteBuilder app, DeadLetters letters)
    {
        var admin = app.MapGroup("/admin/dead-letters").RequireAuthorization(Caller.AdminPolicy);

        admin.MapGet("", async (HttpContext context) =>
        {
            var query = RequestFields.Of(context.Request.Query);
            query.Only("consumer", "key");
            var (consumer, key) = (query.TextIfAny("consumer", 1, MaxText), query.TextIfAny("key", 1, MaxText));
            query.ThrowIfInvalid();
            var found = await letters.ListAsync(consumer, key, MostLetters, context.RequestAborted);
            var all = found.Count < MostLetters ? found.Count : await letters.CountAsync(consumer, key, context.RequestAborted);
            context.Response.Headers["X-Total-Count"] = all.ToString(CultureInfo.InvariantCulture);
            return Results.Json(found, DeadLetterJson.Default.IReadOnlyListDeadLetter);
        });

        admin.MapGet("/{id:long}", async (HttpContext context, long id) =>
        {
            return await letters.FindAsync(id, context.RequestAborted) is { } letter
                ? Results.Json(letter, DeadLetterJson.Default.ParkedEventDetails)
                : throw NotFound(id);
        });

        admin.MapPost("/redrive", async (HttpContext context, [FromServices] ILogger<DeadLetters> logger) =>
        {
            var actor = context.User.Subject;
            var body = await JsonBody.ReadAsync(context.Request);
            body.Only("consumer", "key", "id");
            var (consumer, key) = (body.TextIfAny("consumer", 1, MaxText), body.TextIfAny("key", 1, MaxText));
            var id = body.WholeIfAny("id");
            if (id is null == consumer is null)
                body.Fault("consumer", $"{(id is null ? "is missing" : "is given with id")}: give either consumer or id, not both");
            body.ThrowIfInvalid();
            var asked = await RefusedAs409Async(() => id is { } one
                ? letters.RedriveAsync((long)one, actor, context.RequestAborted)
                : letters.RedriveAsync(consumer!, key, actor, context.RequestAborted));
            foreach (var letter in asked)
                logger.DeadLetterRedriven(actor, letter.Id, letter.Consumer);
            return Results.Json(asked, DeadLetterJson.Default.IReadOnlyListDeadLetter, statusCode: StatusCodes.Status202Accepted);
        });

        admin.MapPost("/{id:long}/discard", async (HttpContext context, long id, [FromServices] ILogger<DeadLetters> logger) =>
        {
            var actor = context.User.Subject;
            var body = await JsonBody.ReadAsync(context.Request);
            body.Only("reason");
            var reason = body.Text("reason", 1, MaxText);
            if (string.IsNullOrWhiteSpace(reason) && body.IsValid)
                body.Fault("reason", "is blank: say why the event may be given up");
            body.ThrowIfInvalid();
            if (await letters.FindAsync(id, context.RequestAborted) is null)
                throw NotFound(id);
            await RefusedAs409Async(async () =>
            {
                await letters.DiscardAsync(id, reason, actor, context.RequestAborted);
                return id;
            });
            logger.DeadLetterDiscarded(actor, id, reason);
            return Results.NoContent();
        });
    }

    private static ApiException NotFound(long id) => new(StatusCodes.Status404NotFound, $"There is no dead letter {id}");

    private static async Task<T> RefusedAs409Async<T>(Func<Task<T>> work)
    {
        try
        {
            return await work();
        }
        catch (DeadLetterException e)
        {
            throw new ApiException(StatusCodes.Status409Conflict, char.ToUpperInvariant(e.Message[0]) + e.Message[1..]);
        }
    }
}
