using Npgsql;

namespace Watchword.Events.Postgres;

/// <summary>Reads <c>postgres://</c> URLs as well as Npgsql connection strings.</summary>
public static class DatabaseUrl
{
    /// <summary>Converts either form to an Npgsql connection string.</summary>
    /// <remarks>
    /// A URL may have libpq's parameters (<c>sslmode</c>, <c>connect_timeout</c>, <c>application_name</c>, …) and Npgsql's
    /// own. As in libpq, parameter <c>host</c> names the folder of a Unix socket.
    /// </remarks>
    /// <param name="text">The URL or connection string.</param>
    /// <param name="name">What error messages call it, for example the name of the setting.</param>
    /// <exception cref="FormatException">The text is missing or malformed. The message never contains the password.</exception>
    public static string ToConnectionString(string? text, string name = "the database URL")
    {
        if (string.IsNullOrWhiteSpace(text))
            throw new FormatException($"{name} is missing: set it, for example DATABASE_URL=postgres://user:password@host:port/database");
        if (!text.StartsWith("postgres://", StringComparison.OrdinalIgnoreCase) && !text.StartsWith("postgresql://", StringComparison.OrdinalIgnoreCase))
            return FromConnectionString(text, name);
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri))
            throw new FormatException($"{name} is not a URL of the form postgres://user:password@host:port/database (percent-encode special characters in the password)");

        var builder = new NpgsqlConnectionStringBuilder();
        if (uri.Host.Length > 0)
            builder.Host = uri.Host.Trim('[', ']');
        if (uri.Port > 0)
            builder.Port = uri.Port;
        var user = uri.UserInfo.Split(':', 2);
        if (user[0].Length > 0)
            builder.Username = Uri.UnescapeDataString(user[0]);
        if (user.Length > 1)
            builder.Password = Uri.UnescapeDataString(user[1]);
        var database = Uri.UnescapeDataString(uri.AbsolutePath.TrimStart('/'));
        if (database.Length == 0)
            throw new FormatException($"{name} names no database: add it after the host, as in postgres://host/database");
        builder.Database = database;
        foreach (var pair in uri.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
            SetParameter(builder, pair.Split('=', 2), name);
        if (string.IsNullOrEmpty(builder.Host))
            throw new FormatException($"{name} names no host: expected postgres://user:password@host:port/database");
        return builder.ConnectionString;
    }

    /// <summary>Converts an Npgsql connection string to a <c>postgres://</c> URL, including the password.</summary>
    public static string ToUrl(string connectionString)
    {
        var builder = new NpgsqlConnectionStringBuilder(connectionString);
        var user = builder.Username is null ? "" : Uri.EscapeDataString(builder.Username) + (builder.Password is null ? "" : ":" + Uri.EscapeDataString(builder.Password)) + "@";
        return $"postgres://{user}{builder.Host}:{builder.Port}/{Uri.EscapeDataString(builder.Database ?? "")}";
    }

    private static string FromConnectionString(string text, string name)
    {
        try
        {
            var builder = new NpgsqlConnectionStringBuilder(text);
            return string.IsNullOrEmpty(builder.Host)
                ? throw new FormatException($"{name} names no host: expected postgres://user:password@host:port/database or Host=…;Database=…")
                : builder.ConnectionString;
        }
        catch (ArgumentException e)
        {
            throw new FormatException($"{name} is neither a postgres:// URL nor an Npgsql connection string: {e.Message}", e);
        }
    }

    private static void SetParameter(NpgsqlConnectionStringBuilder builder, string[] pair, string name)
    {
        var value = Uri.UnescapeDataString(pair.Length > 1 ? pair[1] : "");
        var keyword = Uri.UnescapeDataString(pair[0]) switch
        {
            "sslmode" => "SSL Mode",
            "sslrootcert" => "Root Certificate",
            "sslcert" => "SSL Certificate",
            "sslkey" => "SSL Key",
            "connect_timeout" => "Timeout",
            "application_name" => "Application Name",
            "options" => "Options",
            "target_session_attrs" => "Target Session Attributes",
            var other => other,
        };
        try
        {
            // verify-full in libpq is VerifyFull in Npgsql.
            builder[keyword] = keyword is "SSL Mode" or "Target Session Attributes" ? value.Replace("-", "", StringComparison.Ordinal) : value;
        }
        catch (Exception e) when (e is ArgumentException or FormatException or InvalidCastException or OverflowException)
        {
            // The value of an unknown parameter may be a secret, so only its name is shown.
            throw new FormatException($"{name} has an unknown parameter or value, {(keyword == pair[0] ? pair[0] : $"{pair[0]}={value}")}: remove it, or use the name and value that Npgsql documents", e);
        }
    }
}
