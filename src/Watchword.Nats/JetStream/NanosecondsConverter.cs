using System.Text.Json;
using System.Text.Json.Serialization;

namespace Watchword.Nats;

/// <summary>JetStream writes durations as whole nanoseconds; ours are ticks of 100 ns.</summary>
internal sealed class NanosecondsConverter : JsonConverter<TimeSpan>
{
    public override TimeSpan Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        => new(reader.GetInt64() / TimeSpan.NanosecondsPerTick);

    public override void Write(Utf8JsonWriter writer, TimeSpan value, JsonSerializerOptions options)
        => writer.WriteNumberValue(Of(value));

    /// <summary>The longest that fits is about 292 years; what is longer is cut to it.</summary>
    public static long Of(TimeSpan value)
        => value.Ticks > long.MaxValue / TimeSpan.NanosecondsPerTick ? long.MaxValue : value.Ticks * TimeSpan.NanosecondsPerTick;
}
