using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using NATS.Client.Core;

namespace Watchword.Events.Replay;

/// <summary>Writes events as lines of JSON (NDJSON).</summary>
/// <param name="stream">The lines are written here; it stays open.</param>
public sealed class EventLines(Stream stream) : IDisposable
{
    private const int FlushAt = 64 * 1024;

    // People read it too: only what JSON demands is escaped.
    private static readonly JsonWriterOptions Form = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly ArrayBufferWriter<byte> _buffer = new(FlushAt * 2);
    private readonly Utf8JsonWriter _json = new(Stream.Null, Form);

    /// <summary>Adds a line. It is written when 64 KiB are buffered, or by <see cref="FlushAsync"/>.</summary>
    public ValueTask WriteAsync(in ReplayEvent e, CancellationToken ct = default)
    {
        _json.Reset(_buffer);
        _json.WriteStartObject();
        _json.WriteString("stream", e.Stream);
        _json.WriteNumber("sequence", e.Sequence);
        _json.WriteString("subject", e.Subject);
        _json.WriteString("id", e.Id);
        _json.WriteString("key", e.Key);
        _json.WriteString("time", e.Time.UtcDateTime);
        WriteHeaders(e.Headers);
        WriteBody(e.Payload);
        _json.WriteEndObject();
        _json.Flush();
        _buffer.Write("\n"u8);
        return _buffer.WrittenCount < FlushAt ? default : FlushAsync(ct);
    }

    /// <summary>Writes the buffered lines.</summary>
    public async ValueTask FlushAsync(CancellationToken ct = default)
    {
        await stream.WriteAsync(_buffer.WrittenMemory, ct);
        await stream.FlushAsync(ct);
        _buffer.ResetWrittenCount();
    }

    /// <inheritdoc/>
    public void Dispose() => _json.Dispose();

    private void WriteHeaders(NatsHeaders? headers)
    {
        _json.WriteStartObject("headers");
        if (headers is not null)
        {
            foreach (var (name, values) in headers)
            {
                if (values.Count == 1)
                {
                    _json.WriteString(name, values[0]);
                    continue;
                }
                _json.WriteStartArray(name);
                foreach (var value in values)
                    _json.WriteStringValue(value);
                _json.WriteEndArray();
            }
        }
        _json.WriteEndObject();
    }

    private void WriteBody(byte[] payload)
    {
        if (!IsJson(payload))
        {
            _json.WriteBase64String("base64", payload);
        }
        else
        {
            _json.WritePropertyName("event");
            _json.WriteRawValue(OneLine(payload), skipInputValidation: true);
        }
    }

    // JSON allows line breaks only between tokens, where blanks mean the same.
    private static byte[] OneLine(byte[] json)
    {
        if (!json.AsSpan().ContainsAny("\r\n"u8))
            return json;
        var line = (byte[])json.Clone();
        line.AsSpan().Replace((byte)'\r', (byte)' ');
        line.AsSpan().Replace((byte)'\n', (byte)' ');
        return line;
    }

    private static bool IsJson(ReadOnlySpan<byte> payload)
    {
        if (!Utf8.IsValid(payload))
            return false;
        try
        {
            var reader = new Utf8JsonReader(payload);
            var any = false;
            while (reader.Read())
                any = true;
            return any;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
