using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Watchword.Tests.Tokens;

namespace Watchword.Tests.Http;

/// <summary>No input yields a 500: hundreds of random bodies, headers, paths and tokens.</summary>
public class FuzzTests(ServerFixture fixture)
{
    private const string Valid = """{"email":"EMAIL","password":"password123","name":"Ada","refreshToken":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}""";

    private static readonly string[] Pieces =
        ["\"", "\\", "{", "}", "[", "]", ":", ",", "\\u0000", "\\ud800", "\\udfff", "\0", "é", "😀", "\u202E", "null", "1e999", "-", "\r\n", "'", "--", "%00", "../", "\uFEFF", "\uFFFF", "true", " "];

    private static Gen<string> Text =>
        Gen.Choose(0, 12).SelectMany(n => Gen.ArrayOf(Gen.OneOf(Gen.Elements(Pieces), Gen.Choose(0, 0xD7FF).Select(c => ((char)c).ToString())), n)).Select(string.Concat);

    /// <summary>A valid body with some bytes replaced, doubled or removed, or with other text inserted.</summary>
    private static Gen<byte[]> Mutated =>
        from cuts in Gen.Choose(1, 4).SelectMany(n => Gen.ArrayOf(Gen.Choose(0, 999), n))
        from what in Gen.Choose(0, 3)
        from text in Text
        select cuts.Aggregate(Encoding.UTF8.GetBytes(Valid), (body, cut) => Mutate(body, body.Length == 0 ? 0 : cut % body.Length, what, Encoding.UTF8.GetBytes(text)));

    private static Gen<byte[]> Bytes => Gen.Choose(0, 200).SelectMany(n => Gen.ArrayOf(Gen.Choose(0, 255).Select(b => (byte)b), n));

    private static Gen<byte[]> Fields =>
        from names in Gen.ArrayOf(Gen.OneOf(Gen.Elements("email", "password", "name", "refreshToken"), Text), 4)
        from values in Gen.ArrayOf(Text, 4)
        select Encoding.UTF8.GetBytes("{" + string.Join(',', names.Zip(values, (n, v) => $"\"{n}\":\"{v}\"")) + "}");

    [Theory]
    [InlineData("POST", "/auth/register")]
    [InlineData("POST", "/auth/login")]
    [InlineData("POST", "/auth/refresh")]
    [InlineData("POST", "/auth/logout")]
    [InlineData("GET", "/auth/me")]
    public async Task No_body_yields_a_500(string method, string path)
    {
        var server = await fixture.StartedAsync();
        foreach (var body in Gen.OneOf(Mutated, Bytes, Fields).Sample(250))
        {
            var answer = await server.SendAsync(new(method), path, TokenApiCalls.JsonContent(body));
            Assert.True((int)answer.Status < 500, $"{path} {Convert.ToBase64String(body)}: {answer.Status} {answer.Text}");
        }
    }

    [Fact]
    public async Task No_header_yields_a_500()
    {
        var server = await fixture.StartedAsync();
        var headers = Gen.Elements("Authorization: ", "Authorization: Bearer ", "X-Correlation-Id: ", "X-Forwarded-For: ", "X-Forwarded-Proto: ", "traceparent: ", "tracestate: ",
            "baggage: ", "User-Agent: ", "Content-Type: ", "Accept: ", "Host: ", "Expect: ", "Cookie: ", "");
        foreach (var header in headers.SelectMany(name => Text.Select(text => name + text)).Sample(300))
        {
            var (status, text) = await RawHttp.MeAsync(server.Port, header + "\r\n");
            Assert.True(status is >= 400 and < 500, $"{Convert.ToBase64String(Encoding.UTF8.GetBytes(header))}: {text}");
        }
    }

    [Fact]
    public async Task No_path_yields_a_500()
    {
        var server = await fixture.StartedAsync();
        foreach (var path in Text.Select(text => text.Replace(' ', '+').ReplaceLineEndings("~")).Sample(300))   // they end a path
        {
            var (status, text) = await RawHttp.SendAsync(server.Port, Encoding.UTF8.GetBytes($"GET /auth/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
            Assert.True(status is >= 400 and < 500, $"{Convert.ToBase64String(Encoding.UTF8.GetBytes(path))}: {text}");
        }
    }

    [Fact]
    public async Task Garbage_in_signed_tokens_yields_no_500()
    {
        var server = await fixture.StartedAsync();
        foreach (var (header, payload) in Text.SelectMany(h => Text.Select(p => (h, p))).Sample(200))
            foreach (var token in (string[])[TokenFixture.Forge(TokenFixture.Header, payload, ServerProcess.Secret), TokenFixture.Forge(header, payload, ServerProcess.Secret)])
                Assert.Equal(401, (int)(await server.MeAsync(token)).Status);
    }

    private static byte[] Mutate(byte[] body, int at, int what, byte[] text) => what switch
    {
        0 => [.. body[..at], .. body.Skip(at + 1), (byte)'}'],
        1 => [.. body[..at], .. text, .. body[at..]],
        2 => [.. body[..at], .. body[at..], .. body[at..]],
        _ => [.. body[..at], .. text],
    };
}
