using System.Collections.Concurrent;
using System.Globalization;

namespace Watchword.Tests;

/// <summary>
/// A way to a nats-server that understands what passes: it can cut, delay, drop, reorder, double and damage single
/// frames, and remembers all that it saw. Its port stays over restarts of the server.
/// </summary>
internal sealed class FrameProxy : IAsyncDisposable
{
    private readonly TcpProxy _way;
    private readonly FrameLog _log = new();
    private readonly ConcurrentDictionary<(bool, string), int> _counts = new();
    private int _connections;

    /// <param name="target">The server's port.</param>
    public FrameProxy(int target) => _way = new(target, CarryAsync);

    public int Port => _way.Port;

    public string Url => string.Create(CultureInfo.InvariantCulture, $"nats://127.0.0.1:{Port}");

    /// <summary>What becomes of a frame from the server; without it all pass.</summary>
    public Func<WireFrame, FrameAction>? OnServerFrame { get; set; }

    /// <summary>What becomes of a frame from the client; without it all pass.</summary>
    public Func<WireFrame, FrameAction>? OnClientFrame { get; set; }

    /// <summary>How many connections there have been.</summary>
    public int Connections => _connections;

    /// <summary>All frames so far, in the order in which they came, whatever became of them.</summary>
    public IReadOnlyList<WireFrame> Seen => _log.All;

    /// <summary>The first frame that is such, past or to come. Fails after 30 s.</summary>
    public Task<WireFrame> SeeAsync(Func<WireFrame, bool> such) => _log.FirstAsync(such);

    /// <summary>Every connection breaks, and new ones are refused.</summary>
    public void Cut() => _way.Cut();

    /// <summary>Every connection breaks; new ones are welcome.</summary>
    public void Break() => _way.Break();

    public void Mend() => _way.Mend();

    public ValueTask DisposeAsync() => _way.DisposeAsync();

    private async Task CarryAsync(Stream client, Stream server)
    {
        var number = Interlocked.Increment(ref _connections);
        await await Task.WhenAny(CarryAsync(server, client, fromServer: true, number), CarryAsync(client, server, fromServer: false, number));
    }

    private async Task CarryAsync(Stream from, Stream to, bool fromServer, int number)
    {
        var reader = new WireReader(from);
        var held = new List<byte[]>();
        while (await reader.ReadAsync() is { } frame)
        {
            frame = frame with
            {
                FromServer = fromServer,
                Connection = number,
                Nth = _counts.AddOrUpdate((fromServer, frame.Verb), 1, static (_, count) => count + 1),
            };
            _log.Add(frame);
            var action = (fromServer ? OnServerFrame : OnClientFrame)?.Invoke(frame) ?? FrameAction.Pass;
            await action.Until;
            if (action.IsHeld)
            {
                held.Add(frame.Bytes);
                continue;
            }

            await to.WriteAsync(action.Change(frame.Bytes));
            if (action.IsCut)
                return;
            foreach (var late in held)
                await to.WriteAsync(late);
            held.Clear();
        }
    }
}

/// <summary>What a <see cref="FrameProxy"/> does with one frame.</summary>
internal sealed record FrameAction
{
    /// <summary>It passes as it is.</summary>
    public static FrameAction Pass { get; } = new();

    /// <summary>It never arrives.</summary>
    public static FrameAction Drop { get; } = new() { Change = static _ => [] };

    /// <summary>It arrives twice.</summary>
    public static FrameAction Double { get; } = new() { Change = static bytes => [.. bytes, .. bytes] };

    /// <summary>It arrives after the next one.</summary>
    public static FrameAction Hold { get; } = new() { IsHeld = true };

    public Func<byte[], byte[]> Change { get; private init; } = static bytes => bytes;

    public Task Until { get; private init; } = Task.CompletedTask;

    public bool IsHeld { get; private init; }

    public bool IsCut { get; private init; }

    /// <summary>The connection breaks after that many bytes of it.</summary>
    public static FrameAction CutAfter(int bytes) => new() { IsCut = true, Change = all => all[..bytes] };

    /// <summary>It and all that follow it wait for this.</summary>
    public static FrameAction Delay(Task until) => new() { Until = until };

    /// <summary>Other bytes arrive in its place.</summary>
    public static FrameAction Replace(Func<byte[], byte[]> change) => new() { Change = change };
}
