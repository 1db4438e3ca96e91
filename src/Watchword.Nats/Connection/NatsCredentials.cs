namespace Watchword.Nats;

/// <summary>
/// Who we are to a server: a user and password, a token, an nkey seed, or a JWT with its seed. Immutable; its text
/// form shows no secret.
/// </summary>
public sealed record NatsCredentials
{
    private const string JwtTitle = "NATS USER JWT";
    private const string SeedTitle = "USER NKEY SEED";

    /// <summary>The user's name, with <see cref="Password"/>.</summary>
    public string? User { get; init; }

    /// <summary>The password of <see cref="User"/>.</summary>
    public string? Password { get; init; }

    /// <summary>A token, where the server asks for one instead of a user.</summary>
    public string? Token { get; init; }

    /// <summary>A user JWT, signed by its account; it needs <see cref="Seed"/>.</summary>
    public string? Jwt { get; init; }

    /// <summary>The seed of a user nkey ("SU…"): alone for a server that lists its public key, or with <see cref="Jwt"/>.</summary>
    public string? Seed { get; init; }

    /// <summary>Reads a <c>.creds</c> file, as <c>nsc</c> writes it.</summary>
    /// <exception cref="FormatException">It does not hold a user JWT and a seed.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static NatsCredentials FromFile(string path)
    {
        var text = File.ReadAllText(path);
        return new NatsCredentials
        {
            Jwt = Section(text, JwtTitle, path),
            Seed = Section(text, SeedTitle, path),
        };
    }

    /// <summary>Says what kind of credentials these are and for whom; never a secret.</summary>
    public override string ToString() => this switch
    {
        { Jwt: not null } => "a user JWT",
        { Seed: not null } => "an nkey",
        { User: { } user } => $"user '{user}'",
        { Token: not null } => "a token",
        _ => "no credentials",
    };

    private static string Section(string text, string title, string path)
    {
        // The dashes around the titles differ in number between tools, so only the titles are looked for.
        var lines = text.Split('\n', StringSplitOptions.TrimEntries);
        var begin = Array.FindIndex(lines, l => l.StartsWith('-') && l.Contains("BEGIN " + title, StringComparison.Ordinal));
        var end = Array.FindIndex(lines, begin + 1, l => l.StartsWith('-') && l.Contains("END " + title, StringComparison.Ordinal));
        var content = begin < 0 || end < 0 ? "" : string.Concat(lines[(begin + 1)..end]);
        return content.Length > 0
            ? content
            : throw new FormatException($"The credentials file '{path}' has no section \"{title}\". A .creds file, as nsc writes it, holds a user JWT and a seed.");
    }
}
