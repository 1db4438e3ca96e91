using System.Text.Json;
using System.Text.Json.Serialization;

namespace Watchword.Samples.Subscribers;

/// <summary>What all auth events tell, whatever their kind; and more of those that have it.</summary>
/// <param name="UserId">Who.</param>
/// <param name="At">When.</param>
/// <param name="Ip">From where; of logins.</param>
/// <param name="UserAgent">With what; of logins.</param>
internal sealed record AuthEvent(string UserId, [property: JsonPropertyName("timestamp")] DateTimeOffset At, string? Ip = null, string? UserAgent = null)
{
    /// <summary>Where its publisher runs, for example <c>production</c>.</summary>
    [JsonIgnore]
    public string? Environment { get; private init; }

    public const string LoggedIn = "auth.user.logged_in";
    public const string TokenRefreshed = "auth.user.token_refreshed";

    private const int KindTokens = 3;

    /// <exception cref="JsonException">It is not an auth event.</exception>
    public static AuthEvent Read(ReadOnlySpan<byte> payload)
    {
        var body = JsonSerializer.Deserialize(payload, SampleJson.Default.AuthEventBody);
        return body?.Data is { UserId.Length: > 0 } data ? data with { Environment = body.Metadata?.Environment } : throw new JsonException("data.userId is missing");
    }

    /// <summary>The event's name: its subject without finer tokens.</summary>
    public static string Kind(string subject) => string.Join('.', subject.Split('.').Take(KindTokens));
}

internal sealed record AuthEventBody(AuthEvent? Data, AuthEventOrigin? Metadata);

internal sealed record AuthEventOrigin(string? Environment);
