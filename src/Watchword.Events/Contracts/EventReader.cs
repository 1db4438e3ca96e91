using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using NATS.Client.Core;

namespace Watchword.Events.Contracts;

/// <summary>
/// Reads the bytes of an event into its record. Unknown fields are ignored, optional ones may be missing, and older schema
/// versions are upcast.
/// </summary>
public static class EventReader
{
    // With two members of one name it is open which one counts.
    private static readonly JsonDocumentOptions Once = new() { AllowDuplicateProperties = false };

    /// <inheritdoc cref="Read(EventType, ReadOnlySpan{byte}, NatsHeaders?, out string)"/>
    public static object? Read(EventType type, ReadOnlySpan<byte> payload, out string fault) => Read(type, payload, null, out fault);

    /// <summary>Reads an event. Returns null when it cannot be read; <paramref name="fault"/> then says why, and names the field. Never throws.</summary>
    /// <param name="type">The expected type.</param>
    /// <param name="payload">JSON in UTF-8.</param>
    /// <param name="headers">The message's headers: they may hold the id that an old event lacks.</param>
    /// <param name="fault">The reason when null is returned; otherwise empty.</param>
    public static object? Read(EventType type, ReadOnlySpan<byte> payload, NatsHeaders? headers, out string fault)
    {
        try
        {
            var read = JsonSerializer.Deserialize(payload, type.Json);
            if (read is IEvent known && known.SchemaVersion == type.SchemaVersion)
                return Checked(known, out fault);
        }
        catch (Exception e) when (IsOfTheBytes(e))
        {
            // Another version, or broken: the second reading tells.
        }
        try
        {
            return ReadAgain(type, payload, headers, out fault);
        }
        catch (Exception e) when (IsOfTheBytes(e))
        {
            fault = $"the event cannot be read: {e.Message}";
            return null;
        }
    }

    private static object? ReadAgain(EventType type, ReadOnlySpan<byte> payload, NatsHeaders? headers, out string fault)
    {
        // First: the parser below would repair text that is not UTF-8, and name no field.
        if (PayloadFault.Find(payload) is { } broken)
        {
            fault = broken;
            return null;
        }
        JsonObject? json = null;
        try
        {
            json = JsonNode.Parse(payload, documentOptions: Once) as JsonObject;
            if (json is null)
            {
                fault = "the event is not a JSON object";
                return null;
            }
            var version = Upcasts.VersionOf(type, json);
            if (version > type.SchemaVersion)
            {
                fault = $"schemaVersion {version} is newer than {type.SchemaVersion}, which this build reads: update this service";
                return null;
            }
            if (!Upcasts.TryRaise(type, json, version, new(headers, payload)))
            {
                fault = $"schemaVersion {version} is older than {type.SchemaVersion}, and this build has no upcast from it";
                return null;
            }
            return Checked((IEvent)json.Deserialize(type.Json)!, out fault);
        }
        catch (JsonException e)
        {
            fault = json is null ? "not valid JSON: " + e.Message : Missing(json, type.Json, "") ?? $"{Field(e)} has the wrong type";
            return null;
        }
    }

    private static IEvent? Checked(IEvent @event, out string fault)
    {
        fault = @event.Fault(DateTimeOffset.UtcNow) ?? "";
        return fault.Length == 0 ? @event : null;
    }

    // The first required field that the event lacks. The serializer's own message names all of one object, without its path.
    private static string? Missing(JsonObject json, JsonTypeInfo type, string path)
    {
        foreach (var property in type.Properties)
        {
            var value = json.FirstOrDefault(p => string.Equals(p.Key, property.Name, StringComparison.OrdinalIgnoreCase)).Value;
            if (value is null && property.IsRequired)
                return $"{path}{property.Name} is missing";
            if (value is JsonObject inner && type.Options.GetTypeInfo(property.PropertyType) is { Kind: JsonTypeInfoKind.Object } of
                && Missing(inner, of, $"{path}{property.Name}.") is { } missing)
                return missing;
        }
        return null;
    }

    private static string Field(JsonException e) => e.Path?.TrimStart('$', '.') is { Length: > 0 } path ? path : "the event";

    // An unpaired surrogate, and invalid UTF-8 in a name, throw InvalidOperationException.
    private static bool IsOfTheBytes(Exception e) => e is JsonException or InvalidOperationException or ArgumentException or FormatException;
}
