using System.Globalization;
using System.Text;

namespace Watchword.Nats;

/// <summary>The answer to a direct read (ADR-31): the message itself, with its place and time in headers before its own.</summary>
internal static class DirectMessage
{
    private const string Prefix = "Nats-";
    private const string Stream = Prefix + "Stream";
    private const string Subject = Prefix + "Subject";
    private const string Sequence = Prefix + "Sequence";
    private const string Time = Prefix + "Time-Stamp";

    /// <summary>Null when there is no such message.</summary>
    /// <exception cref="NatsException">The server refused.</exception>
    public static StoredMessage? Read(NatsMessage answer)
    {
        var headers = answer.Headers;
        if (headers is { Status: 404 })
            return null;
        if (headers is { Status: > 0 })
            throw new JetStreamApiException(headers.Status, 0, headers.StatusText);
        if (headers?[Subject] is not { } subject
            || !ulong.TryParse(headers[Sequence], CultureInfo.InvariantCulture, out var sequence)
            || !DateTimeOffset.TryParse(Ticks(headers[Time]), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
            throw new NatsProtocolException("The answer to a direct read lacks the message's place in the stream.");
        return new StoredMessage
        {
            Subject = subject,
            Sequence = sequence,
            Timestamp = time,
            Headers = Own(headers),
            Payload = answer.Payload,
        };
    }

    /// <summary>A time without the digits that are finer than a tick: parsing would round them up, and every other way to read the time cuts them off.</summary>
    private static string? Ticks(string? time)
    {
        if (time?.IndexOf('.', StringComparison.Ordinal) is not (> 0 and var dot))
            return time;
        var end = dot + 1;
        while (end < time.Length && char.IsAsciiDigit(time[end]))
            end++;
        return string.Concat(time.AsSpan(0, Math.Min(end, dot + 8)), time.AsSpan(end));
    }

    /// <summary>What the publisher gave, without what the server added for the journey.</summary>
    private static NatsHeaders? Own(NatsHeaders all)
    {
        NatsHeaders? own = null;
        var reader = HeaderBlock.Read(all.Encoded);
        while (reader.MoveNext())
        {
            var name = Encoding.UTF8.GetString(reader.Name);
            if (name is not (Stream or Subject or Sequence or Time))
                (own ??= new NatsHeaders()).Add(name, reader.Value);
        }

        return own;
    }
}
