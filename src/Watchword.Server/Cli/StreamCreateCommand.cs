using System.CommandLine;
using Watchword.Events.Contracts;
using Watchword.Events.Outbox;
using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Server.Cli;

/// <summary><c>./run stream create</c>: one of Watchword's own streams, for a service that may not make it.</summary>
internal static class StreamCreateCommand
{
    private static readonly StreamConfig[] Known = [.. Streams.All, Streams.SecurityAlerts];

    private static string Names => string.Join(", ", Known.Select(s => s.Name));

    public static Command Create()
    {
        var name = new Argument<string>("name") { Description = $"The stream: {Names}." };
        var create = new Command("create", """
            Make one of Watchword's own streams, with the settings that it should have, where it is missing. The server makes
            its own; security-alerts is made for the sample security, which has no right to (deploy/nats). A stream that is
            there already is left as it is.

            Examples:
              ./run stream create security-alerts
              NATS_URL=nats://watchword:…@bus:4222 ./run stream create security-alerts
            """) { name };
        Connections.AddTo(create);
        create.SetVerb(async (parsed, ct) =>
        {
            await using var nats = await Connections.ConnectAsync(parsed, "watchword stream create", ct);
            await CreateAsync(new JetStream(nats), parsed.GetValue(name)!, ct);
        });
        return create;
    }

    private static async Task CreateAsync(JetStream jetStream, string name, CancellationToken ct)
    {
        var wanted = Array.Find(Known, s => s.Name == name)
            ?? throw new CommandException($"'{name}' is not one of Watchword's streams: choose from {Names}.");
        if (await jetStream.FindStreamAsync(name, ct) is not { } found)
        {
            await jetStream.CreateStreamAsync(wanted, ct);
            Console.WriteLine($"Stream {name} was made; it takes {string.Join(", ", wanted.Subjects!)}.");
        }
        else if (StreamSetup.Differences(wanted, found.Config) is { Length: > 0 } differences)
        {
            throw new CommandException($"There is a stream {name} already, with other settings: {differences}. It was left as it is: change it, or keep it if that is meant.");
        }
        else
        {
            Console.WriteLine($"There is a stream {name} already, as it should be.");
        }
    }
}
