using System.Text.Json;

namespace Watchword.Events.Contracts;

/// <summary>Finds the <c>data</c> object of an event's body.</summary>
internal static class EventData
{
    /// <summary>Moves a reader to the brace that opens <c>data</c>; false when the body has no such object.</summary>
    /// <exception cref="JsonException">The body is not JSON up to there.</exception>
    public static bool TryEnter(ref Utf8JsonReader json)
    {
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
            return false;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var isData = json.ValueTextEquals("data"u8);
            json.Read();
            if (isData && json.TokenType == JsonTokenType.StartObject)
                return true;
            json.Skip();
        }
        return false;
    }
}
