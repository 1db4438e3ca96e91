using System.Globalization;
using System.Text;

namespace Watchword.Tests;

/// <summary>
/// One thing said between a NATS client and a server, in either direction. It is read by these few lines alone and not
/// by the client's own parser, so that a fault there cannot hide itself.
/// </summary>
internal sealed record WireFrame(byte[] Bytes, string Line)
{
    private readonly string[] _words = Line.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>INFO, CONNECT, PING, PONG, +OK, -ERR, SUB, UNSUB, PUB, HPUB, MSG or HMSG.</summary>
    public string Verb => _words[0].ToUpperInvariant();

    public string Subject => _words.Length > 1 ? _words[1] : "";

    /// <summary>The number of the subscription in SUB, UNSUB, MSG and HMSG.</summary>
    public string Sid => Verb switch { "SUB" => _words[^1], "UNSUB" => _words[1], "MSG" or "HMSG" => _words[2], _ => "" };

    /// <summary>Where an answer is wanted; empty where none is.</summary>
    public string ReplyTo => Verb switch
    {
        "PUB" when _words.Length == 4 => _words[2],
        "HPUB" when _words.Length == 5 => _words[2],
        "MSG" when _words.Length == 5 => _words[3],
        "HMSG" when _words.Length == 6 => _words[3],
        _ => "",
    };

    public string Headers => Encoding.UTF8.GetString(Bytes, Line.Length + 2, HeaderLength);

    public string Payload => CarriesPayload ? Encoding.UTF8.GetString(Bytes.AsSpan((Line.Length + 2 + HeaderLength)..^2)) : "";

    /// <summary>Which connection it was seen on, from 1.</summary>
    public int Connection { get; init; }

    /// <summary>The how-many-th of its verb and direction, over all connections, from 1.</summary>
    public int Nth { get; init; }

    public bool FromServer { get; init; }

    private bool CarriesPayload => Verb is "PUB" or "HPUB" or "MSG" or "HMSG";

    private int HeaderLength => Verb is "HPUB" or "HMSG" ? Number(_words[^2]) : 0;

    /// <summary>How many bytes follow the line.</summary>
    private int BodyLength => CarriesPayload ? Number(_words[^1]) + 2 : 0;

    /// <summary>The first frame in these bytes; null when it is not all there.</summary>
    public static WireFrame? Read(ReadOnlySpan<byte> bytes)
    {
        var end = bytes.IndexOf("\r\n"u8);
        if (end < 0)
            return null;
        var frame = new WireFrame([], Encoding.Latin1.GetString(bytes[..end]));
        var length = end + 2 + frame.BodyLength;
        return length <= bytes.Length ? frame with { Bytes = bytes[..length].ToArray() } : null;
    }

    public override string ToString() => $"{(FromServer ? "S" : "C")}{Connection}: {Line}";

    private static int Number(string word) => int.Parse(word, CultureInfo.InvariantCulture);
}

/// <summary>Takes frame after frame off a connection.</summary>
internal sealed class WireReader(Stream stream)
{
    private byte[] _buffer = new byte[16 * 1024];
    private int _start;
    private int _end;

    /// <summary>The next frame; null when the other side is through.</summary>
    public async Task<WireFrame?> ReadAsync()
    {
        while (true)
        {
            if (WireFrame.Read(_buffer.AsSpan(_start, _end - _start)) is { } frame)
            {
                _start += frame.Bytes.Length;
                return frame;
            }

            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
            if (_end == _buffer.Length)
                Array.Resize(ref _buffer, _buffer.Length * 2);
            var read = await stream.ReadAsync(_buffer.AsMemory(_end));
            if (read == 0)
                return null;
            _end += read;
        }
    }
}
