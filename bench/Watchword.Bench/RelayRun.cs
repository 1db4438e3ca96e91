using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;
using Npgsql;
using Watchword.Events.JetStream;
using Watchword.Events.Outbox;
using Watchword.Server.Operations;

namespace Watchword.Bench;

/// <summary>Runs the relay in this process, on a filled outbox and empty streams.</summary>
internal static class RelayRun
{
    /// <summary>Publishes everything. The clock runs from the moment the relay leads until the last row is marked. Returns events a second.</summary>
    /// <param name="outbox">The database with the filled outbox.</param>
    /// <param name="server">The URL of NATS, whose streams are deleted first.</param>
    /// <param name="count">The number of events in the outbox.</param>
    /// <param name="logs">Takes the log lines that auth events cause; null: none are written.</param>
    /// <param name="ct">Cancels.</param>
    public static async Task<double> CarryAsync(NpgsqlDataSource outbox, string server, int count, ILoggerFactory? logs, CancellationToken ct)
    {
        await using var nats = JetStreamClient.Connect(new() { Url = server });
        await nats.WaitUntilOpenAsync(ct);
        await nats.DeleteStreamsAsync(ct);   // and with them the message ids, which would be refused as duplicates
        using var relay = new OutboxRelay(
            outbox, nats, new OutboxSignal(), new(), logs?.CreateLogger<OutboxRelay>() ?? NullLogger<OutboxRelay>.Instance);
        await relay.StartAsync(ct);
        await relay.Ready;
        var start = Stopwatch.GetTimestamp();
        while (relay.PublishedTotal < count)
            await Task.Delay(1, ct);
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        await relay.StopAsync(ct);
        await using var left = outbox.CreateCommand("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL OR stream_seq IS NULL");
        if (await left.ExecuteScalarAsync(ct) is not 0L)
            throw new InvalidOperationException("The relay left events behind.");
        return count / seconds;
    }

    /// <summary>Formats and writes the server's JSON log lines, to /dev/null.</summary>
    public static ILoggerFactory JsonToNowhere()
    {
        var console = Console.Out;
        Console.SetOut(new StreamWriter("/dev/null") { AutoFlush = true });
        try
        {
            var logs = LoggerFactory.Create(logging => logging
                .AddConsoleFormatter<JsonLines, ConsoleFormatterOptions>()
                .AddConsole(o => o.FormatterName = JsonLines.FormatterName));
            logs.CreateLogger("bench");   // the console logger keeps the writer that is set now
            return logs;
        }
        finally
        {
            Console.SetOut(console);
        }
    }
}
