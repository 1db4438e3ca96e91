namespace Watchword.Events.Contracts;

/// <summary>A change of an organization, or of something that belongs to an organization or a user.</summary>
/// <param name="Event">The event's name, the same as its subject.</param>
/// <param name="Timestamp">When it happened, UTC, by the database's clock; to the millisecond.</param>
/// <param name="Data">The whole state after the change, or before a deletion; not a difference.</param>
/// <param name="Id">The event's own id, a UUIDv7; also the <c>Nats-Msg-Id</c>.</param>
/// <param name="Version">The version of the user or organization after the change. Rises with every change of it; counted in microseconds since 1970; a version more than a day ahead is refused.</param>
/// <param name="SchemaVersion">The schema version of the event.</param>
public abstract record ChangeEvent<TData>(
    string Event, DateTimeOffset Timestamp, TData Data, string Id, long Version, int SchemaVersion = 1) : IEvent
    where TData : notnull
{
    string? IEvent.Fault(DateTimeOffset now) => this switch
    {
        { Version: <= 0 } => "version must be positive",
        { Data: IKeyed { Key: { Value: "" } key } } => $"{key.Field} is empty",
        { Data: MembershipData { Roles: var roles } } when Array.IndexOf(roles, null) is >= 0 and var i => $"data.roles[{i}] has the wrong type",
        _ => IEvent.Ahead(Version, now),
    };
}

/// <summary>An organization was created.</summary>
/// <remarks>In the transaction that creates the row.</remarks>
public sealed record OrganizationCreated(string Event, DateTimeOffset Timestamp, OrganizationData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<OrganizationData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>An organization's name, slug, logo or metadata changed.</summary>
/// <remarks>In the transaction that changes the row; an update that changes nothing causes no event.</remarks>
public sealed record OrganizationUpdated(string Event, DateTimeOffset Timestamp, OrganizationData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<OrganizationData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>An organization was deleted.</summary>
/// <remarks>In the transaction that deletes the row; the ends of its memberships follow it.</remarks>
public sealed record OrganizationDeleted(string Event, DateTimeOffset Timestamp, OrganizationData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<OrganizationData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>A user joined an organization.</summary>
/// <remarks>In the transaction that creates the member's row. A first membership is also a <c>user.sync</c>, for it changes the user's organization.</remarks>
public sealed record OrganizationMembershipCreated(string Event, DateTimeOffset Timestamp, MembershipData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<MembershipData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>A membership changed.</summary>
/// <remarks>In the transaction that changes the member's row.</remarks>
public sealed record OrganizationMembershipUpdated(string Event, DateTimeOffset Timestamp, MembershipData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<MembershipData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>A user left an organization, or it was deleted.</summary>
/// <remarks>In the transaction that deletes the member's row, also where the user's or the organization's deletion takes it along.</remarks>
public sealed record OrganizationMembershipDeleted(string Event, DateTimeOffset Timestamp, MembershipData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<MembershipData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>A member's roles in an organization changed.</summary>
/// <remarks>After the <c>organizationMembership.updated</c> of the same change, for those who only care for permissions.</remarks>
public sealed record MemberRoleChanged(string Event, DateTimeOffset Timestamp, MembershipData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<MembershipData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>Somebody was invited to an organization.</summary>
/// <remarks>In the transaction that creates the invitation's row.</remarks>
public sealed record InvitationCreated(string Event, DateTimeOffset Timestamp, InvitationData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<InvitationData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>An invitation was accepted.</summary>
/// <remarks>When its status becomes <c>accepted</c>.</remarks>
public sealed record InvitationAccepted(string Event, DateTimeOffset Timestamp, InvitationData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<InvitationData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>An invitation was rejected by the person it was sent to.</summary>
/// <remarks>When its status becomes <c>rejected</c>.</remarks>
public sealed record InvitationRejected(string Event, DateTimeOffset Timestamp, InvitationData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<InvitationData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>An invitation was withdrawn.</summary>
/// <remarks>When its status becomes <c>canceled</c>, or its row is deleted while it is <c>pending</c>.</remarks>
public sealed record InvitationCanceled(string Event, DateTimeOffset Timestamp, InvitationData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<InvitationData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>An organization.</summary>
/// <param name="OrganizationId">The organization's id.</param>
/// <param name="Name">Its display name.</param>
/// <param name="Slug">Its name in URLs, unique.</param>
/// <param name="Logo">The URL of its logo.</param>
/// <param name="Metadata">What applications keep with it, as they wrote it: usually JSON in a text.</param>
public sealed record OrganizationData(string OrganizationId, string Name, string Slug, string? Logo = null, string? Metadata = null) : IKeyed
{
    (string, string) IKeyed.Key => ("data.organizationId", OrganizationId);
}

/// <summary>A user's membership in an organization.</summary>
/// <param name="MemberId">The membership's own id.</param>
/// <param name="OrganizationId">The organization's id.</param>
/// <param name="UserId">The member's id in the identity server.</param>
/// <param name="Roles">The member's roles in this organization, for example <c>owner</c>, <c>admin</c>, <c>member</c>.</param>
public sealed record MembershipData(string MemberId, string OrganizationId, string UserId, string[] Roles) : IKeyed
{
    (string, string) IKeyed.Key => ("data.organizationId", OrganizationId);
}

/// <summary>An invitation to an organization.</summary>
/// <param name="InvitationId">The invitation's id.</param>
/// <param name="OrganizationId">The organization's id.</param>
/// <param name="Email">The address it was sent to.</param>
/// <param name="Status"><c>pending</c>, <c>accepted</c>, <c>rejected</c> or <c>canceled</c>.</param>
/// <param name="InviterId">The id of the user who invites.</param>
/// <param name="Role">The role that the invited user gets; null: the organization's default.</param>
/// <param name="TeamId">The team that the invited user joins.</param>
public sealed record InvitationData(
    string InvitationId, string OrganizationId, string Email, string Status, string InviterId, string? Role = null, string? TeamId = null) : IKeyed
{
    (string, string) IKeyed.Key => ("data.organizationId", OrganizationId);
}
