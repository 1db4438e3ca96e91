using System.Buffers;
using System.Text.Json;

namespace Watchword.Nats;

/// <summary>A stream's word that it has a message. (Not that it is on disk: nats-server syncs every two minutes by default.)</summary>
/// <param name="Stream">The stream.</param>
/// <param name="Sequence">The message's place in it.</param>
/// <param name="Duplicate">The stream had it already under the same Nats-Msg-Id; <paramref name="Sequence"/> is that one's.</param>
public readonly record struct PublishAck(string Stream, ulong Sequence, bool Duplicate);

/// <summary>Reads acks without making strings: the stream's name is the same each time. For one thread at a time.</summary>
internal sealed class PublishAckReader
{
    private string _stream = "";

    /// <exception cref="JetStreamApiException">The stream refused the message.</exception>
    /// <exception cref="NatsProtocolException">It is not an ack.</exception>
    public PublishAck Read(in ReadOnlySequence<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        var (sequence, duplicate, known) = (0UL, false, false);
        try
        {
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("error"u8))
                    throw JetStreamApi.ReadError(json);
                if (reader.ValueTextEquals("stream"u8))
                {
                    reader.Read();
                    known = true;
                    if (!reader.ValueTextEquals(_stream))
                        _stream = string.Intern(reader.GetString() ?? "");
                }
                else if (reader.ValueTextEquals("seq"u8))
                {
                    reader.Read();
                    sequence = reader.GetUInt64();
                }
                else if (reader.ValueTextEquals("duplicate"u8))
                {
                    reader.Read();
                    duplicate = reader.GetBoolean();
                }
                else
                {
                    reader.Skip();
                }
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw new NatsProtocolException("The answer to a publish is not an ack of JetStream.", e);
        }

        return known ? new PublishAck(_stream, sequence, duplicate) : throw new NatsProtocolException("The answer to a publish is not an ack of JetStream.");
    }
}
