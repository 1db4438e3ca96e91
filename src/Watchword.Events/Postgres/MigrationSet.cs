using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace Watchword.Events.Postgres;

/// <summary>One numbered SQL file, applied once and never changed afterwards.</summary>
/// <param name="Number">Its place in the set, from the digits that begin the file's name.</param>
/// <param name="Name">The file's name, without number and ending.</param>
/// <param name="Sql">The text; may hold several statements.</param>
public sealed record Migration(int Number, string Name, string Sql)
{
    /// <summary>SHA-256 of the text in lower-case hex, line ends normalised to LF.</summary>
    public string Checksum { get; } = Convert.ToHexStringLower(
        SHA256.HashData(Encoding.UTF8.GetBytes(Sql.ReplaceLineEndings("\n"))));
}

/// <summary>The numbered <c>.sql</c> files of one folder, embedded in an assembly.</summary>
/// <param name="Name">Names the set in the ledger, for example <c>outbox</c>.</param>
/// <param name="Migrations">In ascending order of number.</param>
public sealed record MigrationSet(string Name, IReadOnlyList<Migration> Migrations)
{
    /// <summary>Reads the files <c>NNN_name.sql</c> that are embedded under a resource prefix.</summary>
    /// <exception cref="InvalidOperationException">The prefix holds no such file, or two of one number.</exception>
    public static MigrationSet FromResources(string name, Assembly assembly, string prefix)
    {
        var migrations = assembly.GetManifestResourceNames()
            .Where(r => r.StartsWith(prefix + ".", StringComparison.Ordinal) && r.EndsWith(".sql", StringComparison.Ordinal))
            .Select(r => Read(assembly, r, r[(prefix.Length + 1)..^4]))
            .OrderBy(m => m.Number)
            .ToList();
        if (migrations.Count == 0)
            throw new InvalidOperationException($"no migration is embedded under {prefix}");
        if (migrations.DistinctBy(m => m.Number).Count() != migrations.Count)
            throw new InvalidOperationException($"two migrations under {prefix} have the same number");
        return new(name, migrations);
    }

    private static Migration Read(Assembly assembly, string resource, string file)
    {
        using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!, Encoding.UTF8);
        var split = file.IndexOf('_', StringComparison.Ordinal);
        return new(int.Parse(file.AsSpan(0, split), NumberStyles.None, CultureInfo.InvariantCulture), file[(split + 1)..], reader.ReadToEnd());
    }
}
