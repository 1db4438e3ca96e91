using System.Diagnostics;
using System.Globalization;

namespace Watchword.Server.Local;

/// <summary>One process at one time: an id can be given to another process later, the pair cannot.</summary>
internal sealed record ProcessMark(int Pid, string StartedAt);

/// <summary>What the system tells about processes: from /proc where it exists, else from ps.</summary>
internal static class ProcessTable
{
    private static readonly bool HasProc = Directory.Exists("/proc/self");

    /// <summary>The live process of this id; null when there is none, or only a zombie.</summary>
    public static ProcessMark? Look(int pid)
    {
        if (pid <= 0 || !Native.Exists(pid))
            return null;
        if (!HasProc)
            return Ps(pid, "lstart=") is { Length: > 0 } started && Ps(pid, "stat=") is ['Z', ..] is false
                ? new(pid, started)
                : null;

        var fields = StatFields(pid);
        return fields is null || fields[0] is "Z" or "X" ? null : new(pid, fields[19]);
    }

    public static bool IsAlive(ProcessMark mark) => Look(mark.Pid) == mark;

    /// <summary>Whether this process runs that program on that folder: the proof asked for before one is touched.</summary>
    public static bool Runs(int pid, string program, string folder)
    {
        if (!HasProc)
            return Ps(pid, "command=") is { } line
                   && line.Contains(program, StringComparison.Ordinal) && line.Contains(folder, StringComparison.Ordinal);

        // The engines work in their data folder, and the kernel's answer follows the folder when it is renamed.
        return ReadLink($"/proc/{Text(pid)}/exe") is { } executable
               && Path.GetFileName(executable).Split(' ')[0] == program
               && ReadLink($"/proc/{Text(pid)}/cwd") == folder;
    }

    /// <summary>Every process that runs this program on this folder. Without /proc only <paramref name="hint"/> is looked at.</summary>
    public static IReadOnlyList<int> Find(string program, string folder, int? hint)
    {
        var candidates = HasProc ? AllPids() : hint is { } pid ? [pid] : [];
        return [.. candidates.Where(p => Look(p) is not null && Runs(p, program, folder))];
    }

    public static int? ParentOf(int pid) =>
        HasProc && StatFields(pid) is { } fields ? int.Parse(fields[1], CultureInfo.InvariantCulture) : null;

    /// <summary>Who listens on a local TCP port, for a message; null when that cannot be told.</summary>
    public static string? ListenerOn(int port)
    {
        if (!HasProc)
            return null;
        var sockets = ListeningSockets("/proc/net/tcp", port).Concat(ListeningSockets("/proc/net/tcp6", port))
            .Select(inode => $"socket:[{inode}]").ToHashSet();
        foreach (var pid in sockets.Count == 0 ? [] : AllPids())
            if (Files($"/proc/{Text(pid)}/fd").Any(file => ReadLink(file) is { } target && sockets.Contains(target)))
                return $"{NameOf(pid)} (pid {Text(pid)})";
        return null;
    }

    public static string NameOf(int pid) =>
        HasProc ? ReadText($"/proc/{Text(pid)}/comm")?.Trim() ?? "?" : Ps(pid, "comm=") ?? "?";

    private static IEnumerable<int> AllPids() =>
        Directory.EnumerateDirectories("/proc").Select(folder => Path.GetFileName(folder))
            .Where(name => char.IsAsciiDigit(name[0])).Select(name => int.Parse(name, CultureInfo.InvariantCulture));

    // After the name, which is in parentheses and may hold anything: state, parent, …, start time as the twentieth.
    private static string[]? StatFields(int pid)
    {
        var text = ReadText($"/proc/{Text(pid)}/stat");
        return text is null ? null : text[(text.LastIndexOf(')') + 2)..].Split(' ');
    }

    // "sl local_address rem_address st … inode": the port is in hex after the colon, 0A means listening.
    private static IEnumerable<string> ListeningSockets(string table, int port)
    {
        var suffix = ":" + port.ToString("X4", CultureInfo.InvariantCulture);
        return (ReadText(table) ?? "").Split('\n').Skip(1)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(f => f.Length > 9 && f[3] == "0A" && f[1].EndsWith(suffix, StringComparison.Ordinal))
            .Select(f => f[9]);
    }

    private static string[] Files(string folder)
    {
        try
        {
            return Directory.GetFileSystemEntries(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return []; // It ended, or belongs to another user.
        }
    }

    private static string? ReadLink(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string? ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string? Ps(int pid, string field)
    {
        using var process = Process.Start(new ProcessStartInfo("ps", ["-o", field, "-p", Text(pid)])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
        });
        var answer = process?.StandardOutput.ReadToEnd().Trim();
        return string.IsNullOrEmpty(answer) ? null : answer;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
