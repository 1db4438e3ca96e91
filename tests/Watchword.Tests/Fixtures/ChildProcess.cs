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

    public static Task<Process> StartAsync(string program, params string[] arguments) => StartAsAsync(null, program, arguments);

    /// <summary>Starts it quietly as another user, which root alone may; null: as this one.</summary>
    public static Task<Process> StartAsAsync(string? user, string program, params string[] arguments)
    {
        var started = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
        Work.Add(() =>
        {
            try
            {
                var guard = Find("setpriv");
                var info = guard is null
                    ? new ProcessStartInfo(program, arguments)
                    : new ProcessStartInfo(guard, [.. user is null ? (string[])[] : [$"--reuid={user}", $"--regid={user}", "--init-groups"], "--pdeathsig", "KILL", program, .. arguments]);
                info.UseShellExecute = false;
                info.WorkingDirectory = "/";   // which every user may enter
                // What servers say of their start is not part of the tests' own output.
                (info.RedirectStandardOutput, info.RedirectStandardError) = (user is not null, user is not null);
                var process = Process.Start(info) ?? throw new InvalidOperationException($"{program} could not be started.");
                if (user is not null)
                {
                    process.BeginOutputReadLine();
                    process.BeginErrorReadLine();
                }
                started.SetResult(process);
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
