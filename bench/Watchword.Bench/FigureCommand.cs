using System.CommandLine;
using Watchword.Server.Cli;

namespace Watchword.Bench;

/// <summary>A command that measures some figures and reports them: all of one family.</summary>
internal static class FigureCommand
{
    /// <param name="name">The verb.</param>
    /// <param name="description">In a line; examples in further ones.</param>
    /// <param name="parts">The figures that <c>--only</c> chooses from.</param>
    /// <param name="run">Measures the parts that it is given.</param>
    public static Command Create(
        string name, string description, IReadOnlyList<string> parts, Func<IReadOnlyCollection<string>, CancellationToken, Task<IReadOnlyList<Figure>>> run)
    {
        var only = new Option<string>("--only") { Description = $"Some figures alone, separated by commas: {string.Join(", ", parts)}.", HelpName = "parts" };
        var json = new Option<string?>("--json") { Description = "The same figures as JSON: into a file beside the table, or to standard output in its place.", HelpName = "file", Arity = ArgumentArity.ZeroOrOne };
        var command = new Command(name, description) { only, json };
        command.SetAction(async (parsed, _) =>
        {
            using var stop = new StopSignal();   // Ctrl-C too stops and deletes what was started
            var chosen = parsed.GetValue(only)?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [.. parts];
            if (chosen.Except(parts).FirstOrDefault() is { } unknown)
            {
                await Console.Error.WriteLineAsync($"There is no figure '{unknown}': choose from {string.Join(", ", parts)}.");
                return 2;
            }
            try
            {
                var figures = await run(chosen, stop.Token);
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
        return command;
    }
}
