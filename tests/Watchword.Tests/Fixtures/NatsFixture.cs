using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Watchword.Events.JetStream;
using Watchword.Tests;

[assembly: AssemblyFixture(typeof(NatsFixture))]

namespace Watchword.Tests;

/// <summary>One nats-server for all tests. Each takes an account of its own, so that no two ever see the same stream.</summary>
public sealed class NatsFixture : IAsyncLifetime
{
    private const int Accounts = 1000;

    private readonly NatsServer _server = new(Config());
    private int _taken;

    public async ValueTask InitializeAsync() => await _server.StartAsync();

    public async ValueTask DisposeAsync() => await _server.DisposeAsync();

    /// <summary>An account that no other test has or will get.</summary>
    public NatsAccount TakeAccount()
    {
        var number = Interlocked.Increment(ref _taken);
        return number <= Accounts
            ? new NatsAccount(_server.Port, "u" + number.ToString(CultureInfo.InvariantCulture), "p" + number.ToString(CultureInfo.InvariantCulture))
            : throw new InvalidOperationException($"All {Accounts} accounts are taken; raise their number.");
    }

    private static string Config()
    {
        var text = new StringBuilder("accounts {\n");
        for (var i = 1; i <= Accounts; i++)
            text.Append(CultureInfo.InvariantCulture, $"  A{i} {{ jetstream: enabled, users: [ {{ user: u{i}, password: p{i} }} ] }}\n");
        return text.Append("}\n").ToString();
    }
}

/// <summary>An account on the shared server, with JetStream and one user.</summary>
public sealed record NatsAccount(int Port, string User, string Password)
{
    public string Url => string.Create(CultureInfo.InvariantCulture, $"nats://{User}:{Password}@127.0.0.1:{Port}");

    public NatsSettings Settings => new() { Url = Url, Name = "tests" };

    /// <summary>Publishes with headers that no client sends, and a server takes.</summary>
    public async Task PublishRawAsync(string subject, string headers, string payload)
    {
        var ct = TestContext.Current.CancellationToken;
        using var socket = new TcpClient();
        await socket.ConnectAsync("127.0.0.1", Port, ct);
        var (head, body) = (Encoding.UTF8.GetBytes(headers), Encoding.UTF8.GetBytes(payload));
        await using var stream = socket.GetStream();
        await stream.WriteAsync(Encoding.UTF8.GetBytes($$"""CONNECT {"user":"{{User}}","pass":"{{Password}}","headers":true,"verbose":false}""" + $"\r\nHPUB {subject} {head.Length} {head.Length + body.Length}\r\n"), ct);
        await stream.WriteAsync(new byte[][] { head, body, [.. "\r\nPING\r\n"u8] }.SelectMany(b => b).ToArray(), ct);
        using var reader = new StreamReader(stream);
        while (await reader.ReadLineAsync(ct) is { } line && line != "PONG")
            Assert.DoesNotContain("-ERR", line, StringComparison.Ordinal);
    }

    /// <summary>An open connection of this account.</summary>
    public async Task<JetStreamClient> ConnectAsync(CancellationToken ct = default)
    {
        var client = JetStreamClient.Connect(Settings);
        await client.WaitUntilOpenAsync(ct);
        return client;
    }
}
