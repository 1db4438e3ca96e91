using Npgsql;
using Watchword.Server.Http;
using Watchword.Server.Passwords;
using Watchword.Server.Store;
using Watchword.Tokens;

namespace Watchword.Server.Tokens;

/// <summary>Registration, login, refresh and logout. Each write is one transaction, its event included.</summary>
internal sealed class TokenService(
    IdentityStore store, PasswordHasher passwords, AccessTokenIssuer accessTokens, RefreshTokens refreshTokens, SessionEnded sessionEnded, TokenOptions options)
{
    // Tokens in flight from two tabs differ by well under a second; a thief who is later than this ends the family.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);
    private const int LongestGraceChain = 8;
    private const int LongestNameInToken = 200;

    /// <summary>Everything a write answers: the tokens, and the version for <c>Watchword-Version</c>.</summary>
    internal readonly record struct Issued(TokenAnswer Answer, long Version);

    /// <exception cref="ApiException">409: the address is taken.</exception>
    public async Task<Issued> RegisterAsync(HttpContext context, string email, string password, string name)
    {
        var hash = await passwords.HashAsync(password, context.RequestAborted);
        var id = Ids.New();
        var session = NewSession(context, id);
        try
        {
            var (user, version) = await store.WriteAsync(context.Change(id),
            [
                UserStatements.Insert(id, name, email),
                UserStatements.InsertCredential(id, hash),
                .. session.Statements,
                UserStatements.RecordLogin(id),
                new Statement($"""
                    SELECT {UserRow.Columns}, v.version FROM "user" u JOIN watchword.entity_version v ON v.kind = 'user' AND v.id = u.id
                    WHERE u.id = $1
                    """, id),
            ], row => (UserRow.Read(row), row.GetInt64(UserRow.ColumnCount)), context.RequestAborted);
            return new(Answer(user, session.Id, session.RefreshToken), version);
        }
        catch (PostgresException e) when (e is { SqlState: PostgresErrorCodes.UniqueViolation, TableName: "user" })
        {
            throw ApiException.EmailExists();
        }
    }

    /// <exception cref="ApiException">401: unknown address or wrong password, which take the same time; 403: banned.</exception>
    public async Task<Issued> LoginAsync(HttpContext context, string email, string password)
    {
        var (user, hash) = await store.ReadAsync(UserStatements.FindWithPassword(email),
            row => (UserRow.Read(row), row.IsDBNull(UserRow.ColumnCount) ? null : row.GetString(UserRow.ColumnCount)), context.RequestAborted);
        if (!await passwords.VerifyAsync(password, hash, context.RequestAborted) || user is null)
            throw new ApiException(StatusCodes.Status401Unauthorized, "Invalid email or password");
        if (user.Banned)
            throw Banned();

        var session = NewSession(context, user.Id);
        try
        {
            var version = await store.WriteAsync(context.Change(user.Id),
            [
                .. user.BanIsOver ? [UserStatements.LiftEndedBan(user.Id)] : (Statement[])[],
                .. session.Statements,
                UserStatements.RecordLogin(user.Id),
                new Statement("SELECT watchword.append_auth_event('logged_in', $1, p_email => $2, p_ip => $3, p_user_agent => $4)",
                    user.Id, user.Email, context.ClientIp(), context.UserAgent()),
            ], row => row.GetInt64(0), context.RequestAborted);
            return new(Answer(user, session.Id, session.RefreshToken), version);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ForeignKeyViolation)
        {
            // Deleted between the check and the session.
            throw new ApiException(StatusCodes.Status401Unauthorized, "Invalid email or password");
        }
    }

    /// <summary>Spends the token for its successor; see RFC 9700, section 4.14.2.</summary>
    /// <exception cref="ApiException">401: unknown, expired, or spent (which ends the family); 403: banned.</exception>
    public async Task<Issued> RefreshAsync(HttpContext context, string token)
    {
        var successor = refreshTokens.Successor(token);
        var (user, sessionId, position) = await store.WriteAsync(context.Change(),
            [SessionStatements.Rotate(RefreshTokens.Hash(token), RefreshTokens.Hash(successor), options.SessionLifetime)],
            row => (UserRow.Read(row), row.GetString(UserRow.ColumnCount), row.GetInt64(UserRow.ColumnCount + 1)), context.RequestAborted);
        return user is null ? await RefreshSpentAsync(context, token) : new(Answer(user, sessionId, successor), position);
    }

    /// <exception cref="ApiException">401: the session has ended already.</exception>
    public async Task<long> LogoutAsync(HttpContext context, AccessTokenClaims caller)
    {
        return await EndAsync(context.Change(caller.Subject), caller.SessionId) ?? throw ApiException.InvalidToken();
    }

    // Answers the position of the event, or null when the session had ended already. Not cancelled with the request:
    // neither a closed page nor a thief who hangs up may keep a session alive.
    private async Task<long?> EndAsync(ChangeContext change, string sessionId)
    {
        var position = await store.WriteAsync<long?>(change, [SessionStatements.End(sessionId)], row => row.GetInt64(0), CancellationToken.None);
        sessionEnded(sessionId);
        return position;
    }

    /// <exception cref="ApiException">404: deleted since the token was issued.</exception>
    public async Task<PublicUser> FindAsync(string userId, CancellationToken ct) =>
        PublicUser.From(await store.ReadAsync(UserStatements.Find(userId), UserRow.Read, ct) ?? throw ApiException.UserNotFound());

    // A token that could not be spent. Two tabs that refresh at once both get the live end of the chain; a use after
    // the grace period is a theft, of this token or of its successors, and ends the family.
    private async Task<Issued> RefreshSpentAsync(HttpContext context, string token)
    {
        for (var step = 0; step < LongestGraceChain; step++)
        {
            var (user, sessionId, spentFor, expired) = await store.ReadAsync(SessionStatements.FindRefreshToken(RefreshTokens.Hash(token)), row => (
                UserRow.Read(row), row.GetString(UserRow.ColumnCount),
                row.IsDBNull(UserRow.ColumnCount + 1) ? (TimeSpan?)null : row.GetTimeSpan(UserRow.ColumnCount + 1),
                row.GetBoolean(UserRow.ColumnCount + 2)), context.RequestAborted);
            if (user is null)
                break;
            if (expired)
                throw ApiException.TokenExpired();
            if (spentFor > Grace)
            {
                await EndAsync(context.Change(user.Id), sessionId);
                break;
            }
            if (user.Banned)
                throw Banned();
            if (spentFor is null)
                return step > 0 ? new(Answer(user, sessionId, token), 0) : throw ApiException.InvalidToken();
            token = refreshTokens.Successor(token);
        }
        throw ApiException.InvalidToken();
    }

    private readonly record struct NewSessionParts(string Id, string RefreshToken, IReadOnlyList<Statement> Statements);

    private NewSessionParts NewSession(HttpContext context, string userId)
    {
        var id = Ids.New();
        var token = RefreshTokens.New();
        return new(id, token,
        [
            SessionStatements.Insert(id, userId, options.SessionLifetime, context.ClientIp(), context.UserAgent()),
            SessionStatements.InsertRefreshToken(RefreshTokens.Hash(token), id, userId, options.SessionLifetime),
        ]);
    }

    private TokenAnswer Answer(UserRow user, string sessionId, string refreshToken)
    {
        // Better Auth takes names of any length, a token does not.
        var name = user.Name.Length <= LongestNameInToken ? user.Name : null;
        var claims = accessTokens.Prepare(user.Id, sessionId, user.Email, name, user.Role ?? "user");
        return new(accessTokens.Sign(claims), refreshToken, (int)(claims.ExpiresAt - claims.IssuedAt).TotalSeconds, PublicUser.From(user));
    }

    private static ApiException Banned() => new(StatusCodes.Status403Forbidden, "This account is banned");
}

/// <summary>How long what the token API hands out lives.</summary>
/// <param name="SessionLifetime">Without a refresh; 1 minute to 365 days.</param>
internal sealed record TokenOptions(TimeSpan SessionLifetime);
