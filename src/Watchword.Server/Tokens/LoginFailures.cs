using System.Net;
using System.Net.Sockets;
using Watchword.Server.Configuration;
using Watchword.Server.Http;
using Watchword.Server.Store;

namespace Watchword.Server.Tokens;

/// <summary>
/// Counts failed logins, publishes them, and locks an address that fails too often. It counts addresses that nobody has in
/// the same way: otherwise a locked address would be known to exist.
/// </summary>
/// <remarks>
/// The lock holds for one e-mail address from one place, so that a stranger cannot lock a user out of their own home. The sum
/// over all places follows NIST SP 800-63B, section 5.2.2: at most 100 failures in a row.
/// </remarks>
internal sealed class LoginFailures(IdentityStore store, LockoutOptions options)
{
    private const int AllPlaces = 10;

    // An attempt that was refused neither lengthens a lock nor counts: otherwise one place could lock all others.
    private const string Locked = "locked";

    // Of an address that fails often, one event in ten.
    private const int Published = 20;
    private const int PublishedAfterwards = 10;

    /// <summary>Refuses an address that is locked.</summary>
    /// <exception cref="ApiException">429: it is locked; says for how long.</exception>
    public async Task ThrowIfLockedAsync(ChangeContext change, string email, CancellationToken ct)
    {
        if (options.Failures is not { } limit)
            return;
        var left = await store.ReadAsync(new("""
            SELECT greatest(max(locked_until) FILTER (WHERE ip = $2) - now(),
                            CASE WHEN sum(least(failures, $5)) FILTER (WHERE last_at > now() - $4) >= $3 THEN max(last_at) + $4 - now() END)
            FROM watchword.login_failure WHERE email = $1
            """, email, Place(change.ClientIp), (long)limit * AllPlaces, options.Time, limit),
            row => row.IsDBNull(0) ? TimeSpan.Zero : row.GetTimeSpan(0), ct);
        if (left <= TimeSpan.Zero)
            return;
        await FailAsync(change, email, null, Locked, ct);
        throw ApiException.LockedOut(left);
    }

    /// <summary>Counts a failure and publishes it, and the lock if this failure causes one.</summary>
    /// <param name="change">The request.</param>
    /// <param name="email">The address that was tried.</param>
    /// <param name="userId">Who has it; null: nobody, or not looked up.</param>
    /// <param name="reason">See <c>UserLoginFailedData</c>.</param>
    /// <param name="ct">Cancels.</param>
    public Task FailAsync(ChangeContext change, string email, string? userId, string reason, CancellationToken ct) =>
        store.WriteAsync<object?>(change, [new("""
            WITH counted AS (
              INSERT INTO watchword.login_failure AS f (email, ip, failures, refused, last_at)
              VALUES ($1, $2, 1 - $11, $11, CASE $11 WHEN 1 THEN now() - $4 ELSE now() END)
              ON CONFLICT (email, ip) DO UPDATE SET
                refused = f.refused + $11,
                failures = CASE WHEN $11 = 1 THEN f.failures WHEN f.last_at < now() - $4 OR f.locked_until <= now() THEN 1 ELSE f.failures + 1 END,
                locked_until = CASE WHEN $11 = 1 THEN f.locked_until WHEN f.last_at < now() - $4 OR f.locked_until <= now() THEN NULL
                                    ELSE coalesce(f.locked_until, CASE WHEN f.failures + 1 >= $3 THEN now() + $4 END) END,
                last_at = CASE $11 WHEN 1 THEN f.last_at ELSE now() END
              RETURNING failures, locked_until, failures + refused AS attempts),
            who AS (
              SELECT coalesce($5, (SELECT u.id::text FROM {user} u WHERE u.email = $1)) AS id),
            failed AS (
              SELECT watchword.append_auth_events('login_failed', ARRAY[coalesce(who.id, $1)], ARRAY[jsonb_build_object(
                'userId', who.id, 'email', $1, 'reason', $6, 'ip', $7, 'userAgent', $8)]) AS position
              FROM counted, who WHERE counted.attempts <= $9 OR counted.attempts % $10 = 0)
            SELECT (SELECT position FROM failed), watchword.append_auth_events('locked_out', ARRAY[who.id], ARRAY[jsonb_build_object(
              'userId', who.id, 'email', $1, 'until', watchword.iso(counted.locked_until), 'ip', $7, 'userAgent', $8)])
            FROM counted, who WHERE counted.failures = $3 AND $11 = 0 AND who.id IS NOT NULL
            UNION ALL SELECT position, NULL FROM failed
            """, email, Place(change.ClientIp), options.Failures ?? int.MaxValue, options.Time, userId, reason, change.ClientIp, change.UserAgent,
            Published, PublishedAfterwards, reason == Locked ? 1 : 0)], _ => null, ct);

    /// <summary>Forgets the failures of an address from one place; part of a login's transaction.</summary>
    public static Statement Forget(ChangeContext change, string email) =>
        new("DELETE FROM watchword.login_failure WHERE email = $1 AND ip = $2", email, Place(change.ClientIp));

    // Whoever has one IPv6 address has 2^64 of them.
    private static string Place(string? ip) =>
        IPAddress.TryParse(ip, out var address) && address.AddressFamily == AddressFamily.InterNetworkV6
            ? $"{new IPAddress([.. address.GetAddressBytes()[..8], 0, 0, 0, 0, 0, 0, 0, 0])}/64"
            : ip ?? "";
}
