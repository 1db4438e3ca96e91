using System.CommandLine;
using NATS.Client.Core;
using Npgsql;
using Watchword.Events.Replay;
using Watchword.Events.Subscribing;
using Watchword.Server.Configuration;

namespace Watchword.Server.Cli;

/// <summary>A command cannot do its work; the message says why and what to do.</summary>
internal sealed class CommandException(string message) : Exception(message);

/// <summary>
/// Runs a verb and sets the exit code: 0 when it is done, 1 when it is refused or fails, 2 when the command line is wrong,
/// 78 when the configuration is, 141 when nobody reads its output any more, and 70 for a bug.
/// </summary>
internal static class Verb
{
    /// <summary>The command line is wrong.</summary>
    public const int ExitUsage = 2;

    /// <summary>sysexits.h: the configuration, or what it names, cannot be used.</summary>
    public const int ExitConfiguration = 78;

    private const int ExitRefused = 1;
    private const int ExitSoftware = 70;     // sysexits.h
    private const int ExitBrokenPipe = 141;  // as a shell reports SIGPIPE
    private const int BrokenPipe = 32;       // EPIPE

    /// <summary>Sets what a command does.</summary>
    /// <param name="command">The command.</param>
    /// <param name="run">Its work; Ctrl-C cancels it. An exception becomes one line on standard error.</param>
    /// <param name="misuse">Says in a sentence which options do not go together; null when they do. The library's own
    /// validators run before the values are checked, and would throw at a faulty value.</param>
    public static void SetVerb(this Command command, Func<ParseResult, CancellationToken, Task> run, Func<ParseResult, string?>? misuse = null) => command.SetAction(async (parsed, _) =>
    {
        if (misuse?.Invoke(parsed) is { } fault)
        {
            await Console.Error.WriteLineAsync(fault);
            return ExitUsage;
        }
        using var stop = new StopSignal();
        try
        {
            await run(parsed, stop.Token);
            return 0;
        }
        catch (OperationCanceledException) when (stop.Token.IsCancellationRequested)
        {
            await Console.Error.WriteLineAsync("Stopped.");
            return ExitRefused;
        }
        catch (ReplayRefusedException e)
        {
            await Console.Error.WriteLineAsync((e.Field.Length > 0 ? $"{Option(e.Field)} {e.Reason}" : e.Reason) + (e.CanBeForced ? ", or give --force" : ""));
            return ExitRefused;
        }
        catch (ConfigurationException e)
        {
            foreach (var error in e.Errors)
                await Console.Error.WriteLineAsync(error);
            return ExitConfiguration;
        }
        catch (IOException e) when (e.HResult == BrokenPipe)
        {
            return ExitBrokenPipe;
        }
        catch (Exception e) when (e is CommandException or DeadLetterException or ReplayStoppedException or NatsException or NpgsqlException or IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return ExitRefused;
        }
        catch (Exception e)
        {
            await Console.Error.WriteLineAsync($"This is a bug in Watchword, please report it: {e.GetType().Name}: {e.Message}");
            return ExitSoftware;
        }
    });

    /// <summary><c>fromSequence</c> as <c>--from-sequence</c>.</summary>
    private static string Option(string field) =>
        "--" + string.Concat(field.Select(c => char.IsAsciiLetterUpper(c) ? "-" + char.ToLowerInvariant(c) : c.ToString()));
}
