using System.Text.Encodings.Web;
using System.Text.Json;
using Spectre.Console;

namespace Watchword.Bench;

/// <summary>Prints figures as a table for people, or as JSON for programs.</summary>
internal static class Report
{
    /// <summary>A pipe has no width, and its text should not be cut to 80 columns.</summary>
    private const int PipeWidth = 150;

    private static readonly JsonSerializerOptions Readable = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static void Print(IReadOnlyList<Figure> figures)
    {
        var table = new Table().Border(TableBorder.Rounded).ShowRowSeparators();
        table.AddColumn("figure").AddColumn(new TableColumn("measured").NoWrap()).AddColumn("unit").AddColumn(new TableColumn("goal").NoWrap()).AddColumn("met");
        foreach (var figure in figures)
        {
            table.AddRow(
                new Markup($"{Markup.Escape(figure.Name)}\n[dim]{Markup.Escape(figure.Method)}[/]"),
                new Markup(string.Join('\n', figure.Values.Select(v => $"{Markup.Escape(v.Name)} {Value.Format(v.Number)}"))),
                new Markup(Markup.Escape(figure.Unit)),
                new Markup(Markup.Escape(figure.Goal.Replace(", ", "\n", StringComparison.Ordinal))),
                new Markup(figure.IsMet switch { true => "[green]yes[/]", false => "[red]no[/]", null => "" }));
        }
        var console = AnsiConsole.Create(new() { Ansi = Console.IsOutputRedirected ? AnsiSupport.No : AnsiSupport.Detect });
        if (Console.IsOutputRedirected)
            console.Profile.Width = PipeWidth;
        console.Write(table);
    }

    public static string Json(IReadOnlyList<Figure> figures) => JsonSerializer.Serialize(
        new
        {
            MeasuredAt = DateTime.UtcNow,
            Processors = Environment.ProcessorCount,
            Figures = figures.Select(f => new
            {
                f.Name,
                f.Unit,
                f.Method,
                Values = f.Values.Select(v => new { v.Name, Value = Math.Round(v.Number, 3), v.AtMost, v.AtLeast }),
                Met = f.IsMet,
            }),
        },
        Readable);
}
