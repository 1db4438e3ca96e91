using Spectre.Console;

namespace Watchword.Server.Cli;

/// <summary>What people see: colours and progress on a terminal alone, plain text in a file or a pipe, or with NO_COLOR.</summary>
internal static class Terminal
{
    // Wide enough that no row of a table is folded where nobody looks at it.
    private const int FileWidth = 400;

    private static readonly bool NoColor = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));

    /// <summary>Standard output, for tables.</summary>
    public static IAnsiConsole Out { get; } = Open(Console.Out, Console.IsOutputRedirected);

    /// <summary>Standard error, for progress: standard output may be piped.</summary>
    public static IAnsiConsole Error { get; } = Open(Console.Error, Console.IsErrorRedirected);

    /// <summary>Whether lines on standard output are coloured.</summary>
    public static bool IsColored { get; } = Out.Profile.Capabilities is { Ansi: true, ColorSystem: not ColorSystem.NoColors };

    /// <summary>A table, to be filled.</summary>
    public static Table Table(params string[] columns)
    {
        var table = new Table().Border(TableBorder.None).Collapse();
        foreach (var column in columns)
            table.AddColumn(new TableColumn($"[bold]{Markup.Escape(column)}[/]").NoWrap().PadRight(2));
        return table;
    }

    /// <summary>Shows on standard error how far work is, if that is a terminal.</summary>
    /// <param name="work">Begun already.</param>
    /// <param name="what">What it is.</param>
    /// <param name="done">From 0 to 1.</param>
    public static Task<T> ProgressAsync<T>(Task<T> work, string what, Func<double> done) => Console.IsErrorRedirected
        ? work
        : Error.Progress().AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
            .StartAsync(async progress =>
            {
                var bar = progress.AddTask(Markup.Escape(what), maxValue: 1);
                while (await Task.WhenAny(work, Task.Delay(100)) != work)
                    bar.Value = done();
                bar.Value = 1;
                return await work;
            });

    private static IAnsiConsole Open(TextWriter writer, bool redirected)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = redirected ? AnsiSupport.No : AnsiSupport.Detect,
            ColorSystem = redirected || NoColor ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
        });
        if (redirected)
            console.Profile.Width = FileWidth;
        return console;
    }
}
