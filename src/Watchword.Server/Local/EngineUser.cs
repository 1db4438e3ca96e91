using System.Globalization;

namespace Watchword.Server.Local;

/// <summary>Whom PostgreSQL runs as. It refuses root, so a server run by root steps down for it.</summary>
internal sealed class EngineUser
{
    private const string Preferred = "postgres";

    private readonly string[] _prefix;

    private EngineUser(int uid, int gid, string name, string[] prefix)
    {
        (Uid, Gid, Name) = (uid, gid, name);
        _prefix = prefix;
    }

    /// <summary>The server's own user.</summary>
    public static EngineUser Same { get; } = new(Native.EffectiveUser(), -1, Environment.UserName, []);

    public int Uid { get; }
    public string Name { get; }
    public bool IsOther => _prefix.Length > 0;
    private int Gid { get; }

    public string[] Wrap(string[] command) => [.. _prefix, .. command];

    /// <summary>The server's user or, for root, the owner of the cluster that exists, else user postgres.</summary>
    public static async Task<EngineUser> ForPostgresAsync(string clusterFolder, CancellationToken cancel)
    {
        var owner = Directory.Exists(clusterFolder) ? await OwnerOfAsync(clusterFolder, cancel) : (int?)null;
        if (!Environment.IsPrivilegedProcess)
        {
            if (owner is { } uid && uid != Same.Uid)
                throw new LocalEngineException(
                    $"The cluster in {clusterFolder} belongs to user {await NameOfAsync(uid, cancel)}, not to {Same.Name}: " +
                    "an earlier run was started by root or by that user. Run as that user or as root, hand it over " +
                    $"(sudo chown -R {Same.Name} {clusterFolder}), or set WATCHWORD_DATA to another folder.");
            return Same;
        }

        return owner is > 0 ? await StepDownAsync(owner.Value.ToString(CultureInfo.InvariantCulture), cancel)
            : await StepDownAsync(Preferred, cancel);
    }

    public static async Task<int> OwnerOfAsync(string path, CancellationToken cancel)
    {
        string[] format = OperatingSystem.IsMacOS() ? ["-L", "-f", "%u"] : ["-L", "-c", "%u"];
        var answer = await Command.RunAsync("stat", [.. format, path], cancel: cancel);
        return int.TryParse(answer.Output, CultureInfo.InvariantCulture, out var uid)
            ? uid
            : throw new LocalEngineException($"The owner of {path} cannot be read: {answer.Output}");
    }

    /// <summary>Whether this user can enter a folder: asked of the system, which knows more than mode bits.</summary>
    public async Task<bool> ReachesAsync(string folder, CancellationToken cancel) =>
        !IsOther || (await Command.RunAsync("test", ["-x", folder], user: this, cancel: cancel)).ExitCode == 0;

    public void Own(string path)
    {
        if (IsOther)
            Native.ChangeOwner(path, Uid, Gid);
    }

    /// <summary>Gives a whole folder to this user, as after a copy that root made.</summary>
    public async Task OwnAllAsync(string folder, CancellationToken cancel)
    {
        var owner = string.Create(CultureInfo.InvariantCulture, $"{Uid}:{Gid}");
        var answer = await Command.RunAsync("chown", ["-R", owner, folder], cancel: cancel);
        if (answer.ExitCode != 0)
            throw new LocalEngineException($"{folder} cannot be given to user {Name}: {answer.Output}");
    }

    private static async Task<EngineUser> StepDownAsync(string user, CancellationToken cancel)
    {
        var setpriv = new Programs().Find("setpriv");
        if (setpriv is null || OperatingSystem.IsMacOS())
            throw new LocalEngineException(
                "PostgreSQL refuses to run as root, and there is no setpriv (package util-linux) to step down with. " +
                "Run as an ordinary user, or set DATABASE_URL to a PostgreSQL that runs already.");

        var uid = await IdAsync("-u", user, cancel);
        var gid = await IdAsync("-g", user, cancel);
        if (uid is null || gid is null)
            throw new LocalEngineException(
                $"PostgreSQL refuses to run as root, and there is no user {user} to run it as. Create one " +
                $"(useradd --system --user-group --home-dir /nonexistent --shell /usr/sbin/nologin {Preferred}), run as an " +
                "ordinary user, or set DATABASE_URL to a PostgreSQL that runs already.");

        var ids = string.Create(CultureInfo.InvariantCulture, $"--reuid={uid} --regid={gid} --init-groups");
        var other = new EngineUser(uid.Value, gid.Value, user, [setpriv, .. ids.Split(' '), "--"]);
        var trial = await Command.RunAsync("true", [], user: other, cancel: cancel);
        return trial.ExitCode == 0 ? other : throw new LocalEngineException(
            $"PostgreSQL refuses to run as root, and this process may not become user {user} ({trial.Output}); a container may " +
            "lack the capabilities SETUID and SETGID. Run as an ordinary user, or set DATABASE_URL to a PostgreSQL that runs already.");
    }

    private static async Task<int?> IdAsync(string which, string user, CancellationToken cancel)
    {
        var answer = await Command.RunAsync("id", [which, user], cancel: cancel);
        return answer.ExitCode == 0 && int.TryParse(answer.Output, CultureInfo.InvariantCulture, out var id) ? id : null;
    }

    private static async Task<string> NameOfAsync(int uid, CancellationToken cancel)
    {
        var number = uid.ToString(CultureInfo.InvariantCulture);
        var answer = await Command.RunAsync("id", ["-un", number], cancel: cancel);
        return answer.ExitCode == 0 ? answer.Output : number;
    }
}
