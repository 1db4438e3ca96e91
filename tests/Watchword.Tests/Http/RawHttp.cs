using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Watchword.Tests.Tokens;

namespace Watchword.Tests.Http;

/// <summary>Raw HTTP, for requests that HttpClient refuses to send.</summary>
internal static class RawHttp
{
    /// <summary>Sends the bytes and reads the answer until the server closes the connection.</summary>
    public static async Task<(int Status, string Text)> SendAsync(int port, byte[] request)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port, patience.Token);
        var stream = client.GetStream();
        var sending = WriteAsync(stream, request, patience.Token);
        using var answer = new MemoryStream();
        try
        {
            await stream.CopyToAsync(answer, patience.Token);
        }
        catch (IOException) when (answer.Length > 0)
        {
            // The server answered, and closed before it read the rest.
        }
        await sending;
        var text = Encoding.UTF8.GetString(answer.ToArray());
        Assert.StartsWith("HTTP/1.1 ", text, StringComparison.Ordinal);
        return (int.Parse(text.AsSpan(9, 3), CultureInfo.InvariantCulture), text);
    }

    /// <summary>Posts JSON with further header lines, each ending in CRLF.</summary>
    public static Task<(int Status, string Text)> PostAsync(int port, string path, string headers, byte[] body, bool withLength = true) => SendAsync(port,
    [
        .. Encoding.UTF8.GetBytes($"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}"),
        .. Encoding.ASCII.GetBytes((withLength ? $"Content-Length: {body.Length}\r\n" : "") + "\r\n"),
        .. body,
    ]);

    /// <summary>Sends <c>GET /auth/me</c> with these header lines.</summary>
    public static Task<(int Status, string Text)> MeAsync(int port, string headers) =>
        SendAsync(port, Encoding.UTF8.GetBytes($"GET /auth/me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"));

    public static byte[] Login(Person person) => Encoding.UTF8.GetBytes($$"""{"email":"{{person.Email}}","password":"{{person.Password}}"}""");

    private static async Task WriteAsync(NetworkStream stream, byte[] request, CancellationToken ct)
    {
        try
        {
            await stream.WriteAsync(request, ct);
        }
        catch (IOException)
        {
            // The server closed before it read everything.
        }
    }
}
