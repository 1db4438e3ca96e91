using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace Watchword.Server.Local;

/// <summary>Runs programs, with nothing of this process's environment but PATH.</summary>
internal static class Command
{
    internal sealed record Result(int ExitCode, string Output);

    /// <summary>
    /// Precedes a command to run it in a session of its own. Ctrl-C in the terminal then reaches the server alone,
    /// which stops its engines in order.
    /// </summary>
    public static IReadOnlyList<string> OwnSession { get; } = new Programs().Find("setsid") is { } setsid
        ? [setsid]
        : ["perl", "-e", "use POSIX; POSIX::setsid(); exec { $ARGV[0] } @ARGV or die"]; // macOS has no setsid

    // Opens the log as the server's user, because the engine's user may be unable to reach it.
    private const string EngineScript = "umask 077; log=$1; shift; exec \"$@\" </dev/null >>\"$log\" 2>&1";

    // A line means that the engine has ended. The end of input without one means that the server has.
    private const string WatchdogScript = "read -r _ || kill -s \"$1\" \"$2\"";

    /// <summary>Runs a program to its end. The result holds everything that it wrote.</summary>
    public static async Task<Result> RunAsync(
        string program, IReadOnlyList<string> arguments, string input = "", EngineUser? user = null,
        CancellationToken cancel = default)
    {
        var command = (user ?? EngineUser.Same).Wrap([program, .. arguments]);
        using var process = Start([.. OwnSession, .. command], "/");
        try
        {
            await WriteAsync(process, input);
            var outputs = await Task.WhenAll(
                process.StandardOutput.ReadToEndAsync(cancel), process.StandardError.ReadToEndAsync(cancel));
            await process.WaitForExitAsync(cancel);
            return new(process.ExitCode, string.Concat(outputs).Trim());
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None);
            throw;
        }
    }

    /// <summary>Starts an engine that ends with this process, however this process ends.</summary>
    /// <param name="command">Program and arguments.</param>
    /// <param name="folder">Working directory.</param>
    /// <param name="log">Receives the engine's output.</param>
    /// <param name="stopSignal">Sent to the engine by its watchdog when this process ends: a name such as INT.</param>
    /// <param name="user">Runs the engine.</param>
    public static EngineProcess StartEngine(
        IReadOnlyList<string> command, string folder, EngineLog log, string stopSignal, EngineUser user)
    {
        var engine = Start([.. OwnSession, "/bin/sh", "-c", EngineScript, "sh", log.Path, .. user.Wrap(command)], folder);
        engine.StandardInput.Close();
        var watchdog = Start(
            [.. OwnSession, "/bin/sh", "-c", WatchdogScript, "sh", stopSignal, engine.Id.ToString(CultureInfo.InvariantCulture)], "/");
        foreach (var process in (Process[])[engine, watchdog])
        {
            // Nothing uses these pipes, but without them the process would hold on to the terminal.
            process.StandardOutput.Close();
            process.StandardError.Close();
        }

        return new(engine, watchdog);
    }

    private static Process Start(string[] command, string folder)
    {
        var info = new ProcessStartInfo(command[0], command[1..])
        {
            WorkingDirectory = folder,
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // Engines must see neither the server's secrets nor a stray PGPORT.
        var path = Environment.GetEnvironmentVariable("PATH");
        info.Environment.Clear();
        info.Environment["PATH"] = string.IsNullOrEmpty(path) ? "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" : path;
        info.Environment["LC_ALL"] = "C";
        info.Environment["TZ"] = "UTC";
        try
        {
            return Process.Start(info) ?? throw new LocalEngineException($"{command[0]} did not start.");
        }
        catch (Win32Exception e)
        {
            throw new LocalEngineException($"{command[0]} cannot be run: {e.Message}", e);
        }
    }

    private static async Task WriteAsync(Process process, string input)
    {
        try
        {
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading. Its exit code and output tell why.
        }
    }
}
