using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Watchword.Events.Contracts;

/// <summary>How events are written and read as JSON; generated at build time.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web,
    RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true, AllowDuplicateProperties = false, Converters = [typeof(EventTimeConverter)])]
[JsonSerializable(typeof(UserRegistered))]
[JsonSerializable(typeof(UserLoggedIn))]
[JsonSerializable(typeof(UserLoggedOut))]
[JsonSerializable(typeof(UserTokenRefreshed))]
[JsonSerializable(typeof(UserLoginFailed))]
[JsonSerializable(typeof(UserLockedOut))]
[JsonSerializable(typeof(UserSyncEvent))]
[JsonSerializable(typeof(UserErased))]
[JsonSerializable(typeof(OrganizationCreated))]
[JsonSerializable(typeof(OrganizationUpdated))]
[JsonSerializable(typeof(OrganizationDeleted))]
[JsonSerializable(typeof(OrganizationMembershipCreated))]
[JsonSerializable(typeof(OrganizationMembershipUpdated))]
[JsonSerializable(typeof(OrganizationMembershipDeleted))]
[JsonSerializable(typeof(MemberRoleChanged))]
[JsonSerializable(typeof(InvitationCreated))]
[JsonSerializable(typeof(InvitationAccepted))]
[JsonSerializable(typeof(InvitationRejected))]
[JsonSerializable(typeof(InvitationCanceled))]
[JsonSerializable(typeof(OrganizationRoleCreated))]
[JsonSerializable(typeof(OrganizationRoleUpdated))]
[JsonSerializable(typeof(OrganizationRoleDeleted))]
[JsonSerializable(typeof(TeamCreated))]
[JsonSerializable(typeof(TeamUpdated))]
[JsonSerializable(typeof(TeamDeleted))]
[JsonSerializable(typeof(TeamMembershipCreated))]
[JsonSerializable(typeof(TeamMembershipDeleted))]
[JsonSerializable(typeof(AccountLinked))]
[JsonSerializable(typeof(AccountUnlinked))]
[JsonSerializable(typeof(CredentialChanged))]
[JsonSerializable(typeof(SessionRevoked))]
[JsonSerializable(typeof(ApiKeyCreated))]
[JsonSerializable(typeof(ApiKeyUpdated))]
[JsonSerializable(typeof(ApiKeyDeleted))]
[JsonSerializable(typeof(SecurityAlert))]
[JsonSerializable(typeof(JsonElement))]
public sealed partial class EventJson : JsonSerializerContext;

/// <summary>Times as JavaScript's <c>toISOString</c> writes them; one that names no zone is UTC.</summary>
internal sealed class EventTimeConverter : JsonConverter<DateTimeOffset>
{
    public override DateTimeOffset Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.GetDateTime() is var at && at.Kind == DateTimeKind.Unspecified ? new(at, TimeSpan.Zero) : new(at.ToUniversalTime());

    public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
}
