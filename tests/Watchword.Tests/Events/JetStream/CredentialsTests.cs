using System.Text.Json;
using Watchword.Events.JetStream;

namespace Watchword.Tests.Events.JetStream;

/// <summary>Credentials that are refused, and mended while the client runs.</summary>
public sealed class CredentialsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("watchword-creds-").FullName;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_credentials_file_is_read_again_at_each_connection()
    {
        var made = JsonDocument.Parse(await Node.RunAsync("jwt.mjs")).RootElement;
        var file = Path.Combine(_folder, "user.creds");
        await using var server = new NatsServer(made.GetProperty("config").GetString()!, jetStream: false);
        await server.StartAsync();

        await WriteAsync("strangerCreds");
        using var logs = new LogCapture();
        await using var client = JetStreamClient.Connect(new() { Url = server.Url, CredentialsFile = file }, logs);
        await RefusedAsync(client);
        await WriteAsync("creds");
        await OpenAsync(client);

        await WriteAsync("strangerCreds");
        await server.RestartAsync();
        await RefusedAsync(client);
        await WriteAsync("creds");
        await OpenAsync(client);

        Task WriteAsync(string name) => File.WriteAllTextAsync(file, made.GetProperty(name).GetString()!, Ct);
    }

    [Fact]
    public async Task A_refused_password_is_told_without_showing_it()
    {
        await using var server = new NatsServer("authorization { user: u, password: right }");
        await server.StartAsync();
        using var logs = new LogCapture();
        await using var client = JetStreamClient.Connect(new() { Url = server.UrlOf("u", "wrong") }, logs);

        await RefusedAsync(client);

        var away = await Assert.ThrowsAsync<NatsAwayException>(() => client.FindStreamAsync("s", Ct));
        Assert.Contains("refused the credentials", away.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("wrong", away.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(logs.All, l => l.Text.Contains("wrong", StringComparison.Ordinal));
        Assert.Single(logs.All, l => l.Text.Contains("refused the credentials", StringComparison.Ordinal));   // not at each attempt
    }

    private static Task RefusedAsync(JetStreamClient client) =>
        Eventually.TrueAsync(() => ConnectionLog.Of(client.Connection)!.LastFailure is { } why && why.StartsWith("the server refused the credentials: ", StringComparison.Ordinal));

    private static async Task OpenAsync(JetStreamClient client)
    {
        await client.WaitUntilOpenAsync(Ct);
        await client.Connection.PingAsync(Ct);
        await Eventually.TrueAsync(() => ConnectionLog.Of(client.Connection)!.LastFailure is null);
    }
}
