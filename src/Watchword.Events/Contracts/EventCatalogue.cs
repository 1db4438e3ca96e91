using System.Collections.Frozen;
using System.Text.Json.Serialization.Metadata;

namespace Watchword.Events.Contracts;

/// <summary>Every kind of event that Watchword publishes.</summary>
public static class EventCatalogue
{
    /// <summary>In the order of the documentation.</summary>
    public static IReadOnlyList<EventType> All { get; } =
    [
        new("auth.user.registered", Streams.AuthEvents.Name!, 1, EventJson.Default.UserRegistered),
        new("auth.user.logged_in", Streams.AuthEvents.Name!, 1, EventJson.Default.UserLoggedIn),
        new("auth.user.logged_out", Streams.AuthEvents.Name!, 1, EventJson.Default.UserLoggedOut),
        new("auth.user.token_refreshed", Streams.AuthEvents.Name!, 1, EventJson.Default.UserTokenRefreshed),
        new("auth.user.login_failed", Streams.AuthEvents.Name!, 1, EventJson.Default.UserLoginFailed),
        new("auth.user.locked_out", Streams.AuthEvents.Name!, 1, EventJson.Default.UserLockedOut),
        Change("user.sync", EventJson.Default.UserSyncEvent),
        Change("user.erased", EventJson.Default.UserErased),
        Change("organization.created", EventJson.Default.OrganizationCreated),
        Change("organization.updated", EventJson.Default.OrganizationUpdated),
        Change("organization.deleted", EventJson.Default.OrganizationDeleted),
        Change("organizationMembership.created", EventJson.Default.OrganizationMembershipCreated),
        Change("organizationMembership.updated", EventJson.Default.OrganizationMembershipUpdated),
        Change("organizationMembership.deleted", EventJson.Default.OrganizationMembershipDeleted),
        Change("member.role.changed", EventJson.Default.MemberRoleChanged),
        Change("invitation.created", EventJson.Default.InvitationCreated),
        Change("invitation.accepted", EventJson.Default.InvitationAccepted),
        Change("invitation.rejected", EventJson.Default.InvitationRejected),
        Change("invitation.canceled", EventJson.Default.InvitationCanceled),
        Change("organizationRole.created", EventJson.Default.OrganizationRoleCreated),
        Change("organizationRole.updated", EventJson.Default.OrganizationRoleUpdated),
        Change("organizationRole.deleted", EventJson.Default.OrganizationRoleDeleted),
        Change("team.created", EventJson.Default.TeamCreated),
        Change("team.updated", EventJson.Default.TeamUpdated),
        Change("team.deleted", EventJson.Default.TeamDeleted),
        Change("teamMembership.created", EventJson.Default.TeamMembershipCreated),
        Change("teamMembership.deleted", EventJson.Default.TeamMembershipDeleted),
        Change("account.linked", EventJson.Default.AccountLinked),
        Change("account.unlinked", EventJson.Default.AccountUnlinked),
        Change("credential.changed", EventJson.Default.CredentialChanged),
        Change("session.revoked", EventJson.Default.SessionRevoked),
        Change("apiKey.created", EventJson.Default.ApiKeyCreated),
        Change("apiKey.updated", EventJson.Default.ApiKeyUpdated),
        Change("apiKey.deleted", EventJson.Default.ApiKeyDeleted),
        new("security.alert", Streams.SecurityAlerts.Name!, 1, EventJson.Default.SecurityAlert),
    ];

    private static readonly FrozenDictionary<Type, EventType> ByRecord = All.ToFrozenDictionary(t => t.Record);
    private static readonly FrozenDictionary<string, EventType> BySubject = All.ToFrozenDictionary(t => t.Subject, StringComparer.Ordinal);

    /// <summary>The kind whose record is <paramref name="record"/>.</summary>
    /// <exception cref="ArgumentException">There is none; names those there are.</exception>
    public static EventType Of(Type record) => ByRecord.GetValueOrDefault(record)
        ?? throw new ArgumentException($"{record.Name} is not a Watchword event: choose from {string.Join(", ", All.Select(t => t.Record.Name))}", nameof(record));

    /// <summary>The kind that is published to a subject; null when there is none.</summary>
    public static EventType? Find(string subject) => BySubject.GetValueOrDefault(subject);

    private static EventType Change(string subject, JsonTypeInfo json) => new(subject, Streams.IdentityChanges.Name!, 1, json);
}
