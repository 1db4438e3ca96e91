using System.CommandLine;
using Watchword.Bench;
using Watchword.Server.Cli;

var only = new Option<string>("--only") { Description = $"Some figures alone, separated by commas: {string.Join(", ", MainBench.Parts)}.", HelpName = "parts" };
var json = new Option<string?>("--json") { Description = "The same figures as JSON: into a file beside the table, or to standard output in its place.", HelpName = "file", Arity = ArgumentArity.ZeroOrOne };
var main = new Command("main", "Every figure with its goal, in one table; some five minutes.") { only, json };
main.SetAction(async (parsed, _) =>
{
    using var stop = new StopSignal();   // Ctrl-C too stops and deletes what was started
    var parts = parsed.GetValue(only)?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [.. MainBench.Parts];
    if (parts.Except(MainBench.Parts).FirstOrDefault() is { } unknown)
    {
        await Console.Error.WriteLineAsync($"There is no figure '{unknown}': choose from {string.Join(", ", MainBench.Parts)}.");
        return 2;
    }
    try
    {
        var figures = await MainBench.RunAsync(parts, stop.Token);
        var file = parsed.GetValue(json);
        if (parsed.GetResult(json) is not null && file is null)
        {
            Console.WriteLine(Report.Json(figures));
            return 0;
        }
        Report.Print(figures);
        if (file is not null)
            await File.WriteAllTextAsync(file, Report.Json(figures) + "\n", stop.Token);
        return 0;
    }
    catch (OperationCanceledException) when (stop.Token.IsCancellationRequested)
    {
        return 130;
    }
});

var scrypt = new Command("scrypt", "Password hashing against OpenSSL, alone.");
scrypt.SetAction(_ => ScryptBench.Print());

return await new RootCommand("""
    Measures Watchword on this machine: real PostgreSQL with its default durability, real nats-server.

    Figures are figures: the exit code is 0 also when a goal is missed.
    """) { main, scrypt }.Parse(args is [] ? ["--help"] : args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
