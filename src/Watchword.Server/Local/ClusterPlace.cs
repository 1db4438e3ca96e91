using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Watchword.Server.Local;

/// <summary>
/// Where the PostgreSQL cluster of a data folder lies: in it, or, when the user who runs PostgreSQL cannot reach that
/// (root's checkout under /root), in a system folder that the data folder links to. A moved data folder keeps its
/// cluster, and two data folders never share one.
/// </summary>
internal sealed class ClusterPlace(DataFolder data, EngineUser user, string systemFolder, ILogger log)
{
    private const UnixFileMode Everyone =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute |
        UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    private const string NoteName = "data-folder";

    /// <summary>The folder that holds the cluster or shall hold it.</summary>
    public async Task<string> FindAsync(CancellationToken cancel)
    {
        if (new DirectoryInfo(data.Postgres).LinkTarget is { } target)
            return FollowLink(target);
        if (Directory.Exists(data.Postgres) || await user.ReachesAsync(data.Root, cancel))
            return data.Postgres;
        var outside = PlaceOutside();
        log.ClusterElsewhere(user.Name, data.Root, outside);
        return outside;
    }

    /// <summary>Moves a cluster, its server not running, that has come to lie where its user cannot reach.</summary>
    public async Task<string> RelocateAsync(string folder, CancellationToken cancel)
    {
        if (folder != data.Postgres || !Directory.Exists(folder) || await user.ReachesAsync(data.Root, cancel))
            return folder;
        var outside = PlaceOutside();
        log.ClusterElsewhere(user.Name, data.Root, outside);
        await MoveAsync(folder, outside, cancel);
        return outside;
    }

    /// <summary>Makes the data folder point to a cluster that lies elsewhere.</summary>
    public void Link(string folder)
    {
        if (folder == data.Postgres || Directory.Exists(data.Postgres))
            return;
        WriteNote(folder, data.Root);
        Directory.CreateSymbolicLink(data.Postgres, folder);
    }

    public static string Stamped(string folder, string word) =>
        string.Create(CultureInfo.InvariantCulture, $"{folder}.{word}-{DateTime.UtcNow:yyyyMMdd'T'HHmmss}");

    private string FollowLink(string target)
    {
        if (!Directory.Exists(data.Postgres))
            throw new LocalEngineException(
                $"The PostgreSQL cluster of {data.Root} should lie in {target}, which is gone. Restore it, or remove the link " +
                $"{data.Postgres} to begin with an empty database.");

        var folder = Native.RealPath(data.Postgres);
        var home = AtomicFile.Read(NotePath(folder));
        if (home is null || home == data.Root)
            return folder;
        if (LinksTo(Path.Combine(home, "postgres"), folder))
            throw new LocalEngineException(
                $"The data folder {data.Root} is a copy of {home}, and both point to the one PostgreSQL cluster in {folder}. " +
                $"With the server stopped, copy the cluster too (rm {data.Postgres} && cp -a {folder} {data.Postgres}), " +
                $"or remove {data.Postgres} to begin with an empty database.");
        log.ClusterFollows(home, data.Root);
        WriteNote(folder, data.Root);
        return folder;
    }

    private string PlaceOutside()
    {
        var name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(data.Root)))[..12];
        var parent = Path.Combine(systemFolder, name);
        Directory.CreateDirectory(systemFolder, Everyone);
        Directory.CreateDirectory(parent, Everyone);
        return Path.Combine(Native.RealPath(parent), "postgres");
    }

    /// <summary>
    /// A cluster at this place to which no data folder points is from one that was removed, perhaps to begin anew:
    /// it is not used again, and the newest one is kept for who regrets it.
    /// </summary>
    public void SetOrphanAside(string folder)
    {
        if (folder != data.Postgres && !Directory.Exists(data.Postgres))
            SetAside(folder);
    }

    private void SetAside(string folder)
    {
        if (!Directory.Exists(folder))
            return;
        var aside = folder + ".orphan";
        if (Directory.Exists(aside))
            Directory.Delete(aside, recursive: true);
        log.ClusterOrphaned(folder, aside);
        Directory.Move(folder, aside);
    }

    private async Task MoveAsync(string from, string to, CancellationToken cancel)
    {
        SetAside(to);
        // Another disk makes this a copy, which may be cut short: the link is made only when it is whole.
        var partial = to + ".moving";
        if (Directory.Exists(partial))
            Directory.Delete(partial, recursive: true);
        var answer = await Command.RunAsync("cp", ["-a", from, partial], cancel: cancel);
        if (answer.ExitCode != 0)
            throw new LocalEngineException(
                $"The cluster cannot be moved from {from} to {to}.{Advice.ForDisk(to, answer.Output)} {answer.Output}");
        Directory.Move(partial, to);
        Directory.Move(from, Stamped(from, "moved"));
        Link(to);
    }

    private static bool LinksTo(string link, string folder) =>
        Directory.Exists(link) && Native.RealPath(link) == folder;

    private static void WriteNote(string folder, string home) => AtomicFile.Write(NotePath(folder), home);

    private static string NotePath(string folder) => Path.Combine(Path.GetDirectoryName(folder)!, NoteName);
}
