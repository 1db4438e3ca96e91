using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Watchword.Tests.Samples;

/// <summary>The other side of mails by SMTP (RFC 5321). Knows every password, and refuses recipients that begin with "bad".</summary>
internal sealed class SmtpServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly long _began = Environment.TickCount64;
    private readonly Task _accepting;

    public SmtpServer()
    {
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>So long it turns everybody away.</summary>
    public TimeSpan RefusesFor { get; init; }

    /// <summary>The first connection hears nothing.</summary>
    public bool IsSilentAtFirst { get; init; }

    /// <summary>What clients said, line by line.</summary>
    public ConcurrentQueue<string> Said { get; } = [];

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        for (var isFirst = true; ; isFirst = false)
            await ReceiveAsync(await _listener.AcceptTcpClientAsync(_stop.Token), isFirst);
    }

    private async Task ReceiveAsync(TcpClient accepted, bool isFirst)
    {
        using var client = accepted;
        using var reader = new StreamReader(client.GetStream());
        await using var writer = new StreamWriter(client.GetStream()) { NewLine = "\r\n", AutoFlush = true };
        if (isFirst && IsSilentAtFirst)
        {
            await reader.ReadToEndAsync(_stop.Token);
            return;
        }
        var isAway = Environment.TickCount64 - _began < RefusesFor.TotalMilliseconds;
        await writer.WriteLineAsync(isAway ? "421 not now" : "220 ready");
        if (isAway)
            return;
        for (var inData = false; await reader.ReadLineAsync(_stop.Token) is { } line;)
        {
            Said.Enqueue(line);
            var answer = inData ? (line == "." ? "250 taken" : null) : line.Split(' ')[0].ToUpperInvariant() switch
            {
                "EHLO" => "250-here\r\n250 AUTH LOGIN",
                "AUTH" => "334 UGFzc3dvcmQ6",
                "RCPT" when line.Contains("<bad", StringComparison.Ordinal) => "550 nobody here of that name",
                "MAIL" or "RCPT" or "RSET" => "250 fine",
                "DATA" => "354 go on",
                "QUIT" => "221 bye",
                _ => "235 known",   // the password
            };
            inData = answer is "354 go on" || (inData && line != ".");
            if (answer is not null)
                await writer.WriteLineAsync(answer);
            if (answer is "221 bye")
                return;
        }
    }
}
