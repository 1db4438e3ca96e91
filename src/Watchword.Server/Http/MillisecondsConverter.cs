using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Watchword.Server.Http;

/// <summary>Writes times in UTC with milliseconds, as JavaScript's toISOString does.</summary>
internal sealed class MillisecondsConverter : JsonConverter<DateTime>
{
    public override DateTime Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.GetDateTime().ToUniversalTime();

    public override void Write(Utf8JsonWriter writer, DateTime value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
}
