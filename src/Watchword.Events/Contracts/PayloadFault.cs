using System.Text;
using System.Text.Json;

namespace Watchword.Events.Contracts;

/// <summary>Finds valid JSON that no reader accepts (text that is not UTF-8, unpaired surrogates, too deep nesting), with the path of the field.</summary>
internal static class PayloadFault
{
    // The limit of System.Text.Json's serializer.
    private const int MaxDepth = 64;

    // A path of dozens of names helps nobody.
    private const int LongestPath = 3;

    /// <summary>The first such fault, as a sentence about its field; null when there is none, or the bytes are not JSON.</summary>
    public static string? Find(ReadOnlySpan<byte> payload)
    {
        // One level deeper than the serializer reads, to find out where that begins.
        var reader = new Utf8JsonReader(payload, new JsonReaderOptions { MaxDepth = MaxDepth + 1 });
        var path = new List<Step>();
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.EndObject or JsonTokenType.EndArray)
                {
                    path.RemoveAt(path.Count - 1);
                    continue;
                }
                if (reader.TokenType == JsonTokenType.PropertyName)
                {
                    if (Fault(ref reader, out var name) is { } broken)
                        return $"a name in {Path(path[..^1])} {broken}";
                    path[^1] = new(name, 0);
                    continue;
                }
                if (path.Count > 0 && path[^1].Name is null)
                    path[^1] = new(null, path[^1].Number + 1);
                if (reader.TokenType == JsonTokenType.String && Fault(ref reader, out _) is { } fault)
                    return $"{Path(path)} {fault}";
                if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
                {
                    if (path.Count == MaxDepth)
                        return $"{Path(path[..LongestPath])} is nested too deeply: an event has {MaxDepth} levels at most";
                    path.Add(new(reader.TokenType == JsonTokenType.StartObject ? "" : null, -1));
                }
            }
        }
        catch (JsonException)
        {
            // Not JSON: the caller has the better message.
        }
        return null;
    }

    private static string? Fault(ref Utf8JsonReader reader, out string? text)
    {
        try
        {
            text = reader.GetString();
            return null;
        }
        catch (InvalidOperationException e)
        {
            text = null;
            return e.InnerException is DecoderFallbackException
                ? "is not UTF-8"
                : "holds an unpaired surrogate, such as \\ud800 alone, which is not a character";
        }
    }

    private static string Path(List<Step> path)
    {
        var text = new StringBuilder();
        foreach (var (name, number) in path)
            if (name is null)
                text.Append('[').Append(number).Append(']');
            else
                text.Append(text.Length > 0 ? "." : "").Append(name);
        return text.Length > 0 ? text.ToString() : "the event";
    }

    /// <summary>A step of the path: a name in an object, or an index in an array.</summary>
    private readonly record struct Step(string? Name, int Number);
}
