using Npgsql;
using Watchword.Server.Http;
using Watchword.Server.Passwords;
using Watchword.Server.Store;

namespace Watchword.Server.Tokens;

/// <summary>Registration, login, refresh and logout. Each write is one transaction, which includes its event.</summary>
internal sealed class TokenService(
    IdentityStore store, PasswordHasher passwords, LoginFailures failures, AccessTokenIssuer accessTokens, RefreshTokens refreshTokens, SessionEnded sessionEnded, TokenOptions options)
{
    // A client that has used a successor has no use for its predecessor, but a request that is already under way may carry it:
    // that of a second tab. Whoever presents it later than this is taken for a thief.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    /// <summary>The tokens, and the version for <c>Watchword-Version</c>; no version if nothing was written.</summary>
    internal readonly record struct Issued(TokenAnswer Answer, long? Version);

    /// <exception cref="ApiException">409: the address is taken.</exception>
    public async Task<Issued> RegisterAsync(ChangeContext change, string email, string password, string name, CancellationToken ct)
    {
        var hash = await passwords.HashAsync(password, ct);
        var id = Ids.New();
        var session = NewSession(change, id);
        try
        {
            var (user, version) = await store.WriteAsync(change with { Actor = id },
            [
                UserStatements.Insert(id, name, email),
                UserStatements.InsertCredential(id, hash),
                .. session.Statements,
                UserStatements.RecordLogin(id),
                UserStatements.FindWithVersion(id),
            ], row => (UserRow.Read(row), row.GetInt64(UserRow.ColumnCount)), ct);
            return new(Answer(user, session.Id, session.RefreshToken), version);
        }
        catch (PostgresException e) when (e is { SqlState: PostgresErrorCodes.UniqueViolation, TableName: "user" })
        {
            throw ApiException.EmailExists();
        }
    }

    /// <exception cref="ApiException">401: unknown address or wrong password, which take the same time; 403: banned; 429: too many failures.</exception>
    public async Task<Issued> LoginAsync(ChangeContext change, string email, string password, CancellationToken ct)
    {
        await failures.ThrowIfLockedAsync(change, email, ct);
        var (user, hash) = await store.ReadAsync(UserStatements.FindWithPassword(email),
            row => (UserRow.Read(row), row.IsDBNull(UserRow.ColumnCount) ? null : row.GetString(UserRow.ColumnCount)), ct);
        if (!await passwords.VerifyAsync(password, hash, ct) || user is null)
        {
            await failures.FailAsync(change, email, user?.Id, user is null ? "unknown_address" : hash is null ? "no_password" : "wrong_password", ct);
            throw ApiException.InvalidCredentials();
        }
        if (user.Banned)
        {
            await failures.FailAsync(change, email, user.Id, "banned", ct);
            throw ApiException.Banned();
        }

        var session = NewSession(change, user.Id);
        try
        {
            var version = await store.WriteAsync(change with { Actor = user.Id },
            [
                .. user.BanIsOver ? [UserStatements.LiftEndedBan(user.Id)] : (Statement[])[],
                .. session.Statements,
                UserStatements.RecordLogin(user.Id),
                LoginFailures.Forget(change, email),
                UserStatements.AppendLoggedIn(user.Id, user.Email, change.ClientIp, change.UserAgent),
            ], row => row.GetInt64(0), ct);
            return new(Answer(user, session.Id, session.RefreshToken), version);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ForeignKeyViolation)
        {
            // The user was deleted after the password was checked.
            throw ApiException.InvalidCredentials();
        }
    }

    /// <summary>Exchanges a refresh token for its successor; see RFC 9700, section 4.14.2.</summary>
    /// <exception cref="ApiException">401: unknown, expired, or stolen (which ends the session); 403: banned.</exception>
    public async Task<Issued> RefreshAsync(ChangeContext change, string token, CancellationToken ct)
    {
        if (token.Length != RefreshTokens.Length)
            throw ApiException.InvalidToken();
        var successor = refreshTokens.Successor(token);
        var (user, sessionId, position) = await store.WriteAsync(change,
            [SessionStatements.Rotate(RefreshTokens.Hash(token), RefreshTokens.Hash(successor), options.SessionLifetime)],
            row => (UserRow.Read(row), row.GetString(UserRow.ColumnCount), row.GetInt64(UserRow.ColumnCount + 1)), ct);
        return user is null ? await RefreshSpentAsync(change, token, successor, ct) : new(Answer(user, sessionId, successor), position);
    }

    /// <summary>Ends a session. Returns the version of the event.</summary>
    /// <exception cref="ApiException">401: the session has ended already.</exception>
    public async Task<long> LogoutAsync(ChangeContext change, string sessionId) =>
        await EndAsync(change, sessionId) ?? throw ApiException.InvalidToken();

    // Returns the position of the event, or null if the session had ended already. Not cancelled with the request: a closed
    // page, or a thief who hangs up, must not keep a session alive.
    private async Task<long?> EndAsync(ChangeContext change, string sessionId)
    {
        var position = await store.WriteAsync<long?>(change, [SessionStatements.End(sessionId)], row => row.GetInt64(0), CancellationToken.None);
        sessionEnded(sessionId);
        return position;
    }

    /// <exception cref="ApiException">404: deleted since the token was issued.</exception>
    public async Task<PublicUser> FindAsync(string userId, CancellationToken ct) =>
        PublicUser.From(await store.ReadAsync(UserStatements.Find(userId), UserRow.Read, ct) ?? throw ApiException.UserNotFound());

    // A token that could not be spent. While its successor is unused, nobody may have received it: the answer was lost, the
    // laptop slept, or another tab was first. Once it is used, whoever still presents this token has a copy of it, and this
    // token or a later one was stolen: that ends the session and all its tokens.
    private async Task<Issued> RefreshSpentAsync(ChangeContext change, string token, string successor, CancellationToken ct)
    {
        var (user, sessionId, exists, usedFor, expired) = await store.ReadAsync(SessionStatements.FindSpent(RefreshTokens.Hash(token), RefreshTokens.Hash(successor)), row => (
            UserRow.Read(row), row.GetString(UserRow.ColumnCount), row.GetBoolean(UserRow.ColumnCount + 1),
            row.IsDBNull(UserRow.ColumnCount + 2) ? (TimeSpan?)null : row.GetTimeSpan(UserRow.ColumnCount + 2),
            row.GetBoolean(UserRow.ColumnCount + 3)), ct);
        if (user is null)
            throw ApiException.InvalidToken();
        if (expired)
            throw ApiException.TokenExpired();
        if (usedFor > Grace)
        {
            await EndAsync(change with { Actor = user.Id }, sessionId);
            throw ApiException.InvalidToken();
        }
        if (user.Banned)
            throw ApiException.Banned();
        return exists ? new(Answer(user, sessionId, successor), null) : throw ApiException.InvalidToken();
    }

    private readonly record struct NewSessionParts(string Id, string RefreshToken, IReadOnlyList<Statement> Statements);

    private NewSessionParts NewSession(ChangeContext change, string userId)
    {
        var id = Ids.New();
        var token = RefreshTokens.New();
        return new(id, token,
        [
            SessionStatements.Insert(id, userId, options.SessionLifetime, change.ClientIp, change.UserAgent),
            SessionStatements.InsertRefreshToken(RefreshTokens.Hash(token), id, userId, options.SessionLifetime),
        ]);
    }

    private TokenAnswer Answer(UserRow user, string sessionId, string refreshToken) => new(
        accessTokens.Issue(user.Id, sessionId, user.Email, user.Name, user.Role ?? "user"), refreshToken,
        (int)accessTokens.Lifetime.TotalSeconds, PublicUser.From(user));
}

/// <summary>Options of the token API.</summary>
/// <param name="SessionLifetime">How long a session lives without a refresh; 1 minute to 365 days.</param>
internal sealed record TokenOptions(TimeSpan SessionLifetime);
