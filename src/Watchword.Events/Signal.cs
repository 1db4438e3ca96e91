using System.Threading.Channels;

namespace Watchword.Events;

/// <summary>
/// "There is something to do": wakes one waiting loop of this process. Any number of pulses between two waits count
/// as one. A hint only: whoever waits also polls.
/// </summary>
public class Signal
{
    private readonly Channel<bool> _pulse = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>Never waits.</summary>
    public void Pulse() => _pulse.Writer.TryWrite(true);

    /// <summary>Until the next pulse, or until <paramref name="timeout"/> has passed; true for a pulse.</summary>
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
