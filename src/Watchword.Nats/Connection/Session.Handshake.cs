using System.Buffers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Watchword.Nats;

/// <content>From the first packet to the server's yes.</content>
internal sealed partial class Session
{
    /// <summary>Connects and shakes hands: INFO, TLS where either side wants it, CONNECT + PING, PONG.</summary>
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
        var tls = _owner.Options.Tls;
        var (first, secured) = (tls.Mode == NatsTlsMode.First, false);
        if (first)
            secured = await SecureAsync(ct);
        await AwaitAsync(FrameKind.Info, ct);
        var wanted = first || tls.Mode == NatsTlsMode.Require || Server.Tls;
        if (!secured && (wanted || Info.TlsRequired))
        {
            if (!Info.TlsRequired && !Info.TlsAvailable)
                throw new NatsConnectException($"{Server} was refused: it offers plain text only, and TLS is demanded.", isTransient: false);
            if (Info.TlsVerify && tls.CertificateFile is null)
                throw new NatsConnectException($"{Server} wants a client certificate: set Tls.{nameof(NatsTlsOptions.CertificateFile)}.", isTransient: false) { IsAuthentication = true };
            secured = await SecureAsync(ct);
        }

        _credentials = await CredentialsAsync(ct);
        await _stream.WriteAsync((byte[])[.. Connect(secured).Encode(), .. ProtocolWriter.Ping], ct);
        await AwaitAsync(FrameKind.Pong, ct);
    }

    private async Task<bool> SecureAsync(CancellationToken ct)
    {
        // Whatever plain text came after INFO was not written by the server that we are about to verify.
        if (_reader.TryRead(out var rest))
        {
            if (!rest.Buffer.IsEmpty)
                throw new NatsProtocolException("The server sent more plain text before TLS.");
            _reader.AdvanceTo(rest.Buffer.Start);
        }

        await _reader.CompleteAsync();
        _stream = await new TlsUpgrade(_owner.Options.Tls, Server).SecureAsync(_stream, ct);
        _reader = ReaderOf(_stream);
        return true;
    }

    /// <summary>Reads until the server has said what we wait for.</summary>
    private async Task AwaitAsync(FrameKind wanted, CancellationToken ct)
    {
        while (true)
        {
            var read = await _reader.ReadAsync(ct);
            var buffer = read.Buffer;
            var found = Greet(ref buffer, wanted);

            // What follows is for the read loop, which must find it unexamined, or it would wait for more.
            _reader.AdvanceTo(buffer.Start, found ? buffer.Start : buffer.End);
            if (found)
                return;
            if (read.IsCompleted)
                throw new EndOfStreamException("The server closed the connection during the handshake.");
        }
    }

    private bool Greet(ref ReadOnlySequence<byte> buffer, FrameKind wanted)
    {
        while (_parser.TryRead(ref buffer, out var frame))
        {
            switch (frame.Kind)
            {
                case FrameKind.Info:
                    TakeInfo(frame.Text);
                    break;
                case FrameKind.Pong when _info is not null:
                case FrameKind.Ok or FrameKind.Ping:
                    break;
                case FrameKind.Error:
                    throw Refused(Encoding.UTF8.GetString(frame.Text));
                default:
                    throw new NatsProtocolException("The server did not begin with INFO; is this a NATS server?");
            }

            if (frame.Kind == wanted)
                return true;
        }

        return false;
    }

    private async ValueTask<NatsCredentials> CredentialsAsync(CancellationToken ct)
    {
        var options = _owner.Options;
        try
        {
            return Server.Credentials
                ?? (options.CredentialsProvider is { } provider ? await provider(ct) : null)
                ?? (options.CredentialsFile is { } file ? NatsCredentials.FromFile(file) : null)
                ?? new NatsCredentials { User = options.User, Password = options.Password, Token = options.Token, Seed = options.NKeySeed };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            throw new NatsConnectException($"The credentials cannot be read: {e.Message}", isTransient: false, e);
        }
    }

    private ConnectCommand Connect(bool secured)
    {
        var connect = new ConnectCommand
        {
            Name = _owner.Options.Name,
            User = _credentials.User,
            Pass = _credentials.Password,
            AuthToken = _credentials.Token,
            Jwt = _credentials.Jwt,
            TlsRequired = secured,
        };
        if (_credentials.Seed is not { } seed)
            return connect;
        if (Info.Nonce is not { Length: > 0 } nonce)
            throw new NatsConnectException($"{Server} asks for no signature: it is not set up for nkeys or JWTs, but {_credentials} is configured.", isTransient: false) { IsAuthentication = true };
        try
        {
            var key = NKey.FromSeed(seed);
            return connect with { Nkey = connect.Jwt is null ? key.PublicKey : null, Sig = key.SignNonce(nonce) };
        }
        catch (Exception e) when (e is FormatException or PlatformNotSupportedException)
        {
            throw new NatsConnectException(e.Message, isTransient: false, e);
        }
    }

    private NatsConnectException Refused(string text)
    {
        var kind = ServerError.Classify(text);
        return kind == ServerErrorKind.Authentication
            ? new NatsConnectException($"{Server} refused the connection: {text} (tried with {_credentials}).", isTransient: false) { IsAuthentication = true }
            : new NatsConnectException($"{Server} refused the connection: {text}.", kind is ServerErrorKind.Limit or ServerErrorKind.Reconnect);
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
