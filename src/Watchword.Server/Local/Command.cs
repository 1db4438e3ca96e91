using System.ComponentModel;
using System.Diagnostics;

namespace Watchword.Server.Local;

/// <summary>Runs programs: short ones to their end, and engines that outlive this process.</summary>
internal static class Command
{
    internal sealed record Result(int ExitCode, string Output);

    // `setsid` puts the program into a session of its own: Ctrl-C in the terminal must reach the server alone, which
    // then stops its engines in order. macOS has no such program, but has perl.
    private static readonly string[] OwnSession = new Programs().Find("setsid") is { } setsid
        ? [setsid]
        : ["perl", "-e", "use POSIX; POSIX::setsid(); exec { $ARGV[0] } @ARGV or die"];

    // What the shell opens it opens as the server's user, so the log may lie where the engine's user cannot reach.
    private const string DetachedScript = "umask 077; log=$1; shift; exec \"$@\" </dev/null >>\"$log\" 2>&1";

    /// <summary>Runs a program to its end; what it wrote to both outputs is in the result.</summary>
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
            Native.SignalGroup(process.Id, Native.SigKill);
            await process.WaitForExitAsync(CancellationToken.None);
            throw;
        }
    }

    /// <summary>Starts a program that goes on when this process ends, and returns at once.</summary>
    public static Process StartDetached(
        string program, IReadOnlyList<string> arguments, string folder, EngineLog log, EngineUser user)
    {
        var command = user.Wrap([program, .. arguments]);
        var process = Start([.. OwnSession, "/bin/sh", "-c", DetachedScript, "sh", log.Path, .. command], folder);
        // Nothing uses these pipes; were they not redirected, the engine would count as a user of the terminal.
        process.StandardInput.Close();
        process.StandardOutput.Close();
        process.StandardError.Close();
        return process;
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
        // Neither the server's secrets nor a stray PGPORT are the engines' business.
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
            // It ended without reading; its exit code and words tell why.
        }
    }
}
