using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace Watchword.Events.Postgres;

/// <summary>A numbered SQL file. It is applied once, and must not change afterwards.</summary>
/// <param name="Number">The leading digits of the file name; files are applied in this order.</param>
/// <param name="Name">The file name without number and extension.</param>
/// <param name="Sql">The content, one or more statements.</param>
public sealed record Migration(int Number, string Name, string Sql)
{
    /// <summary>SHA-256 of the content with LF line ends, in lower-case hex.</summary>
    public string Checksum { get; } = Convert.ToHexStringLower(
        SHA256.HashData(Encoding.UTF8.GetBytes(Sql.ReplaceLineEndings("\n"))));

    internal string File => $"{Number:000}_{Name}";
}

/// <summary>The migrations of one feature.</summary>
/// <param name="Name">Identifies the set in table <c>watchword.migration</c>, for example <c>outbox</c>.</param>
/// <param name="Migrations">In ascending order of number.</param>
public sealed record MigrationSet(string Name, IReadOnlyList<Migration> Migrations)
{
    /// <summary>The schema of the tables that the files name without one; null: that of the connection's search path. It is created where it is missing.</summary>
    public string? Schema { get; init; }

    /// <summary>Reads the embedded resources <c>{prefix}.NNN_name.sql</c>.</summary>
    /// <exception cref="InvalidOperationException">There is no such resource, or two have the same number.</exception>
    public static MigrationSet FromResources(string name, Assembly assembly, string prefix)
    {
        var migrations = assembly.GetManifestResourceNames()
            .Where(r => r.StartsWith(prefix + ".", StringComparison.Ordinal) && r.EndsWith(".sql", StringComparison.Ordinal))
            .Select(r => Read(assembly, r, r[(prefix.Length + 1)..^4]))
            .OrderBy(m => m.Number)
            .ToList();
        if (migrations.Count == 0)
            throw new InvalidOperationException($"No migration is embedded under {prefix}.");
        if (migrations.DistinctBy(m => m.Number).Count() != migrations.Count)
            throw new InvalidOperationException($"Two migrations under {prefix} have the same number.");
        return new(name, migrations);
    }

    private static Migration Read(Assembly assembly, string resource, string file)
    {
        using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!, Encoding.UTF8);
        var split = file.IndexOf('_', StringComparison.Ordinal);
        return new(int.Parse(file.AsSpan(0, split), NumberStyles.None, CultureInfo.InvariantCulture), file[(split + 1)..], reader.ReadToEnd());
    }
}
