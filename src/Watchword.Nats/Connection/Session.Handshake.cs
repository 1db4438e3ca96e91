using System.Buffers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Watchword.Nats;

/// <content>From the first packet to the server's yes.</content>
internal sealed partial class Session
{
    /// <summary>Connects and shakes hands: INFO, CONNECT + PING, PONG.</summary>
    /// <exception cref="NatsException">The server spoke and we cannot go on.</exception>
    /// <exception cref="IOException">The server left.</exception>
    public static async Task<Session> OpenAsync(NatsConnection owner, ServerAddress server, CancellationToken ct)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        Session? session = null;
        try
        {
            await socket.ConnectAsync(server.Host, server.Port, ct);
            session = new Session(owner, server, new NetworkStream(socket, ownsSocket: true));
            await session.HandshakeAsync(ct);
            return session;
        }
        catch
        {
            socket.Dispose();
            if (session is not null)
            {
                await session.DisposeAsync();
                await session.ReleaseAsync();
            }

            throw;
        }
    }

    private async Task HandshakeAsync(CancellationToken ct)
    {
        var asked = false;
        while (true)
        {
            var read = await _reader.ReadAsync(ct);
            var buffer = read.Buffer;
            var (wanted, open) = Greet(ref buffer, asked);
            _reader.AdvanceTo(buffer.Start, buffer.End);
            if (open)
                return;
            if (wanted is not null)
            {
                asked = true;
                await _stream.WriteAsync(wanted, ct);
            }
            else if (read.IsCompleted)
            {
                throw new EndOfStreamException("The server closed the connection during the handshake.");
            }
        }
    }

    /// <summary>Takes what has arrived during the handshake; gives what to send, and whether the server said yes.</summary>
    private (byte[]? Send, bool Open) Greet(ref ReadOnlySequence<byte> buffer, bool asked)
    {
        byte[]? send = null;
        while (_parser.TryRead(ref buffer, out var frame))
        {
            switch (frame.Kind)
            {
                case FrameKind.Info:
                    TakeInfo(frame.Text);
                    if (Info.TlsRequired)
                        throw new NatsConnectException("The server requires TLS, which is not supported yet.", isTransient: false);
                    if (!asked && send is null)
                        send = [.. Connect().Encode(), .. ProtocolWriter.Ping];
                    break;
                case FrameKind.Pong when _info is not null:
                    return (null, true);
                case FrameKind.Ok or FrameKind.Ping:
                    break;
                case FrameKind.Error:
                    throw Refused(Encoding.UTF8.GetString(frame.Text));
                default:
                    throw new NatsProtocolException("The server did not begin with INFO; is this a NATS server?");
            }
        }

        return (send, false);
    }

    private ConnectCommand Connect() => new()
    {
        Name = _owner.Options.Name,
        User = Server.User,
        Pass = Server.Password,
        AuthToken = Server.Token,
    };

    private NatsConnectException Refused(string text)
    {
        var kind = ServerError.Classify(text);
        if (kind != ServerErrorKind.Authentication)
            return new NatsConnectException($"{Server} refused the connection: {text}.", kind is ServerErrorKind.Limit or ServerErrorKind.Reconnect);
        var who = Server switch
        {
            { User: { } user } => $"user '{user}'",
            { Token: not null } => "the configured token",
            _ => "no credentials, but it wants some",
        };
        return new NatsConnectException($"{Server} refused the connection: {text} (tried with {who}).", isTransient: false)
        {
            IsAuthentication = true,
        };
    }

    private void TakeInfo(ReadOnlySpan<byte> json)
    {
        try
        {
            _info = JsonSerializer.Deserialize(json, ProtocolJson.Default.ServerInfo)
                ?? throw new NatsProtocolException("The server sent an empty INFO.");
        }
        catch (JsonException e)
        {
            throw new NatsProtocolException("The server sent an INFO that is not JSON.", e);
        }
    }
}
