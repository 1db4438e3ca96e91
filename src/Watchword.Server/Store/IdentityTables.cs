using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Npgsql;
using Watchword.Server.Configuration;

namespace Watchword.Server.Store;

/// <summary>
/// Better Auth's tables as this database has them: in which schema, with singular or plural names, and with the columns of
/// which plugins. SQL names them in braces; <see cref="Render"/> fills them in.
/// </summary>
/// <remarks>
/// <c>{user}</c> is the table's qualified name. <c>{u.role}</c> is a column of the table that the SQL aliases <c>u</c> (user),
/// <c>s</c> (session) or <c>a</c> (account), or NULL where the table lacks it. <c>{user.role? …}</c> stands for its text
/// where the column exists, and for nothing elsewhere; <c>{account.issuer! …}</c>, where the column exists and must be
/// written. <c>{user.id:type}</c> is a column's type.
/// </remarks>
internal sealed partial class IdentityTables
{
    /// <summary>The tables that Better Auth always has.</summary>
    private static readonly string[] Core = ["user", "session", "account", "verification"];

    private static readonly string[] Plugins =
        ["organization", "member", "invitation", "team", "teamMember", "organizationRole", "apikey", "passkey", "twoFactor", "jwks", "deviceCode", "rateLimit"];

    private static readonly Dictionary<string, string> Aliases = new(StringComparer.Ordinal) { ["u"] = "user", ["s"] = "session", ["a"] = "account" };

    // What reads a table that does not exist: no rows, with the columns that the triggers ask for.
    private const string NoMembers = """(SELECT NULL::text AS id, NULL::text AS "userId", NULL::text AS "organizationId", NULL::timestamptz AS "createdAt" WHERE false)""";

    private readonly Dictionary<string, Table> _tables;
    private readonly ConcurrentDictionary<string, string> _rendered = new(StringComparer.Ordinal);

    private IdentityTables(string schema, Dictionary<string, Table> tables) => (Schema, _tables) = (schema, tables);

    /// <summary>The schema that holds them.</summary>
    public string Schema { get; }

    /// <summary>The logical names of the tables that exist, for example <c>user</c> for table <c>users</c>.</summary>
    public IEnumerable<string> Names => _tables.Keys;

    /// <summary>Whether a table has a column that must be written, for it is NOT NULL and has no default.</summary>
    public bool IsRequired(string table, string column) => _tables.TryGetValue(table, out var t) && t.Columns.TryGetValue(column, out var c) && c.Required;

    /// <summary>Whether a table exists and has a column.</summary>
    public bool Has(string table, string column) => _tables.TryGetValue(table, out var t) && t.Columns.ContainsKey(column);

    /// <summary>The quoted, qualified name of a table; null where there is none.</summary>
    public string? NameOf(string table) => _tables.TryGetValue(table, out var t) ? t.Name : null;

    /// <summary>Reads what the database has. Null when it has none of the tables.</summary>
    /// <exception cref="StartException">It has some of them, but not all that sign-in needs; or those of both singular and plural names.</exception>
    public static async Task<IdentityTables?> FindAsync(NpgsqlConnection connection, string schema, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("""
            SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL), a.attnotnull AND NOT a.atthasdef AND a.attidentity = '',
                   format('%I.%I', n.nspname, c.relname)
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
            WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND c.relname = ANY ($2) AND a.attnum > 0 AND NOT a.attisdropped
            """, connection);
        var known = Core.Concat(Plugins).ToList();
        command.Parameters.Add(new() { Value = schema });
        command.Parameters.Add(new() { Value = known.Concat(known.Select(Plural)).ToArray() });
        var found = new Dictionary<string, Table>(StringComparer.Ordinal);
        await using (var reader = await command.ExecuteReaderAsync(ct))
        {
            while (await reader.ReadAsync(ct))
            {
                if (!found.TryGetValue(reader.GetString(0), out var table))
                    found[reader.GetString(0)] = table = new(reader.GetString(4), new(StringComparer.Ordinal));
                table.Columns[reader.GetString(1)] = new(reader.GetString(2), reader.GetBoolean(3));
            }
        }
        return Choose(schema, found, known);
    }

    /// <summary>Fills in the names in braces.</summary>
    /// <exception cref="InvalidOperationException">The SQL names a table that this database lacks.</exception>
    public string Render(string sql) => _rendered.GetOrAdd(sql, text => Placeholder().Replace(text, Fill));

    private static IdentityTables? Choose(string schema, Dictionary<string, Table> found, List<string> known)
    {
        var plural = !found.ContainsKey("user") && found.ContainsKey("users");
        // A table called users alone can be anybody's; Better Auth's has this column.
        if (plural && !found["users"].Columns.ContainsKey("emailVerified"))
            plural = false;
        var tables = known.Where(name => found.ContainsKey(plural ? Plural(name) : name)).ToDictionary(name => name, name => found[plural ? Plural(name) : name], StringComparer.Ordinal);
        if (!Core.Any(tables.ContainsKey))
            return null;
        var missing = Core.Where(name => !tables.ContainsKey(name)).Select(name => plural ? Plural(name) : name).ToList();
        return missing.Count == 0
            ? new(schema, tables)
            : throw new StartException($"schema {schema} of the identity store has some of Better Auth's tables, but not {string.Join(", ", missing)}: complete Better Auth's migration, or name another schema in {Setting.DatabaseSchema.Key}");
    }

    private static string Plural(string name) => name + "s";

    private string Fill(Match match)
    {
        var (name, column, option) = (match.Groups["table"].Value, match.Groups["column"].Value, match.Groups["option"].Value);
        var isAlias = Aliases.TryGetValue(name, out var aliased);
        if (column.Length == 0)
            return NameOf(name) ?? (name == "member" ? NoMembers : throw new InvalidOperationException($"The database has no table {name}."));
        if (option.StartsWith('?'))
            return Has(name, column) ? option[1..] : "";
        if (option.StartsWith('!'))
            return IsRequired(name, column) ? option[1..] : "";
        if (option == ":type")
            return _tables[name].Columns[column].Type;
        return isAlias && Has(aliased!, column) ? $"{name}.\"{column}\"" : "NULL";
    }

    [GeneratedRegex("""\{(?<table>[a-zA-Z]+)(\.(?<column>[a-zA-Z]+)(?<option>:type|[?!][^}]*)?)?\}""", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Placeholder();

    /// <param name="Name">Quoted and qualified.</param>
    /// <param name="Columns">By name.</param>
    private sealed record Table(string Name, Dictionary<string, Column> Columns);

    private sealed record Column(string Type, bool Required);
}
