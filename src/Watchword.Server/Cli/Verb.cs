using System.CommandLine;
using Npgsql;
using Watchword.Events.Replay;
using Watchword.Events.Subscribing;
using Watchword.Nats;
using Watchword.Server.Configuration;

namespace Watchword.Server.Cli;

/// <summary>A command cannot do what it was asked to; the message says why and what to do.</summary>
internal sealed class CommandException(string message) : Exception(message);

/// <summary>How every verb ends: with 0 when it is done, 1 when it is refused or fails, 78 when the configuration is at fault.</summary>
internal static class Verb
{
    /// <summary>sysexits.h: the configuration, or what it names, cannot be used.</summary>
    public const int ExitConfiguration = 78;

    private const int ExitRefused = 1;

    /// <param name="command">The command.</param>
    /// <param name="run">What it does, until Ctrl-C. What it throws is said in one line on standard error.</param>
    public static void SetVerb(this Command command, Func<ParseResult, CancellationToken, Task> run) => command.SetAction(async (parsed, _) =>
    {
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
            await Console.Error.WriteLineAsync(e.Field.Length > 0 ? $"{Option(e.Field)} {e.Reason}" : e.Reason);
            return ExitRefused;
        }
        catch (ConfigurationException e)
        {
            foreach (var error in e.Errors)
                await Console.Error.WriteLineAsync(error);
            return ExitConfiguration;
        }
        catch (Exception e) when (e is CommandException or DeadLetterException or NatsException or NpgsqlException or IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return ExitRefused;
        }
    });

    /// <summary><c>fromSequence</c> as <c>--from-sequence</c>.</summary>
    private static string Option(string field) =>
        "--" + string.Concat(field.Select(c => char.IsAsciiLetterUpper(c) ? "-" + char.ToLowerInvariant(c) : c.ToString()));
}
