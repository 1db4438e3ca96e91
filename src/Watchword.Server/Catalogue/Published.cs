using System.Text.Json;
using System.Text.Json.Serialization;
using Watchword.Events.Contracts;
using Catalogued = System.Collections.Generic.Dictionary<string, Watchword.Server.Catalogue.PublishedEvent>;

namespace Watchword.Server.Catalogue;

/// <summary>Compares the published events with an earlier state, and tells which changes break readers.</summary>
internal static class Published
{
    private const string Optional = "optional ";

    public static Catalogued Now() => EventCatalogue.All.ToDictionary(type => type.Subject, type => new PublishedEvent(
        type.Stream, type.SchemaVersion, type.OldestVersion, EventSchema.Fields(type).ToDictionary(f => f.Path, f => (f.Required ? "" : Optional) + f.Type)));

    /// <summary>Writes the form of the file <c>published.json</c>.</summary>
    public static string Write(Catalogued events) => JsonSerializer.Serialize(events, PublishedJson.Default.DictionaryStringPublishedEvent) + "\n";

    /// <summary>Reads the form of the file <c>published.json</c>.</summary>
    /// <exception cref="JsonException">The text is not such a file.</exception>
    public static Catalogued Read(string json) => JsonSerializer.Deserialize(json, PublishedJson.Default.DictionaryStringPublishedEvent) ?? throw new JsonException("It is null.");

    /// <summary>Compares two states.</summary>
    /// <returns>The changes that break readers or stored events, and those that only add something.</returns>
    public static (IReadOnlyList<string> Breaks, IReadOnlyList<string> Additions) Compare(Catalogued before, Catalogued now)
    {
        var (breaks, additions) = (new List<string>(), new List<string>());
        foreach (var (name, was) in before)
        {
            if (now.TryGetValue(name, out var today))
                Compare(name, was, today, breaks, additions);
            else
                breaks.Add($"{name} is no longer published");
        }
        additions.AddRange(now.Keys.Except(before.Keys).Select(name => $"{name} is new"));
        return (breaks, additions);
    }

    private static void Compare(string name, PublishedEvent was, PublishedEvent now, List<string> breaks, List<string> additions)
    {
        if (now.Stream != was.Stream)
            breaks.Add($"{name} moved from stream {was.Stream} to {now.Stream}");
        if (now.SchemaVersion < was.SchemaVersion)
            breaks.Add($"{name}: schemaVersion went back from {was.SchemaVersion} to {now.SchemaVersion}");
        if (now.OldestVersion > was.OldestVersion)
            breaks.Add($"{name}: events of schemaVersion {was.OldestVersion} can no longer be read: add the steps to Upcasts");
        // A new version may change anything: readers refuse it until they know it, and upcasts bring old events up to it.
        if (now.SchemaVersion > was.SchemaVersion)
        {
            additions.Add($"{name} has schemaVersion {now.SchemaVersion}");
            return;
        }
        var (old, fields) = (was.Fields, now.Fields);
        foreach (var (path, type) in old)
        {
            if (!fields.TryGetValue(path, out var today))
                breaks.Add($"{name}: {path} was removed{Renamed(path, type, old, fields)}");
            else if (Bare(today) != Bare(type))
                breaks.Add($"{name}: {path} was {Bare(type)} and is {Bare(today)}");
            else if (!IsOptional(today) && IsOptional(type))
                breaks.Add($"{name}: {path} became required: stored events may lack it");
            else if (IsOptional(today) && !IsOptional(type))
                breaks.Add($"{name}: {path} became optional: readers rely on it");
        }
        foreach (var (path, type) in fields.Where(f => !old.ContainsKey(f.Key)))
            if (IsOptional(type) || IsInNew(path, old, fields))
                additions.Add($"{name}: {path} is new");
            else
                breaks.Add($"{name}: {path} is new and required: stored events lack it");
    }

    private static bool IsOptional(string type) => type.StartsWith(Optional, StringComparison.Ordinal);

    private static string Bare(string type) => IsOptional(type) ? type[Optional.Length..] : type;

    // A required field of a new optional object is not a break: who lacks the object lacks nothing.
    private static bool IsInNew(string path, Dictionary<string, string> old, Dictionary<string, string> now) =>
        Parent(path) is { Length: > 0 } parent && !old.ContainsKey(parent) && (IsOptional(now[parent]) || IsInNew(parent, old, now));

    private static string Renamed(string path, string type, Dictionary<string, string> old, Dictionary<string, string> now) =>
        now.FirstOrDefault(f => !old.ContainsKey(f.Key) && Parent(f.Key) == Parent(path) && Bare(f.Value) == Bare(type)).Key is { } other ? $" (is it {other} now?)" : "";

    private static string Parent(string path) => path[..Math.Max(0, path.LastIndexOf('.'))];
}

/// <summary>What readers of an event rely on.</summary>
/// <param name="Stream">The stream that stores it.</param>
/// <param name="SchemaVersion">Its version.</param>
/// <param name="OldestVersion">The oldest version that can be read.</param>
/// <param name="Fields">The type of each field, by path; it begins with <c>optional</c> where the field may be missing.</param>
internal sealed record PublishedEvent(string Stream, int SchemaVersion, int OldestVersion, Dictionary<string, string> Fields);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, WriteIndented = true, NewLine = "\n", RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(Dictionary<string, PublishedEvent>))]
internal sealed partial class PublishedJson : JsonSerializerContext;
