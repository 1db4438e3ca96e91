using System.Globalization;
using Microsoft.Win32.SafeHandles;
using Spectre.Console;

namespace Watchword.Server.Cli;

/// <summary>Output for people: colours and progress on a terminal, plain text in a file or a pipe.</summary>
internal static class Terminal
{
    // In a file, no row of a table is folded.
    private const int FileWidth = 400;
    private const int LeastFolded = 30;
    private const int Gap = 2;

    private static readonly bool NoColor = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));

    /// <summary>Standard output, for tables.</summary>
    private static IAnsiConsole Out { get; } = Open(Console.Out, Console.IsOutputRedirected);

    /// <summary>Standard error, for progress: standard output may be piped.</summary>
    public static IAnsiConsole Error { get; } = Open(Console.Error, Console.IsErrorRedirected);

    /// <summary>Whether lines on standard output are coloured.</summary>
    public static bool IsColored { get; } = Out.Profile.Capabilities is { Ansi: true, ColorSystem: not ColorSystem.NoColors };

    /// <summary>Standard output as bytes. Writing fails when a pipe's reader has exited; the console's own stream would ignore that.</summary>
    public static Stream OpenOutput()
    {
        var output = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        // A stream of its own would not move the shell's position in a file.
        return output.CanSeek ? Console.OpenStandardOutput() : output;
    }

    /// <summary>Prints a table. In a narrow window the last column is folded; if that is not enough, lines are longer than the window.</summary>
    public static void WriteTable(string[] columns, IEnumerable<string[]> rows)
    {
        var cells = rows.Select(row => row.Select(OneLine).ToArray()).ToList();
        var widths = columns.Select((column, i) => Math.Max(column.Length, cells.Select(row => row[i].Length).DefaultIfEmpty().Max())).ToList();
        var table = new Table().Border(TableBorder.None).Collapse();
        for (var i = 0; i < columns.Length; i++)
            table.AddColumn(new TableColumn($"[bold]{Markup.Escape(columns[i])}[/]") { NoWrap = i < columns.Length - 1 }.PadRight(Gap));
        foreach (var row in cells)
            table.AddRow(row.Select(text => new Markup(Markup.Escape(text))));
        var window = Out.Profile.Width;
        Out.Profile.Width = Math.Max(window, widths[..^1].Sum() + Math.Min(widths[^1], LeastFolded) + (columns.Length * 2 * Gap));
        Out.Write(table);
        Out.Profile.Width = window;
    }

    /// <summary>Replaces control characters, which could move the cursor or break the line, by blanks.</summary>
    public static string OneLine(string text) => text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c)) : text;

    /// <summary>How long ago a time was: "12 s ago"; null for null.</summary>
    public static string? Age(DateTimeOffset? time) => (DateTimeOffset.UtcNow - time) switch
    {
        null => null,
        { TotalSeconds: < 1 } => "now",
        { TotalMinutes: < 2 } age => string.Create(CultureInfo.InvariantCulture, $"{age.TotalSeconds:0} s ago"),
        { TotalHours: < 2 } age => string.Create(CultureInfo.InvariantCulture, $"{age.TotalMinutes:0} min ago"),
        { TotalDays: < 2 } age => string.Create(CultureInfo.InvariantCulture, $"{age.TotalHours:0} h ago"),
        { } age => string.Create(CultureInfo.InvariantCulture, $"{age.TotalDays:0} days ago"),
    };

    /// <summary>Shows the progress of work on standard error, if that is a terminal.</summary>
    /// <param name="work">The work, which has begun.</param>
    /// <param name="what">Its name.</param>
    /// <param name="done">How much of it is done, from 0 to 1.</param>
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
