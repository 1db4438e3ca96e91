using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.Outbox;
using NATS.Client.Core;
using Watchword.Events.JetStream;
using Watchword.Server.Operations;

namespace Watchword.Bench;

/// <summary>The real relay on a filled outbox and empty streams, in this process.</summary>
internal static class RelayRun
{
    /// <summary>Carries everything, from the moment the relay leads to the last mark; answers events a second.</summary>
    /// <param name="outbox">Filled.</param>
    /// <param name="server">Its streams are emptied first.</param>
    /// <param name="count">Events in the outbox.</param>
    /// <param name="logs">Where the lines go that auth events leave.</param>
    /// <param name="ct">Gives up.</param>
    public static async Task<double> CarryAsync(NpgsqlDataSource outbox, string server, int count, ILoggerFactory? logs, CancellationToken ct)
    {
        await using var nats = new NatsConnection(new() { Url = server });
        await nats.ConnectAsync(ct);
        var jetStream = new JetStream(nats);
        foreach (var stream in Streams.All)
            await jetStream.DeleteStreamAsync(stream.Name, ct);   // the ids that it would refuse as duplicates go with it
        using var relay = new OutboxRelay(
            outbox, nats, jetStream, new OutboxSignal(), new(), logs?.CreateLogger<OutboxRelay>() ?? NullLogger<OutboxRelay>.Instance);
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

    /// <summary>The server's own JSON lines, formatted and written, to nowhere.</summary>
    public static ILoggerFactory JsonToNowhere()
    {
        var console = Console.Out;
        Console.SetOut(new StreamWriter("/dev/null") { AutoFlush = true });
        try
        {
            var logs = LoggerFactory.Create(logging => logging
                .AddConsoleFormatter<JsonLines, ConsoleFormatterOptions>()
                .AddConsole(o => o.FormatterName = JsonLines.FormatterName));
            logs.CreateLogger("bench");   // it keeps the writer that stands here now
            return logs;
        }
        finally
        {
            Console.SetOut(console);
        }
    }
}
