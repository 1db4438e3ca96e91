using System.Net;
using System.Net.Sockets;
using Watchword.Server.Local;

namespace Watchword.Tests.Local;

public sealed class NatsPortTests : IDisposable
{
    private readonly EngineRoom _room = new();
    private readonly TcpListener _other = new(IPAddress.Loopback, Ports.Any());

    private int Taken => ((IPEndPoint)_other.LocalEndpoint).Port;

    public void Dispose()
    {
        _other.Dispose();
        _room.Dispose();
    }

    [Fact]
    public async Task The_next_free_port_is_used_when_the_usual_one_is_taken()
    {
        _other.Start();

        await using var engines = await _room.StartAsync(_room.NatsOnly with { NatsPort = Taken });

        Assert.True(new Uri(engines.NatsUrl!).Port > Taken);
        await EngineRoom.ConnectAsync(engines.NatsUrl);
        Assert.Null(engines.DatabaseUrl);
        Assert.Null(engines.PostgresPid);
    }

    [Fact]
    public async Task A_port_that_was_asked_for_and_is_taken_is_an_error()
    {
        _other.Start();

        var error = await _room.FailsAsync(_room.NatsOnly with { NatsPort = Taken, NatsPortAsked = true });

        Assert.Contains($"NATS_PORT asks for port {Taken}, which another program has taken", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_engine_whose_port_was_taken_while_it_was_down_moves_to_another()
    {
        await using var engines = await _room.StartAsync(_room.NatsOnly);
        var (url, pid) = (engines.NatsUrl, engines.NatsPid!.Value);
        using var thief = new TcpListener(IPAddress.Loopback, new Uri(url!).Port);

        await EngineRoom.UntilChangedAsync(engines, () =>
        {
            Native.Signal(pid, Native.SigKill);
            while (!TryStart(thief))
                Thread.Yield();
        });

        Assert.NotEqual(url, engines.NatsUrl);
        await EngineRoom.ConnectAsync(engines.NatsUrl);
    }

    private static bool TryStart(TcpListener listener)
    {
        try
        {
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
