using System.Reflection;
using System.Text.Json.Nodes;
using Watchword.Events.Contracts;

namespace Watchword.Server.Catalogue;

/// <summary>Writes the AsyncAPI 3 document of the published events.</summary>
internal static class AsyncApi
{
    public static JsonObject Document() => new()
    {
        ["asyncapi"] = "3.0.0",
        ["id"] = "urn:watchword:events",
        ["info"] = new JsonObject
        {
            ["title"] = "Watchword events",
            ["version"] = typeof(AsyncApi).Assembly.GetName().Version!.ToString(3),
            ["description"] = "What happened to users and organizations, over NATS JetStream, in order for each user and organization. "
                + "Readers ignore fields that they do not know. New fields are optional, or come with a new schemaVersion.",
            ["license"] = new JsonObject { ["name"] = "MIT", ["url"] = "https://opensource.org/license/mit" },
            ["tags"] = new JsonArray([.. EventCatalogue.All.Select(t => t.Stream).Distinct(StringComparer.Ordinal).Select(Tag)]),
        },
        ["defaultContentType"] = "application/json",
        ["servers"] = new JsonObject
        {
            ["nats"] = new JsonObject { ["host"] = "localhost:4222", ["protocol"] = "nats", ["description"] = "The server's `NATS_URL`." },
        },
        ["channels"] = Each(type => (type.Subject, new JsonObject
        {
            ["address"] = type.Subject,
            ["title"] = type.Subject,
            ["description"] = $"Kept in the JetStream stream `{type.Stream}`.",
            ["messages"] = new JsonObject { [type.Record.Name] = Reference("components", "messages", type.Record.Name) },
            ["tags"] = new JsonArray(Tag(type.Stream)),
        })),
        ["operations"] = Each(type => ($"publish{type.Record.Name}", new JsonObject
        {
            ["action"] = "send",
            ["channel"] = Reference("channels", type.Subject),
            ["summary"] = XmlComments.Summary(type.Record),
            ["description"] = XmlComments.Remarks(type.Record),
            ["messages"] = new JsonArray(Reference("channels", type.Subject, "messages", type.Record.Name)),
        })),
        ["components"] = new JsonObject
        {
            ["messages"] = Each(type => (type.Record.Name, Message(type))),
            ["schemas"] = new JsonObject { ["Headers"] = Headers() },
        },
    };

    private static JsonObject Message(EventType type) => new()
    {
        ["name"] = type.Subject,
        ["title"] = type.Record.Name,
        ["summary"] = XmlComments.Summary(type.Record),
        ["description"] = XmlComments.Remarks(type.Record),
        ["contentType"] = "application/json",
        ["headers"] = Reference("components", "schemas", "Headers"),
        ["payload"] = EventSchema.Of(type),
        ["examples"] = new JsonArray(new JsonObject { ["name"] = "example", ["payload"] = JsonNode.Parse(EventExamples.Of(type)) }),
        ["x-stream"] = type.Stream,
        ["x-schema-version"] = type.SchemaVersion,
    };

    public static JsonObject Headers() => new()
    {
        ["type"] = "object",
        ["description"] = "The headers of every message. Foreign publishers may leave them out.",
        ["properties"] = new JsonObject(typeof(EventHeaders).GetFields(BindingFlags.Public | BindingFlags.Static).Select(header => KeyValuePair.Create(
            (string)header.GetRawConstantValue()!, (JsonNode?)new JsonObject { ["type"] = "string", ["description"] = XmlComments.Of(header) }))),
    };

    private static JsonObject Each(Func<EventType, (string Name, JsonObject Value)> make) =>
        new(EventCatalogue.All.Select(make).Select(m => KeyValuePair.Create(m.Name, (JsonNode?)m.Value)));

    private static JsonObject Tag(string name) => new() { ["name"] = name };

    private static JsonObject Reference(params string[] path) => new() { ["$ref"] = "#/" + string.Join('/', path) };
}
