using System.Text.Json;
using System.Text.Json.Serialization;
using Npgsql;
using Watchword.Events.JetStream;

namespace Watchword.Server.Operations;

/// <summary>Health endpoints: <c>/health/live</c>, the process runs; <c>/health/ready</c>, it can serve.</summary>
internal static class Health
{
    public static void MapHealth(this IEndpointRouteBuilder app)
    {
        // Before authentication: a token in the request must not make a probe depend on the database.
        app.MapGet("/health/live", () => Results.Json(new HealthAnswer("live"), HealthJson.Default.HealthAnswer)).ShortCircuit();
        app.MapGet("/health/ready", ReadyAsync);
    }

    // NATS is reported but does not decide: no request waits for the broker.
    private static async Task<IResult> ReadyAsync(NpgsqlDataSource database, JetStreamClient nats, CancellationToken ct)
    {
        var broker = nats.IsOpen ? "connected" : "disconnected: events wait in the outbox";
        try
        {
            await using var command = database.CreateCommand("SELECT count(*) FROM watchword.publisher");
            await command.ExecuteScalarAsync(ct);
        }
        catch (NpgsqlException e)
        {
            return Results.Json(new HealthAnswer("not ready", e.Message, broker), HealthJson.Default.HealthAnswer, statusCode: StatusCodes.Status503ServiceUnavailable);
        }
        return Results.Json(new HealthAnswer("ready", "connected", broker), HealthJson.Default.HealthAnswer);
    }
}

/// <summary>The body of the health endpoints.</summary>
internal sealed record HealthAnswer(string Status, string? Database = null, string? Nats = null);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(HealthAnswer))]
internal sealed partial class HealthJson : JsonSerializerContext;
