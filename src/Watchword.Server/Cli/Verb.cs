using System.CommandLine;
using Npgsql;
using Watchword.Events.Replay;
using Watchword.Events.Subscribing;
using NATS.Client.Core;
using Watchword.Events.JetStream;
using Watchword.Server.Configuration;

namespace Watchword.Server.Cli;

/// <summary>A command cannot do what it was asked to; the message says why and what to do.</summary>
internal sealed class CommandException(string message) : Exception(message);

/// <summary>
/// How every verb ends: with 0 when it is done, 1 when it is refused or fails, 2 when it is typed wrongly, 78 when the
/// configuration is at fault, 141 when nobody reads its output any more, and 70 by a fault of its own.
/// </summary>
internal static class Verb
{
    /// <summary>What was typed makes no sense.</summary>
    public const int ExitUsage = 2;

    /// <summary>sysexits.h: the configuration, or what it names, cannot be used.</summary>
    public const int ExitConfiguration = 78;

    private const int ExitRefused = 1;
    private const int ExitSoftware = 70;     // sysexits.h
    private const int ExitBrokenPipe = 141;  // as a shell reports SIGPIPE
    private const int BrokenPipe = 32;       // EPIPE

    /// <param name="command">The command.</param>
    /// <param name="run">What it does, until Ctrl-C. What it throws is said in one line on standard error.</param>
    /// <param name="misuse">What is wrong with its options taken together, as a sentence; null when they go together. A
    /// validator of the library's runs before the values are checked, and throws where it asks for one that is faulty.</param>
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
            await Console.Error.WriteLineAsync($"This is a fault of Watchword, please report it: {e.GetType().Name}: {e.Message}");
            return ExitSoftware;
        }
    });

    /// <summary><c>fromSequence</c> as <c>--from-sequence</c>.</summary>
    private static string Option(string field) =>
        "--" + string.Concat(field.Select(c => char.IsAsciiLetterUpper(c) ? "-" + char.ToLowerInvariant(c) : c.ToString()));
}
