using System.CommandLine;
using NATS.Client.JetStream.Models;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Outbox;

namespace Watchword.Server.Cli;

/// <summary><c>./run stream create</c>: makes one of Watchword's own streams, for a service that may not.</summary>
internal static class StreamCreateCommand
{
    private static readonly StreamConfig[] Known = [.. Streams.All, Streams.SecurityAlerts];

    private static string Names => string.Join(", ", Known.Select(s => s.Name));

    public static Command Create()
    {
        var name = new Argument<string>("name") { Description = $"The stream: {Names}." };
        var create = new Command("create", """
            Make one of Watchword's own streams, with its proper settings. The server makes the streams that it publishes to;
            security-alerts is for the sample subscriber security, which may not make it (deploy/nats). An existing stream is
            never changed.

            Examples:
              ./run stream create security-alerts
              NATS_URL=nats://watchword:…@bus:4222 ./run stream create security-alerts
            """) { name };
        Connections.AddTo(create);
        create.SetVerb(async (parsed, ct) =>
        {
            await using var nats = await Connections.ConnectAsync(parsed, "watchword stream create", ct);
            await CreateAsync(nats, parsed.GetValue(name)!, ct);
        });
        return create;
    }

    private static async Task CreateAsync(JetStreamClient nats, string name, CancellationToken ct)
    {
        var wanted = Array.Find(Known, s => s.Name == name)
            ?? throw new CommandException($"'{name}' is not one of Watchword's streams: choose from {Names}.");
        if (await nats.FindStreamAsync(name, ct) is not { } found)
        {
            await nats.CreateStreamAsync(wanted, ct);
            Console.WriteLine($"Stream {name} was made; it takes {string.Join(", ", wanted.Subjects!)}.");
        }
        else if (StreamSetup.Differences(wanted, found.Config) is { Length: > 0 } differences)
        {
            throw new CommandException($"Stream {name} already exists, with other settings: {differences}. It was not changed: change it yourself, or keep it if that is intended.");
        }
        else
        {
            Console.WriteLine($"Stream {name} already exists, with these settings.");
        }
    }
}
