using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Watchword.Events.Contracts;

namespace Watchword.Server.Catalogue;

/// <summary>Writes the page <c>docs/events.md</c>.</summary>
internal static class EventsPage
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, NewLine = "\n", Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Markdown()
    {
        var page = new StringBuilder("""
            # Events

            <!-- Written by ./run events catalogue --markdown > docs/events.md from the records in src/Watchword.Events/Contracts: change those. -->

            Each event is recorded in the transaction of its change, and published in order for each user and each organization.
            `GET /asyncapi.json` serves the same catalogue as an AsyncAPI 3 document.

            | event | what happened | stream | version |
            |---|---|---|---|

            """.ReplaceLineEndings("\n"));
        foreach (var type in EventCatalogue.All)
            page.Append(CultureInfo.InvariantCulture, $"| [`{type.Subject}`](#{Anchor(type.Subject)}) | {XmlComments.Summary(type.Record)} | `{type.Stream}` | {Versions(type)} |\n");
        page.Append("""

            How to read them, in any language:

            - Ignore fields that you do not know: new ones may appear at any time. An optional field may be missing or null.
            - `schemaVersion` rises only when old readers could not read the event. Refuse a version newer than the one you know.
              A missing `schemaVersion` means 1 on change events, and 0 on auth events: their first form, without `eventId` and
              `correlationId`.
            - An event can arrive twice, with the same id (header `ce-id`).
            - Of two change events of one user or organization, the one with the higher `version` is the later.

            In .NET, `EventReader.Read` applies the first two rules; for a broken event it gives the reason and the path of the field.


            """.ReplaceLineEndings("\n"));
        foreach (var type in EventCatalogue.All)
            Section(page, type);
        page.Append("## Headers\n\nThe headers of every message. Foreign publishers may leave them out.\n\n| header | meaning |\n|---|---|\n");
        foreach (var (name, schema) in AsyncApi.Headers()["properties"]!.AsObject())
            page.Append(CultureInfo.InvariantCulture, $"| `{name}` | {schema!["description"]} |\n");
        return page.ToString();
    }

    private static void Section(StringBuilder page, EventType type)
    {
        page.Append(CultureInfo.InvariantCulture, $"## {type.Subject}\n\n{XmlComments.Summary(type.Record)} *Published:* {XmlComments.Remarks(type.Record)}\n\n");
        page.Append(CultureInfo.InvariantCulture, $"Stream `{type.Stream}`, record `{type.Record.Name}`, version {Versions(type)}.\n\n| field | type | meaning |\n|---|---|---|\n");
        foreach (var field in EventSchema.Fields(type))
            page.Append(CultureInfo.InvariantCulture, $"| `{field.Path}` | {(field.Required ? "" : "optional ")}{field.Type} | {field.Meaning} |\n");
        page.Append(CultureInfo.InvariantCulture, $"\n```json\n{JsonNode.Parse(EventExamples.Of(type))!.ToJsonString(Indented)}\n```\n\n");
    }

    private static string Versions(EventType type) => type.OldestVersion == type.SchemaVersion ? $"{type.SchemaVersion}" : $"{type.SchemaVersion} (reads from {type.OldestVersion})";

    // As GitHub and GitLab make it from a heading.
    private static string Anchor(string heading) => heading.Replace(".", "", StringComparison.Ordinal).ToLowerInvariant();
}
