using System.Threading.Channels;

namespace Watchword.Events;

/// <summary>
/// Wakes one waiting loop of this process. Several pulses between two waits count as one. A pulse is only a hint: the loop
/// also polls.
/// </summary>
public class Signal
{
    private readonly Channel<bool> _pulse = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>Wakes the loop; never waits.</summary>
    public void Pulse() => _pulse.Writer.TryWrite(true);

    /// <summary>Waits for the next pulse. False when <paramref name="timeout"/> passed first.</summary>
    public async Task<bool> WaitAsync(TimeSpan timeout, CancellationToken ct)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(timeout);
        try
        {
            return await _pulse.Reader.ReadAsync(patience.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return false;
        }
    }
}
