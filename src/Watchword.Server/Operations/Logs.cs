using Microsoft.Extensions.Logging.Console;

namespace Watchword.Server.Operations;

/// <summary>Lines for people on a terminal, JSON everywhere else.</summary>
internal static class Logs
{
    public static void AddWatchwordLogs(this ILoggingBuilder logging)
    {
        logging.ClearProviders();
        logging.AddConsoleFormatter<JsonLines, ConsoleFormatterOptions>();
        if (Console.IsOutputRedirected)
            logging.AddConsole(o => o.FormatterName = JsonLines.FormatterName);
        else
            logging.AddSimpleConsole(o => (o.SingleLine, o.TimestampFormat) = (true, "HH:mm:ss "));
        logging.SetMinimumLevel(LogLevel.Information);
        logging.AddFilter("Microsoft", LogLevel.Warning);
        logging.AddFilter("System", LogLevel.Warning);
        // Each failure is told by whoever deals with it.
        logging.AddFilter("Npgsql", LogLevel.None);
    }
}
