using System.CommandLine;
using System.Text;
using System.Text.Json;
using Watchword.Events.Contracts;
using Watchword.Nats;
using Watchword.Server.Configuration;

namespace Watchword.Server.Cli;

/// <summary><c>./run events tail</c>: what passes through the streams, a line each.</summary>
internal static class EventsTail
{
    public static Command Create(Option<string> data, Option<string> natsUrl)
    {
        var all = new Option<bool>("--all") { Description = "From the oldest event that the streams hold; without it, from now on." };
        var count = new Option<int>("--count") { Description = "Stop after so many events.", HelpName = "number" };
        var tail = new Command("tail", "Print events as they pass: time, subject, JSON. Ctrl-C stops.") { all, count, data, natsUrl };
        tail.SetAction(async (parsed, ct) =>
        {
            var url = parsed.GetValue(natsUrl) ?? Environment.GetEnvironmentVariable(Setting.NatsUrl.Key)
                ?? RunningServer.NatsUrl(parsed.GetValue(data) ?? Environment.GetEnvironmentVariable(Setting.Data.Key) ?? "data");
            if (url is null)
            {
                await Console.Error.WriteLineAsync("No server runs on this data folder: start one with ./run, or name a NATS server with --nats-url.");
                return 1;
            }
            using var stop = new StopSignal();
            await PrintAsync(url, parsed.GetValue(all), parsed.GetValue(count), stop.Token);
            return 0;
        });
        return new Command("events", "Look at events.") { tail, EventsCatalogue.Create() };
    }

    private static async Task PrintAsync(string url, bool all, int count, CancellationToken ct)
    {
        await using var nats = new NatsConnection(NatsSettings.Read(url, s => Environment.GetEnvironmentVariable(s.Key)) with { Name = "watchword events tail" });
        try
        {
            await nats.ConnectAsync(ct);
            var jetStream = new JetStream(nats);
            var printed = 0;
            using var enough = CancellationTokenSource.CreateLinkedTokenSource(ct);
            await Task.WhenAll(new[] { Streams.AuthEvents.Name, Streams.IdentityChanges.Name }.Select(FollowAsync));

            async Task FollowAsync(string stream)
            {
                var consumer = await jetStream.CreateConsumerAsync(stream, new()
                {
                    Name = Guid.NewGuid().ToString("N"),
                    DeliverPolicy = all ? DeliverPolicy.All : DeliverPolicy.New,
                    AckPolicy = AckPolicy.None,
                    InactiveThreshold = TimeSpan.FromMinutes(1),
                }, enough.Token);
                await using var messages = await jetStream.ConsumeAsync(stream, consumer.Name, ct: enough.Token);
                await foreach (var message in messages.ReadAllAsync(enough.Token))
                {
                    var number = Interlocked.Increment(ref printed);
                    if (count == 0 || number <= count)
                        Console.WriteLine($"{message.Timestamp:HH:mm:ss.fff} {message.Subject} {OneLine(message.Payload)}");
                    if (number == count)
                        await enough.CancelAsync();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Ctrl-C, or enough.
        }
        catch (NatsException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
        }
    }

    private static string OneLine(ReadOnlyMemory<byte> payload)
    {
        try
        {
            using var json = JsonDocument.Parse(payload);
            return JsonSerializer.Serialize(json.RootElement, EventJson.Default.JsonElement);
        }
        catch (JsonException)
        {
            return Encoding.UTF8.GetString(payload.Span).ReplaceLineEndings(" ");
        }
    }
}
