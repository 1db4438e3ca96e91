using System.CommandLine;
using System.Text.Json;
using Watchword.Events.Contracts;
using Watchword.Server.Catalogue;

namespace Watchword.Server.Cli;

/// <summary><c>./run events catalogue</c>: what is published. Needs no running server.</summary>
internal static class EventsCatalogue
{
    public static Command Create()
    {
        var markdown = new Option<bool>("--markdown") { Description = "As the page docs/events.md." };
        var asyncApi = new Option<bool>("--asyncapi") { Description = "As the AsyncAPI 3 document that GET /asyncapi.json answers." };
        var published = new Option<bool>("--published") { Description = "As the baseline src/Watchword.Events/Contracts/published.json." };
        var since = new Option<FileInfo>("--since") { Description = "What changed since such a baseline; exit code 1 if it breaks readers.", HelpName = "file" };
        var command = new Command("catalogue", """
            List the events that are published, with their streams. Needs no running server.

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
            Console.Error.WriteLine($"{baseline} is no baseline: {e.Message} Write one with ./run events catalogue --published.");
            return 1;
        }
    }
}
