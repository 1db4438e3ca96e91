using System.Net;
using System.Text;
using Watchword.Tests.Tokens;

namespace Watchword.Tests.Http;

/// <summary>Bodies that are not a JSON object of at most 64 KiB.</summary>
public class BadBodyTests(ServerFixture fixture)
{
    private static readonly string[] Endpoints = ["/auth/register", "/auth/login", "/auth/refresh"];

    public static IEnumerable<byte[]> NotAnObject()
    {
        foreach (var text in (string[])["", " ", "[]", "null", "7", "\"x\"", "true", "{", "}", "{]", "{\"a\"}", "{\"a\":}", "{'a':1}", "{a:1}", "{\"a\":1,}", "{} {}", "{}x",
            "// c\n{}", "NaN", "{\"a\":01}", "{\"a\":\"\n\"}", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}", "<xml/>", "email=a@b.example&password=password123", "\0", "{\"a\":\"\0\"}",
            "{\"\\ud800\":1}", "{\"emai\\ud800\":1,\"email\":\"a@b.example\"}",
            string.Concat(Enumerable.Repeat("{\"a\":", 65)) + "1" + new string('}', 65), new('[', 60_000), string.Concat(Enumerable.Repeat("{\"a\":", 12_000))])
            yield return Encoding.UTF8.GetBytes(text);
        yield return [0xEF, 0xBB, 0xBF];
        yield return [0xFF, 0xFE, (byte)'{', 0, (byte)'}', 0];
        yield return [(byte)'{', (byte)'"', 0xC3, (byte)'"', (byte)':', (byte)'1', (byte)'}'];
        yield return [0x1F, 0x8B, 8, 0, 0, 0];
        yield return [.. Enumerable.Range(0, 256).Select(i => (byte)i)];
    }

    [Fact]
    public async Task A_body_that_is_not_a_JSON_object_is_400()
    {
        var server = await fixture.StartedAsync();
        foreach (var endpoint in Endpoints)
            foreach (var body in NotAnObject())
            {
                var answer = await server.SendAsync(HttpMethod.Post, endpoint, TokenApiCalls.JsonContent(body));
                Assert.True(answer.Status == HttpStatusCode.BadRequest && answer.Message.StartsWith("Invalid input: ", StringComparison.Ordinal),
                    $"{endpoint} {Convert.ToHexString(body[..Math.Min(body.Length, 40)])}: {answer.Status} {answer.Text}");
            }
    }

    [Fact]
    public async Task A_field_that_is_not_UTF_8_is_named()
    {
        var server = await fixture.StartedAsync();
        byte[] body = [.. "{\"email\":\"a@b.example\",\"password\":\"passw"u8, 0xC3, .. "rd123\"}"u8];
        var answer = await server.SendAsync(HttpMethod.Post, "/auth/login", TokenApiCalls.JsonContent(body));
        answer.AssertRefused(HttpStatusCode.BadRequest, "Bad Request", "Invalid input: password must be valid Unicode");
    }

    [Theory]
    [InlineData(null)]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("application/jsonp")]
    [InlineData("garbage")]
    [InlineData("application/json/json")]
    public async Task Another_content_type_is_415(string? type)
    {
        var server = await fixture.StartedAsync();
        foreach (var endpoint in Endpoints)
        {
            using var content = new ByteArrayContent("{}"u8.ToArray());
            if (type is not null)
                content.Headers.TryAddWithoutValidation("Content-Type", type);
            var answer = await server.SendAsync(HttpMethod.Post, endpoint, content);
            Assert.Equal((HttpStatusCode.UnsupportedMediaType, "Unsupported Media Type"), (answer.Status, answer.Json.GetProperty("error").GetString()));
        }
    }

    [Fact]
    public async Task A_body_of_64_KiB_is_read_and_one_byte_more_is_413_also_when_chunked()
    {
        var server = await fixture.StartedAsync();
        foreach (var endpoint in Endpoints)
        {
            var fits = "{}" + new string(' ', 64 * 1024 - 2);
            Assert.Equal(HttpStatusCode.BadRequest, (await server.PostTextAsync(endpoint, fits)).Status);
            AssertTooLarge(await server.PostTextAsync(endpoint, fits + " "));

            var chunked = await RawHttp.PostAsync(server.Port, endpoint, "Transfer-Encoding: chunked\r\n",
                Encoding.ASCII.GetBytes($"10001\r\n{fits} \r\n0\r\n\r\n"), withLength: false);
            Assert.True(chunked.Status == 413 && chunked.Text.Contains("larger than 64 KiB", StringComparison.Ordinal), chunked.Text);
        }
    }

    [Fact]
    public async Task A_body_of_megabytes_is_413_and_the_client_receives_the_answer()
    {
        var server = await fixture.StartedAsync();
        foreach (var endpoint in (string[])[.. Endpoints, "/auth/logout", "/auth/unknown"])
            for (var i = 0; i < 10; i++)
            {
                var answer = await RawHttp.PostAsync(server.Port, endpoint, "", new byte[2 << 20]);
                Assert.True(answer.Status == 413 && answer.Text.Contains("\"error\":\"", StringComparison.Ordinal), answer.Text);
            }
    }

    [Theory]
    [InlineData("Content-Length: -1\r\n")]
    [InlineData("Content-Length: 99999999999999999999\r\n")]
    [InlineData("Content-Length: x\r\n")]
    [InlineData("Content-Length: 2\r\nContent-Length: 3\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n")]
    [InlineData("Transfer-Encoding: gzip\r\n")]
    public async Task A_wrong_content_length_is_a_client_error(string headers)
    {
        var server = await fixture.StartedAsync();
        var answer = await RawHttp.PostAsync(server.Port, "/auth/login", headers, "{}"u8.ToArray(), withLength: false);
        Assert.InRange(answer.Status, 400, 499);
    }

    private static void AssertTooLarge(Answer answer) =>
        Assert.Equal((HttpStatusCode.RequestEntityTooLarge, "The body is larger than 64 KiB"), (answer.Status, answer.Message));
}
