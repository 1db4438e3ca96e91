using Npgsql;

namespace Watchword.Server.Store;

/// <summary>A row of table <c>user</c>.</summary>
/// <param name="Banned">Whether the user is banned now: an expired ban does not count.</param>
/// <param name="BanIsOver">Whether the row still says banned although the ban has expired.</param>
internal sealed record UserRow(
    string Id, string Name, string Email, bool EmailVerified, string? Image, DateTime CreatedAt, DateTime UpdatedAt, string? Role,
    bool Banned, bool BanIsOver)
{
    /// <summary>The condition that the user aliased <c>u</c> is banned now.</summary>
    public const string IsBanned = """coalesce({u.banned}, false) AND coalesce({u.banExpires} > now(), true)""";

    /// <summary>The columns that <see cref="Read"/> expects, of a user aliased <c>u</c>.</summary>
    public const string Columns = $$"""
        u.id, u.name, u.email, u."emailVerified", u.image, u."createdAt", u."updatedAt", {u.role}::text,
        {{IsBanned}}, coalesce({u.banned} AND {u.banExpires} <= now(), false)
        """;

    public const int ColumnCount = 10;

    public static UserRow Read(NpgsqlDataReader row) => new(
        row.GetString(0), row.GetString(1), row.GetString(2), row.GetBoolean(3), Text(row, 4),
        row.GetDateTime(5), row.GetDateTime(6), Text(row, 7), row.GetBoolean(8), row.GetBoolean(9));

    private static string? Text(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);
}
