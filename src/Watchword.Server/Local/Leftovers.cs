using System.Diagnostics;
using System.Globalization;

namespace Watchword.Server.Local;

/// <summary>
/// Processes that an earlier start left running on this data folder. Usually there are none: an engine ends with its
/// server. Some remain when the watchdog was killed too, or when PostgreSQL was killed while a session was busy.
/// </summary>
internal static class Leftovers
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);
    private static readonly bool HasProc = Directory.Exists("/proc/self");

    /// <summary>Stops them all.</summary>
    /// <param name="program">The engine's program, without its folder.</param>
    /// <param name="folder">The folder that the engine works in, free of symbolic links.</param>
    /// <param name="named">The pid in the engine's pid file.</param>
    /// <param name="patience">How long to wait after each signal.</param>
    /// <param name="signals">From mild to harsh; SIGKILL follows.</param>
    /// <param name="log">Hears about each process that is stopped.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="LocalEngineException">One of them does not end.</exception>
    public static async Task StopAsync(
        string program, string folder, int? named, TimeSpan patience, IReadOnlyList<int> signals, ILogger log,
        CancellationToken cancel)
    {
        var pids = Find(program, folder, named);
        // Parents first: the sessions of a postmaster end with it.
        foreach (var pid in pids.OrderBy(pid => ParentOf(pid) is { } parent && pids.Contains(parent)))
        {
            if (!Runs(pid, program, folder))
                continue;
            log.LeftoverStopping(program, pid, folder);
            if (!await EngineProcess.StopAsync(pid, ExitAsync, patience, signals))
                throw new LocalEngineException(
                    $"Process {pid} ({program}) of an earlier start still uses {folder} and cannot be stopped. Stop it, then start again.");

            async Task ExitAsync(CancellationToken limit)
            {
                // Only its parent is notified of its end, so this polls.
                for (; Runs(pid, program, folder); await Task.Delay(Poll, limit))
                    cancel.ThrowIfCancellationRequested();
            }
        }
    }

    /// <summary>The processes that run this program in this folder. Without /proc, only <paramref name="named"/> is considered.</summary>
    public static IReadOnlyList<int> Find(string program, string folder, int? named)
    {
        var candidates = HasProc
            ? Directory.EnumerateDirectories("/proc").Select(path => Number(Path.GetFileName(path))).OfType<int>()
            : named is { } pid ? [pid] : [];
        return [.. candidates.Where(p => Runs(p, program, folder))];
    }

    /// <summary>
    /// Proves that a process is an engine of this data folder, so that no other process is ever signalled. False for a
    /// process that has ended.
    /// </summary>
    public static bool Runs(int pid, string program, string folder)
    {
        if (!HasProc)
            return Ps(pid) is { } line && line.Contains(program, StringComparison.Ordinal) && line.Contains(folder, StringComparison.Ordinal);

        // Both engines work in their data folder. A replaced program reads "postgres (deleted)".
        return ReadLink($"/proc/{Text(pid)}/exe") is { } executable
               && Path.GetFileName(executable).Split(' ')[0] == program
               && ReadLink($"/proc/{Text(pid)}/cwd") == folder;
    }

    // /proc/PID/stat: "pid (name) state parent …", and the name may contain anything.
    private static int? ParentOf(int pid)
    {
        try
        {
            var text = HasProc ? File.ReadAllText($"/proc/{Text(pid)}/stat") : "";
            return Number(text[(text.LastIndexOf(')') + 1)..].Split(' ').ElementAtOrDefault(2));
        }
        catch (IOException)
        {
            return null; // It has ended.
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
            return null; // It has ended, or belongs to another user.
        }
    }

    private static string? Ps(int pid)
    {
        using var process = Process.Start(new ProcessStartInfo("ps", ["-o", "command=", "-p", Text(pid)])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
        });
        return process?.StandardOutput.ReadToEnd();
    }

    private static int? Number(string? text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
