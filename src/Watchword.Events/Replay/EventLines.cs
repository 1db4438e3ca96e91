using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Events.Replay;

/// <summary>Writes events as lines of JSON (NDJSON).</summary>
/// <param name="stream">Where to; it stays open.</param>
public sealed class EventLines(Stream stream) : IDisposable
{
    private const int FlushAt = 64 * 1024;

    // For people and their tools: only what JSON demands is escaped.
    private static readonly JsonWriterOptions Form = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly ArrayBufferWriter<byte> _buffer = new(FlushAt * 2);
    private readonly Utf8JsonWriter _json = new(Stream.Null, Form);

    /// <summary>Adds a line; it is written when enough have come, or at <see cref="FlushAsync"/>.</summary>
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

    /// <summary>Writes what has gathered.</summary>
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
        else if (payload.AsSpan().ContainsAny("\r\n"u8))
        {
            // Between tokens alone, where JSON allows them and a line does not.
            var line = (byte[])payload.Clone();
            line.AsSpan().Replace((byte)'\r', (byte)' ');
            line.AsSpan().Replace((byte)'\n', (byte)' ');
            _json.WritePropertyName("event");
            _json.WriteRawValue(line, skipInputValidation: true);
        }
        else
        {
            _json.WritePropertyName("event");
            _json.WriteRawValue(payload, skipInputValidation: true);
        }
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
