using System.CommandLine;
using System.Text.Json;
using Watchword.Events.Contracts;
using Watchword.Server.Catalogue;

namespace Watchword.Server.Cli;

/// <summary><c>./run events catalogue</c>: lists the published events. Needs no running server.</summary>
internal static class EventsCatalogue
{
    public static Command Create()
    {
        var markdown = new Option<bool>("--markdown") { Description = "Print the page docs/events.md." };
        var asyncApi = new Option<bool>("--asyncapi") { Description = "Print the AsyncAPI 3 document that GET /asyncapi.json serves." };
        var published = new Option<bool>("--published") { Description = "Print the baseline src/Watchword.Events/Contracts/published.json." };
        var since = new Option<FileInfo>("--since") { Description = "Show what changed since such a baseline; exit code 1 if it breaks readers.", HelpName = "file" };
        var command = new Command("catalogue", """
            List the published events and their streams. Needs no running server.

            Examples:
              ./run events catalogue
              ./run events catalogue --asyncapi > asyncapi.json
              ./run events catalogue --since published.json
            """) { markdown, asyncApi, published, since };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(since) is { } file)
                return Compare(file);
            Console.Write(
                parsed.GetValue(markdown) ? EventsPage.Markdown()
                : parsed.GetValue(asyncApi) ? AsyncApi.Document().ToJsonString() + "\n"
                : parsed.GetValue(published) ? Published.Write(Published.Now())
                : string.Concat(EventCatalogue.All.Select(t => $"{t.Subject,-32}{t.Stream,-18}{XmlComments.Summary(t.Record)}\n")));
            return 0;
        });
        return command;
    }

    private static int Compare(FileInfo baseline)
    {
        try
        {
            var (breaks, additions) = Published.Compare(Published.Read(File.ReadAllText(baseline.FullName)), Published.Now());
            foreach (var line in breaks.Select(b => "breaks  " + b).Concat(additions.Select(a => "adds    " + a)))
                Console.WriteLine(line);
            return breaks.Count == 0 ? 0 : 1;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            Console.Error.WriteLine($"{baseline} cannot be read as a baseline: {e.Message} Write one with ./run events catalogue --published.");
            return 1;
        }
    }
}
