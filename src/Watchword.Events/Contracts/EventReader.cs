using System.Text.Json;

namespace Watchword.Events.Contracts;

/// <summary>Reads the bytes of an event into its record.</summary>
public static class EventReader
{
    /// <summary>Reads an event. When it cannot be read, <paramref name="fault"/> says why, and names the field.</summary>
    public static object? Read(EventType type, ReadOnlySpan<byte> payload, out string fault)
    {
        try
        {
            fault = "";
            return JsonSerializer.Deserialize(payload, type.Json) ?? throw new JsonException("the event is null");
        }
        catch (JsonException e)
        {
            fault = e.Message;
            return null;
        }
    }
}
