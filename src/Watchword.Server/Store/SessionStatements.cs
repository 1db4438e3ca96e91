namespace Watchword.Server.Store;

/// <summary>Called with the id of a session that this process has just ended.</summary>
internal delegate void SessionEnded(string sessionId);

/// <summary>Statements on sessions and their refresh tokens.</summary>
internal static class SessionStatements
{
    public static Statement Insert(string id, string userId, TimeSpan lifetime, string? ip, string? userAgent) => new("""
        INSERT INTO {session} (id, token, "userId", "expiresAt", "updatedAt", "ipAddress", "userAgent")
        VALUES ($1, $2, $3, now() + $4, now(), $5, $6)
        """, id, Ids.New(), userId, lifetime, ip ?? "", userAgent ?? "");

    public static Statement InsertRefreshToken(byte[] hash, string sessionId, string userId, TimeSpan lifetime) => new("""
        INSERT INTO watchword.refresh_token (hash, session_id, user_id, expires_at) VALUES ($1, $2, $3, now() + $4)
        """, hash, sessionId, userId, lifetime);

    /// <summary>
    /// Spends a live token for its successor, in one statement: of two concurrent uses, one gets a row. Returns the user,
    /// the session and the event's position; no row for a banned user.
    /// </summary>
    /// <remarks>
    /// The session is locked before its token, in the same order as at its end, so that a refresh and a logout cannot
    /// deadlock. The token can change while this waits for the session: its update checks again that it is unspent.
    /// A spent token is kept as long as its successor, which it fetches again after a lost answer.
    /// </remarks>
    public static Statement Rotate(byte[] hash, byte[] successor, TimeSpan lifetime) => new($$"""
        WITH live AS (
          SELECT s.id, {s.impersonatedBy}::text AS impersonator FROM {session} s
          WHERE s.id = (SELECT t.session_id FROM watchword.refresh_token t WHERE t.hash = $1) AND s."expiresAt" > now()
            AND EXISTS (SELECT 1 FROM {user} u WHERE u.id = s."userId" AND NOT ({{UserRow.IsBanned}}))
          FOR NO KEY UPDATE),
        spent AS (
          UPDATE watchword.refresh_token t SET spent_at = clock_timestamp(), expires_at = now() + $3
          FROM live
          WHERE t.hash = $1 AND t.session_id = live.id AND t.spent_at IS NULL AND t.expires_at > now()
          RETURNING t.session_id, t.user_id, live.impersonator),
        next AS (
          INSERT INTO watchword.refresh_token (hash, session_id, user_id, expires_at)
          SELECT $2, session_id, user_id, now() + $3 FROM spent),
        extended AS (
          UPDATE {session} s SET "expiresAt" = now() + $3, "updatedAt" = now() FROM spent WHERE s.id = spent.session_id)
        SELECT {{UserRow.Columns}}, spent.session_id,
               CASE WHEN set_config('watchword.actor', coalesce(spent.impersonator, u.id), true) IS NOT NULL
                     AND set_config('watchword.on_behalf_of', CASE WHEN spent.impersonator IS NULL THEN '' ELSE u.id END, true) IS NOT NULL
                    THEN watchword.append_auth_event('token_refreshed', u.id) END
        FROM spent JOIN {user} u ON u.id = spent.user_id
        """, hash, successor, lifetime);

    /// <summary>
    /// A token that <see cref="Rotate"/> refused. Returns the user, the session, whether it has its successor, how long ago
    /// that was used in turn (null if it was not), and whether the successor or the session has expired.
    /// </summary>
    public static Statement FindSpent(byte[] hash, byte[] successor) => new($$"""
        SELECT {{UserRow.Columns}}, t.session_id, next.hash IS NOT NULL, clock_timestamp() - next.spent_at,
               t.expires_at <= now() OR s."expiresAt" <= now()
        FROM watchword.refresh_token t JOIN {session} s ON s.id = t.session_id JOIN {user} u ON u.id = t.user_id
        LEFT JOIN watchword.refresh_token next ON next.hash = $2
        WHERE t.hash = $1
        """, hash, successor);

    /// <summary>
    /// Ends a session, in the name of its impersonator if it has one; a trigger deletes its refresh tokens and records the revocation. Returns the position of the
    /// <c>logged_out</c> event, or no row if the session had ended already.
    /// </summary>
    public static Statement End(string id) => new("""
        WITH impersonator AS (
          SELECT set_config('watchword.actor', {s.impersonatedBy}::text, true), set_config('watchword.on_behalf_of', s."userId"::text, true)
          FROM {session} s WHERE s.id = $1 AND {s.impersonatedBy} IS NOT NULL),
        ended AS (DELETE FROM {session} WHERE id = $1 AND (SELECT count(*) FROM impersonator) >= 0 RETURNING "userId")
        SELECT watchword.append_auth_event('logged_out', "userId") FROM ended
        """, id);
}
