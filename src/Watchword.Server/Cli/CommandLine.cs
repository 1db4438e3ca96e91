using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Watchword.Server.Configuration;

namespace Watchword.Server.Cli;

/// <summary>The command line of <c>./run</c>. Without a verb, the server serves.</summary>
internal static class CommandLine
{
    /// <summary>Runs a verb, or the server with its configuration. Returns the exit code.</summary>
    public static async Task<int> RunAsync(string[] args, Func<IConfiguration, CancellationToken, Task> serve)
    {
        var options = Setting.All.ToDictionary(s => s, s => new Option<string>(s.Option) { Description = s.Help, HelpName = "value" });
        var root = new Command("./run", """
            Watchword, a self-hosted identity server that delivers every change to every other system.

            Without DATABASE_URL and NATS_URL it starts a private PostgreSQL and a private nats-server.
            Every option can also be set in the environment or in appsettings.json: --port as PORT, --data as
            WATCHWORD_DATA, --roles as WATCHWORD_ROLES, and so on (see docs/settings.md).

            Examples:
              ./run                                        serve on http://localhost:3001
              ./run --port 8080 --data /srv/watchword      another port, another data folder
              ./run events tail                            print events as they pass
              ./run events replay --help                   read events again, into a file or to a subject
              ./run dlq list                               list events that a consumer could not handle
              ./run consumer status                        show how far behind each consumer is
              ./run audit verify                           check that nobody changed the audit log
              ./run audit erase --help                     erase a person from everything that is kept
              DATABASE_URL=postgres://id@db/id NATS_URL=nats://bus:4222 BETTER_AUTH_SECRET=… ./run
                                                           your own PostgreSQL and NATS
            """) { new HelpOption(), new VersionOption() };
        // As a switch it has no value: ./run builds the program and names it in the environment.
        (options[Setting.Samples].Arity, options[Setting.Samples].HelpName) = (ArgumentArity.ZeroOrOne, "program");
        foreach (var option in options.Values)
            root.Add(option);
        root.Add(EventsCommand.Create());
        root.Add(DeadLetterCommand.Create());
        root.Add(StatusCommands.CreateStream());
        root.Add(StatusCommands.CreateConsumer());
        root.Add(AuditCommand.Create());
        root.SetAction(async (parsed, _) =>
        {
            using var stop = new StopSignal();
            return await ServeAsync(serve, () => SettingSources.Read(options.Where(o => parsed.GetResult(o.Value) is not null)
                .Select(o => KeyValuePair.Create<string, string?>(o.Key.Key, parsed.GetValue(o.Value) ?? Environment.GetEnvironmentVariable(o.Key.Key) ?? "not built"))), stop.Token);
        });
        var line = root.Parse(args);
        if (line.Action is ParseErrorAction faults)
            faults.ShowHelp = false;   // a page of help would hide the error
        // Stopping the engines takes a while, and the library must not end the process before they have stopped.
        var code = await line.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null, EnableDefaultExceptionHandler = false });
        return line.Action is ParseErrorAction ? Verb.ExitUsage : code;
    }

    private static async Task<int> ServeAsync(Func<IConfiguration, CancellationToken, Task> serve, Func<IConfiguration> configure, CancellationToken ct)
    {
        try
        {
            await serve(configure(), ct);
            return 0;
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            return 0;
        }
        catch (ConfigurationException e)
        {
            await Console.Error.WriteLineAsync(e.Errors.Count == 1 ? "Watchword cannot start:" : $"Watchword cannot start, {e.Errors.Count} settings are wrong:");
            foreach (var error in e.Errors)
                await Console.Error.WriteLineAsync($"  - {error}");
            return Verb.ExitConfiguration;
        }
        catch (StartException e)
        {
            await Console.Error.WriteLineAsync($"Watchword cannot start: {e.Message}");
            return Verb.ExitConfiguration;
        }
    }
}
