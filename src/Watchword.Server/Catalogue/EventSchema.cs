using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization;
using Watchword.Events.Contracts;

namespace Watchword.Server.Catalogue;

/// <summary>Describes an event's fields, from its record.</summary>
internal static class EventSchema
{
    // Readers accept a number in quotes; publishers do not write one.
    private static readonly JsonSerializerOptions Written = new(EventJson.Default.Options) { NumberHandling = JsonNumberHandling.Strict };

    /// <summary>The event's JSON Schema, with the XML comments of its record as descriptions.</summary>
    public static JsonObject Of(EventType type) => JsonSchemaExporter.GetJsonSchemaAsNode(
        Written.GetTypeInfo(type.Record), new() { TreatNullObliviousAsNonNullable = true, TransformSchemaNode = (context, schema) => Describe(type, context, schema) }).AsObject();

    /// <summary>The event's fields as a flat list, in the order of the JSON.</summary>
    public static IEnumerable<EventField> Fields(EventType type) => Fields(Of(type), "");

    private static IEnumerable<EventField> Fields(JsonObject schema, string path)
    {
        var required = schema["required"]?.AsArray().Select(r => r!.GetValue<string>()).ToHashSet() ?? [];
        foreach (var (name, property) in schema["properties"]?.AsObject() ?? [])
        {
            var field = property!.AsObject();
            var type = TypeName(field) + (field["default"] is { } value ? $", default {value.ToJsonString()}" : "");
            yield return new(path + name, type, required.Contains(name), (string?)field["description"] ?? "");
            foreach (var inner in Fields(field, $"{path}{name}."))
                yield return inner;
        }
    }

    private static JsonObject Describe(EventType type, JsonSchemaExporterContext context, JsonNode schema)
    {
        // The exporter describes a type with its own converter as 'true', which allows anything.
        var described = schema as JsonObject ?? [];
        if ((Nullable.GetUnderlyingType(context.TypeInfo.Type) ?? context.TypeInfo.Type) == typeof(DateTimeOffset))
            (described["type"], described["format"]) = (context.TypeInfo.Type == typeof(DateTimeOffset) ? "string" : new JsonArray("string", "null"), "date-time");
        // The exporter takes a generic record's property for nullable; its constructor's parameter tells.
        if (context.PropertyInfo is { AssociatedParameter.IsNullable: false } && described["type"] is JsonArray { Count: 2 } types)
            described["type"] = types.Single(t => (string?)t != "null")!.DeepClone();
        // The event's name is a constant.
        if (context.Path is ["properties", "subject" or "event"] && context.PropertyInfo is { IsRequired: true })
            described["const"] = type.Subject;
        // A default of null says no more than "optional".
        if (described.ContainsKey("default") && described["default"] is null)
            described.Remove("default");
        if (context.PropertyInfo?.AttributeProvider is MemberInfo member && XmlComments.Of(member) is { } text)
            described.Insert(0, "description", text);
        return described;
    }

    private static string TypeName(JsonObject schema) => schema["type"] switch
    {
        JsonArray types => string.Join(" or ", types.Select(t => Named(schema, t!.GetValue<string>()))),
        { } type => Named(schema, type.GetValue<string>()),
        null => "anything",
    };

    private static string Named(JsonObject schema, string type) => type switch
    {
        "array" => $"array of {TypeName(schema["items"]!.AsObject())}",
        "string" when (string?)schema["format"] == "date-time" => "time",
        _ => type,
    };
}

/// <summary>A field of an event.</summary>
/// <param name="Path">Its path from the top: <c>data.userId</c>.</param>
/// <param name="Type">Its JSON types and its default: <c>boolean, default true</c>; <c>time</c> is a string in ISO 8601.</param>
/// <param name="Required">Whether it is always present.</param>
/// <param name="Meaning">Its description, in Markdown.</param>
internal sealed record EventField(string Path, string Type, bool Required, string Meaning);
