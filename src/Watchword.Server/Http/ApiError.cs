using System.Text.Json;
using System.Text.Json.Serialization;

namespace Watchword.Server.Http;

/// <summary>A refusal that the caller sees: a status of spec 2's table, and the reason.</summary>
internal sealed class ApiException(int status, string message) : Exception(message)
{
    public int Status { get; } = status;

    /// <summary>The fault of each field; empty if no field is to blame.</summary>
    public IReadOnlyDictionary<string, string> Fields { get; init; } = new Dictionary<string, string>();

    /// <summary>When to try again; sent as Retry-After in whole seconds, at least 1.</summary>
    public TimeSpan? RetryAfter { get; init; }

    public static ApiException InvalidToken() => new(StatusCodes.Status401Unauthorized, "Invalid token");

    public static ApiException TokenExpired() => new(StatusCodes.Status401Unauthorized, "Token expired");

    public static ApiException InvalidCredentials() => new(StatusCodes.Status401Unauthorized, "Invalid email or password");

    public static ApiException Banned() => new(StatusCodes.Status403Forbidden, "This account is banned");

    public static ApiException UserNotFound() => new(StatusCodes.Status404NotFound, "User not found");

    public static ApiException EmailExists() => new(StatusCodes.Status409Conflict, "Email already exists");

    public static ApiException LockedOut(TimeSpan left) =>
        new(StatusCodes.Status429TooManyRequests, "Too many failed logins, try again later") { RetryAfter = left };

    public static ApiException Unavailable(string reason) =>
        new(StatusCodes.Status503ServiceUnavailable, reason + ", try again shortly") { RetryAfter = TimeSpan.FromSeconds(2) };

    public static ApiException InvalidFields(IReadOnlyDictionary<string, string> fields) =>
        new(StatusCodes.Status400BadRequest, "Invalid input: " + string.Join("; ", fields.Select(f => $"{f.Key} {f.Value}"))) { Fields = fields };
}

/// <summary>The body of every refusal (spec 2, "Common Error Scenarios").</summary>
/// <param name="Error">The status in words.</param>
/// <param name="Message">Why, for a person.</param>
/// <param name="Fields">The fault of each field; absent if no field is to blame.</param>
internal sealed record ErrorBody(string Error, string Message, IReadOnlyDictionary<string, string>? Fields = null);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ErrorBody))]
internal sealed partial class ErrorJson : JsonSerializerContext;
