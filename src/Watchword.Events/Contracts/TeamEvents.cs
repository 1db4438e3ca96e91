namespace Watchword.Events.Contracts;

/// <summary>An organization's own role was created.</summary>
/// <remarks>In the transaction that creates the row (Better Auth's dynamic access control).</remarks>
public sealed record OrganizationRoleCreated(string Event, DateTimeOffset Timestamp, OrganizationRoleData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<OrganizationRoleData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>An organization's own role was renamed, or grants something else.</summary>
/// <remarks>In the transaction that changes the row.</remarks>
public sealed record OrganizationRoleUpdated(string Event, DateTimeOffset Timestamp, OrganizationRoleData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<OrganizationRoleData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>An organization's own role was deleted.</summary>
/// <remarks>In the transaction that deletes the row, also where the organization's deletion takes it along.</remarks>
public sealed record OrganizationRoleDeleted(string Event, DateTimeOffset Timestamp, OrganizationRoleData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<OrganizationRoleData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>A team was created.</summary>
/// <remarks>In the transaction that creates the row.</remarks>
public sealed record TeamCreated(string Event, DateTimeOffset Timestamp, TeamData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<TeamData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>A team was renamed.</summary>
/// <remarks>In the transaction that changes the row. A new number of members alone causes no event.</remarks>
public sealed record TeamUpdated(string Event, DateTimeOffset Timestamp, TeamData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<TeamData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>A team was deleted.</summary>
/// <remarks>In the transaction that deletes the row, also where the organization's deletion takes it along.</remarks>
public sealed record TeamDeleted(string Event, DateTimeOffset Timestamp, TeamData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<TeamData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>A user joined a team.</summary>
/// <remarks>In the transaction that creates the row. In the order of the user's events, not of the organization's.</remarks>
public sealed record TeamMembershipCreated(string Event, DateTimeOffset Timestamp, TeamMembershipData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<TeamMembershipData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>A user left a team, or it was deleted.</summary>
/// <remarks>In the transaction that deletes the row, also where the team's or the user's deletion takes it along.</remarks>
public sealed record TeamMembershipDeleted(string Event, DateTimeOffset Timestamp, TeamMembershipData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<TeamMembershipData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>A role that an organization made for itself.</summary>
/// <param name="RoleId">The role's own id.</param>
/// <param name="OrganizationId">The organization's id.</param>
/// <param name="Role">The role's name, as it stands in a member's roles.</param>
/// <param name="Permission">What it grants, as Better Auth stores it: JSON in a text, resource to actions.</param>
public sealed record OrganizationRoleData(string RoleId, string OrganizationId, string Role, string Permission) : IKeyed
{
    (string, string) IKeyed.Key => ("data.organizationId", OrganizationId);
}

/// <summary>A team in an organization.</summary>
/// <param name="TeamId">The team's id.</param>
/// <param name="OrganizationId">The organization's id.</param>
/// <param name="Name">Its display name.</param>
public sealed record TeamData(string TeamId, string OrganizationId, string Name) : IKeyed
{
    (string, string) IKeyed.Key => ("data.organizationId", OrganizationId);
}

/// <summary>A user's membership in a team.</summary>
/// <param name="TeamId">The team's id.</param>
/// <param name="UserId">The member's id in the identity server.</param>
public sealed record TeamMembershipData(string TeamId, string UserId) : IKeyed
{
    (string, string) IKeyed.Key => ("data.userId", UserId);
}
