using System.Text.Json;

namespace Watchword.Events.Contracts;

/// <summary>An example of each event: for the documents that describe them, and for the tests of those who read them.</summary>
public static class EventExamples
{
    private static readonly DateTimeOffset At = new(2026, 1, 15, 9, 30, 0, 125, TimeSpan.Zero);
    private static readonly long Position = (At - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
    private const string Id = "019bc0eb-bbfd-7c2e-9d6b-1f0a3c5e7b42";
    private const string Ada = "oX9a06T45Brmu3RJf0p7phj367Pf3qSX";
    private const string Browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

    private static readonly EventMetadata Metadata = new("auth-service", "0.1.0", "production", Id, "walk-1");
    private static readonly Enrichment Context = new("NL", "linux");
    private static readonly OrganizationData Acme = new("Qk3ZbN0cXw8sT1vLr5yJm2aUeGhD6fPi", "Acme", "acme", "https://acme.example/logo.svg");
    private static readonly MembershipData Member = new("mB7rW2xKq9Tn4VzLc1sYh8JdFp6GoE3u", Acme.OrganizationId, Ada, ["owner"]);
    private static readonly InvitationData Invitation = new("iV5tP8nQz3Hw6KxRm0bLc9SyJf2GdA7e", Acme.OrganizationId, "grace@example.com", "pending", Ada, "member");

    private static readonly OrganizationRoleData Auditor = new("rL9cV2nXk6Ty4PzQ8sWb1HdJf7GmE3oA", Acme.OrganizationId, "auditor", """{"invoice":["read"]}""");
    private static readonly TeamData Support = new("tM4wK8bZq1Xn6RvLc3sYh9JdFp2GoE7u", Acme.OrganizationId, "Support");
    private static readonly TeamMembershipData InSupport = new(Support.TeamId, Ada);
    private static readonly AccountData GitHub = new("aC6vN1xZk9Qm3TzR7sWb5HdJf2GpE8oL", Ada, "github", "583231");
    private static readonly ApiKeyData Key = new("kP3rX7vNq2Zt9WzLc5sYh1JdFm8GoE4b", Ada, Enabled: true, "nightly import", """{"report":["read"]}""") { ExpiresAt = At.AddDays(90) };

    private static readonly Dictionary<Type, object> All = new object[]
    {
        new UserRegistered("auth.user.registered", new(Ada, "ada@example.com", "Ada Lovelace", At), Metadata),
        new UserLoggedIn("auth.user.logged_in", new(Ada, "ada@example.com", At, "203.0.113.7", Browser, Context), Metadata),
        new UserLoggedOut("auth.user.logged_out", new(Ada, At), Metadata),
        new UserTokenRefreshed("auth.user.token_refreshed", new(Ada, At), Metadata),
        new UserLoginFailed("auth.user.login_failed", new("ada@example.com", "wrong_password", At, Ada, "203.0.113.7", Browser), Metadata),
        new UserLockedOut("auth.user.locked_out", new(Ada, "ada@example.com", At, At.AddMinutes(15), "203.0.113.7", Browser), Metadata),
        new UserSyncEvent
        {
            Event = "user.updated",
            Timestamp = At,
            Data = new(Ada, "ada@example.com", "+31201234567", "Ada Lovelace", EmailVerified: true, Roles: ["user", "admin"], OrganizationId: Acme.OrganizationId),
            Id = Id,
            Version = Position,
            SchemaVersion = 1,
        },
        new UserErased("user.erased", At, new(Ada), Id, Position),
        new OrganizationCreated("organization.created", At, Acme, Id, Position),
        new OrganizationUpdated("organization.updated", At, Acme with { Name = "Acme Corporation" }, Id, Position),
        new OrganizationDeleted("organization.deleted", At, Acme, Id, Position),
        new OrganizationMembershipCreated("organizationMembership.created", At, Member, Id, Position),
        new OrganizationMembershipUpdated("organizationMembership.updated", At, Member with { Roles = ["owner", "admin"] }, Id, Position),
        new OrganizationMembershipDeleted("organizationMembership.deleted", At, Member, Id, Position),
        new MemberRoleChanged("member.role.changed", At, Member with { Roles = ["owner", "admin"] }, Id, Position),
        new InvitationCreated("invitation.created", At, Invitation, Id, Position),
        new InvitationAccepted("invitation.accepted", At, Invitation with { Status = "accepted" }, Id, Position),
        new InvitationRejected("invitation.rejected", At, Invitation with { Status = "rejected" }, Id, Position),
        new InvitationCanceled("invitation.canceled", At, Invitation with { Status = "canceled" }, Id, Position),
        new OrganizationRoleCreated("organizationRole.created", At, Auditor, Id, Position),
        new OrganizationRoleUpdated("organizationRole.updated", At, Auditor with { Permission = """{"invoice":["read","export"]}""" }, Id, Position),
        new OrganizationRoleDeleted("organizationRole.deleted", At, Auditor, Id, Position),
        new TeamCreated("team.created", At, Support, Id, Position),
        new TeamUpdated("team.updated", At, Support with { Name = "Customer support" }, Id, Position),
        new TeamDeleted("team.deleted", At, Support, Id, Position),
        new TeamMembershipCreated("teamMembership.created", At, InSupport, Id, Position),
        new TeamMembershipDeleted("teamMembership.deleted", At, InSupport, Id, Position),
        new AccountLinked("account.linked", At, GitHub, Id, Position),
        new AccountUnlinked("account.unlinked", At, GitHub, Id, Position),
        new CredentialChanged("credential.changed", At, new(Ada, "password", "changed"), Id, Position),
        new SessionRevoked("session.revoked", At, new("hK2sXv8Qb4Rn7Tz0WcYj5LmPd9GfAe1u", Ada, "203.0.113.7", Browser), Id, Position),
        new ApiKeyCreated("apiKey.created", At, Key, Id, Position),
        new ApiKeyUpdated("apiKey.updated", At, Key with { Enabled = false }, Id, Position),
        new ApiKeyDeleted("apiKey.deleted", At, Key, Id, Position),
        new SecurityAlert("security.alert", new(Ada, "brute_force", "Five failed logins within a minute.", At, "203.0.113.7", Browser), Metadata with { Service = "security-monitor" }),
    }.ToDictionary(e => e.GetType());

    /// <summary>The example as it is published.</summary>
    public static byte[] Of(EventType type) => JsonSerializer.SerializeToUtf8Bytes(All[type.Record], type.Json);
}
