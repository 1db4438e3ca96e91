using System.Globalization;

namespace Watchword.Server.Local;

/// <summary>The user that an engine runs as. PostgreSQL refuses root, so a server run by root starts it as user postgres.</summary>
internal sealed class EngineUser
{
    private const string Postgres = "postgres";

    private readonly int _uid, _gid;
    private readonly string[] _prefix;

    private EngineUser(int uid, int gid, string name, string[] prefix)
    {
        (_uid, _gid, Name) = (uid, gid, name);
        _prefix = prefix;
    }

    /// <summary>The server's own user.</summary>
    public static EngineUser Same { get; } = new(-1, -1, Environment.UserName, []);

    public string Name { get; }
    private bool IsOther => _prefix.Length > 0;

    public string[] Wrap(IEnumerable<string> command) => [.. _prefix, .. command];

    /// <exception cref="LocalEngineException">The server runs as root and cannot become user postgres.</exception>
    public static async Task<EngineUser> ForPostgresAsync(CancellationToken cancel)
    {
        if (!Environment.IsPrivilegedProcess)
            return Same;
        var setpriv = new Programs().Find("setpriv");
        if (setpriv is null || OperatingSystem.IsMacOS())
            throw Refused("setpriv (package util-linux), which starts a program as another user, was not found");
        var uid = await IdAsync("-u", cancel);
        var gid = await IdAsync("-g", cancel);
        if (uid is null || gid is null)
            throw Refused(
                $"there is no user {Postgres} to run it as (create one: " +
                $"useradd --system --user-group --home-dir /nonexistent --shell /usr/sbin/nologin {Postgres})");

        var ids = string.Create(CultureInfo.InvariantCulture, $"--reuid={uid} --regid={gid} --init-groups");
        var user = new EngineUser(uid.Value, gid.Value, Postgres, [setpriv, .. ids.Split(' '), "--"]);
        var trial = await Command.RunAsync("true", [], user: user, cancel: cancel);
        return trial.ExitCode == 0 ? user : throw Refused(
            $"this process may not become user {Postgres} ({trial.Output}); a container may lack the capabilities SETUID and SETGID");
    }

    /// <summary>Whether this user can enter a folder. The server's own user has created it and can.</summary>
    public async Task<bool> ReachesAsync(string folder, CancellationToken cancel) => !IsOther || await TestAsync("-x", folder, cancel);

    public Task<bool> OwnsAsync(string folder, CancellationToken cancel) => TestAsync("-O", folder, cancel);

    /// <summary>Makes this user the owner of a file or folder.</summary>
    public void Own(string path)
    {
        if (IsOther)
            Native.ChangeOwner(path, _uid, _gid);
    }

    // Asks the system, because mode bits and names of users are not the whole story.
    private async Task<bool> TestAsync(string what, string folder, CancellationToken cancel) =>
        (await Command.RunAsync("test", [what, folder], user: this, cancel: cancel)).ExitCode == 0;

    private static LocalEngineException Refused(string reason) => new(
        $"PostgreSQL refuses to run as root, and {reason}. Run ./run as an ordinary user, or set DATABASE_URL to a PostgreSQL that runs already.");

    private static async Task<int?> IdAsync(string which, CancellationToken cancel)
    {
        var answer = await Command.RunAsync("id", [which, Postgres], cancel: cancel);
        return answer.ExitCode == 0 && int.TryParse(answer.Output, CultureInfo.InvariantCulture, out var id) ? id : null;
    }
}
