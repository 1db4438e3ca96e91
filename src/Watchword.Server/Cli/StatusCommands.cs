using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Watchword.Server.Admin;

namespace Watchword.Server.Cli;

/// <summary><c>./run stream status</c> and <c>./run consumer status</c>.</summary>
internal static class StatusCommands
{
    public static Command CreateStream()
    {
        var json = new Option<bool>("--json") { Description = "Print JSON, for other programs." };
        var status = new Command("status", """
            Show every stream: how full it is, what it holds, how many consumers it has, and its last audit against the outbox.

            Examples:
              ./run stream status
              ./run stream status --json | jq '.[] | select(.messages > 90000) | .name'
            """) { json };
        Connections.AddTo(status, database: true);
        status.SetVerb(async (parsed, ct) =>
        {
            await using var nats = await Connections.ConnectAsync(parsed, "watchword stream status", ct);
            await using var database = Connections.OpenDatabase(parsed, "watchword stream status");
            var streams = await new EventStatus(nats, database).StreamsAsync(ct);
            if (parsed.GetValue(json))
                Console.WriteLine(JsonSerializer.Serialize(streams, EventAdminJson.Default.ListStreamStatus));
            else
                Print(streams);
        });
        return new Command("stream", "Show the streams, or make one.") { status, StreamCreateCommand.Create() };
    }

    public static Command CreateConsumer()
    {
        var json = new Option<bool>("--json") { Description = "Print JSON, for other programs." };
        var status = new Command("status", """
            Show every consumer of every stream, and how far behind it is in events and in time.

            Examples:
              ./run consumer status
              ./run consumer status --json | jq '.[] | select(.lagSeconds > 60)'
            """) { json };
        Connections.AddTo(status);
        status.SetVerb(async (parsed, ct) =>
        {
            await using var nats = await Connections.ConnectAsync(parsed, "watchword consumer status", ct);
            var consumers = await new EventStatus(nats, database: null).ConsumersAsync(ct);
            if (parsed.GetValue(json))
                Console.WriteLine(JsonSerializer.Serialize(consumers, EventAdminJson.Default.ListConsumerStatus));
            else
                Print(consumers);
        });
        return new Command("consumer", "Show the consumers, or make one.") { status, ConsumerCreateCommand.Create() };
    }

    private static void Print(List<StreamStatus> streams) => Terminal.WriteTable(
        ["stream", "messages", "bytes", "sequences", "newest", "consumers", "last audit"],
        streams.Select(s => (string[])
        [
            s.Name, Share(s.Messages, s.MaxMessages, Number), Share(s.Bytes, s.MaxBytes, Bytes),
            s.FirstTime is null ? "–" : $"{Number((long)s.FirstSequence)}–{Number((long)s.LastSequence)}", Terminal.Age(s.LastTime) ?? "–",
            Number(s.Consumers), Audit(s.LastAudit),
        ]));

    private static void Print(List<ConsumerStatus> consumers)
    {
        if (consumers.Count == 0)
            Console.WriteLine("No stream has a consumer.");
        else
            Terminal.WriteTable(
                ["stream", "consumer", "pending", "ack pending", "redelivered", "lag", "waiting pulls", "last active"],
                consumers.Select(c => (string[])
                [
                    c.Stream, c.Name, Number(c.Pending), Number(c.AckPending), Number(c.Redelivered),
                    string.Create(CultureInfo.InvariantCulture, $"{c.LagSeconds:0.0} s"), Number(c.WaitingPulls), Terminal.Age(c.LastActive) ?? "never",
                ]));
    }

    private static string Share(long value, long? limit, Func<long, string> text) => limit is { } most ? $"{text(value)} / {text(most)}" : text(value);

    private static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Bytes(long value) => value switch
    {
        >= 1 << 30 => string.Create(CultureInfo.InvariantCulture, $"{value / (double)(1 << 30):0.0} GiB"),
        >= 1 << 20 => string.Create(CultureInfo.InvariantCulture, $"{value / (double)(1 << 20):0.0} MiB"),
        >= 1 << 10 => string.Create(CultureInfo.InvariantCulture, $"{value / (double)(1 << 10):0.0} KiB"),
        _ => $"{value} B",
    };

    private static string Audit(JsonElement? audit)
    {
        if (audit is not { } row)
            return "none yet";
        string Of(string name) => row.TryGetProperty(name, out var value) ? value.ToString() : "?";
        return $"{(row.TryGetProperty("at", out var at) && at.TryGetDateTimeOffset(out var time) ? Terminal.Age(time) : "?")}, {Of("lost")} lost";
    }
}
