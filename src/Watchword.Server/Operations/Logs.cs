using Microsoft.Extensions.Logging.Console;

namespace Watchword.Server.Operations;

/// <summary>Console logs: plain lines on a terminal, JSON everywhere else.</summary>
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
        // Whoever handles a failure logs it; these would log it a second time.
        logging.AddFilter("Npgsql", LogLevel.None);
        logging.AddFilter("Microsoft.AspNetCore.Authentication", LogLevel.None);
    }
}
