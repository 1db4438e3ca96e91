using System.Collections.Concurrent;
using System.Diagnostics;

namespace Watchword.Tests;

/// <summary>
/// Starts servers that die with the test run, however it ends. The kernel's death signal (setpriv --pdeathsig) goes
/// by the thread that started the child, so one thread that lives as long as the process starts them all.
/// </summary>
internal static class ChildProcess
{
    private static readonly BlockingCollection<Action> Work = [];

    static ChildProcess() => new Thread(static () =>
    {
        foreach (var start in Work.GetConsumingEnumerable())
            start();
    })
    {
        IsBackground = true,
        Name = "child processes",
    }.Start();

    public static Task<Process> StartAsync(string program, params string[] arguments)
    {
        var started = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
        Work.Add(() =>
        {
            try
            {
                var guard = Find("setpriv");
                var info = guard is null
                    ? new ProcessStartInfo(program, arguments)
                    : new ProcessStartInfo(guard, ["--pdeathsig", "KILL", program, .. arguments]);
                info.UseShellExecute = false;
                started.SetResult(Process.Start(info) ?? throw new InvalidOperationException($"{program} could not be started."));
            }
            catch (Exception e)
            {
                started.SetException(e);
            }
        });
        return started.Task;
    }

    /// <summary>Where a program lies: on the PATH, or where Debian puts servers.</summary>
    public static string? Find(string program)
        => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Concat(["/usr/sbin", "/usr/local/bin", "/usr/bin"])
            .Select(folder => Path.Combine(folder, program))
            .FirstOrDefault(File.Exists);
}
