using System.Text.Json;
using System.Text.Json.Serialization;

namespace Watchword.Nats;

/// <summary>The body of CONNECT: who we are and what we understand.</summary>
internal sealed record ConnectCommand
{
    public bool Verbose { get; init; }

    public bool Pedantic { get; init; }

    public bool Echo { get; init; } = true;

    public string Lang { get; init; } = "dotnet";

    public string Version { get; init; } = "0.1.0";

    /// <summary>1: we take INFO again while connected.</summary>
    public int Protocol { get; init; } = 1;

    public bool Headers { get; init; } = true;

    public bool NoResponders { get; init; } = true;

    public string Name { get; init; } = "";

    public string? User { get; init; }

    public string? Pass { get; init; }

    public string? AuthToken { get; init; }

    public string? Jwt { get; init; }

    public string? Nkey { get; init; }

    /// <summary>The server's nonce, signed; base64url.</summary>
    public string? Sig { get; init; }

    public bool TlsRequired { get; init; }

    /// <summary>CONNECT with its line end.</summary>
    public byte[] Encode() => [.. "CONNECT "u8, .. JsonSerializer.SerializeToUtf8Bytes(this, ProtocolJson.Default.ConnectCommand), .. "\r\n"u8];
}

/// <summary>JSON of the protocol itself, compiled ahead.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ServerInfo))]
[JsonSerializable(typeof(ConnectCommand))]
internal sealed partial class ProtocolJson : JsonSerializerContext;
