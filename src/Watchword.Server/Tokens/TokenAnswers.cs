using System.Text.Json;
using System.Text.Json.Serialization;
using Watchword.Server.Http;
using Watchword.Server.Store;

namespace Watchword.Server.Tokens;

/// <summary>The answer to register, login and refresh.</summary>
/// <param name="AccessToken">A JWT; send it as <c>Authorization: Bearer …</c>.</param>
/// <param name="RefreshToken">Opaque; can be used once.</param>
/// <param name="ExpiresIn">Seconds until the access token expires.</param>
/// <param name="User">The user who is signed in.</param>
internal sealed record TokenAnswer(string AccessToken, string RefreshToken, int ExpiresIn, PublicUser User)
{
    public string TokenType { get; } = "Bearer";
}

/// <summary>The answer to <c>GET /auth/me</c>.</summary>
internal sealed record UserAnswer(PublicUser User);

/// <summary>The answer to logout.</summary>
internal sealed record MessageAnswer(string Message);

/// <summary>The part of a user's row that the user may see.</summary>
internal sealed record PublicUser(
    string Id, string Email, string Name, bool EmailVerified,
    string? Image, string Role, DateTime CreatedAt, DateTime UpdatedAt)
{
    public static PublicUser From(UserRow user) =>
        new(user.Id, user.Email, user.Name, user.EmailVerified, user.Image, user.Role ?? "user", user.CreatedAt, user.UpdatedAt);
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, Converters = [typeof(MillisecondsConverter)])]
[JsonSerializable(typeof(TokenAnswer))]
[JsonSerializable(typeof(UserAnswer))]
[JsonSerializable(typeof(MessageAnswer))]
internal sealed partial class TokenJson : JsonSerializerContext;
