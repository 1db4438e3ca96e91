namespace Watchword.Server.Store;

/// <summary>Statements on users and their credentials.</summary>
internal static class UserStatements
{
    /// <summary>A user by id.</summary>
    public static Statement Find(string id) => new($$"""SELECT {{UserRow.Columns}} FROM {user} u WHERE u.id = $1""", id);

    /// <summary>A user by lower-case e-mail; the last column is the credential's stored hash, or null.</summary>
    public static Statement FindWithPassword(string email) => new($$"""
        SELECT {{UserRow.Columns}}, a.password
        FROM {user} u LEFT JOIN {account} a ON a."userId" = u.id AND a."providerId" = 'credential'
        WHERE u.email = $1 LIMIT 1
        """, email);

    /// <summary>A user by id; the last column is the newest version.</summary>
    public static Statement FindWithVersion(string id) => new($$"""
        SELECT {{UserRow.Columns}}, v.version FROM {user} u JOIN watchword.entity_version v ON v.kind = 'user' AND v.id = u.id
        WHERE u.id = $1
        """, id);

    /// <summary>Violates <c>user_email_key</c> if the address is taken.</summary>
    public static Statement Insert(string id, string name, string email) => new("""
        INSERT INTO {user} (id, name, email, "emailVerified"{user.role?, role}{user.banned?, banned})
        VALUES ($1, $2, $3, false{user.role?, 'user'}{user.banned?, false})
        """, id, name, email);

    /// <summary>Stores a user's password hash as Better Auth does: an account of provider "credential".</summary>
    public static Statement InsertCredential(string userId, string passwordHash) => new("""
        INSERT INTO {account} (id, "accountId", "providerId", "userId", password, "updatedAt"{account.issuer!, issuer})
        VALUES ($1, $2, 'credential', $2, $3, now(){account.issuer!, 'local:credential'})
        """, Ids.New(), userId, passwordHash);

    /// <summary>Clears an expired ban, as Better Auth does at the next login. Like every change it leaves an event.</summary>
    public static Statement LiftEndedBan(string userId) => new("""
        UPDATE {user} SET banned = false, "banReason" = NULL, "banExpires" = NULL, "updatedAt" = now()
        WHERE id = $1 AND banned AND "banExpires" <= now()
        """, userId);

    public static Statement RecordLogin(string userId) => new("""
        INSERT INTO watchword.user_login (user_id, last_login_at) VALUES ($1, now())
        ON CONFLICT (user_id) DO UPDATE SET last_login_at = EXCLUDED.last_login_at
        """, userId);

    /// <summary>Appends the <c>logged_in</c> event. Returns its position.</summary>
    public static Statement AppendLoggedIn(string userId, string email, string? ip, string? userAgent) =>
        new("SELECT watchword.append_auth_event('logged_in', $1, p_email => $2, p_ip => $3, p_user_agent => $4)", userId, email, ip, userAgent);
}
