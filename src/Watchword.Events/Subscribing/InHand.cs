using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Events.Subscribing;

/// <summary>The messages of one stream that this process has taken and not answered, and the last that it has.</summary>
/// <param name="maxInFlight">How many can be in hand at once; so many answers at least may be lost together.</param>
internal sealed class InHand(int maxInFlight)
{
    private const int Remembered = 10_000;

    // By place and time: a stream that was wiped, or restored from a backup, gives its sequences to other messages.
    private readonly Lock _gate = new();
    private readonly Dictionary<(ulong, DateTimeOffset), JetStreamMessage> _taken = [];
    private readonly HashSet<(ulong, DateTimeOffset)> _done = [];
    private readonly Queue<(ulong, DateTimeOffset)> _doneInOrder = [];
    private long _left;

    /// <summary>Whether it is new; not new is what is in hand already, and what was answered lately by an answer that was lost.</summary>
    public bool TryTake(JetStreamMessage message, out bool done)
    {
        lock (_gate)
        {
            done = message.Delivered > 1 && _done.Contains(PlaceOf(message));
            return !done && _taken.TryAdd(PlaceOf(message), message);
        }
    }

    /// <summary>How many are in hand, and how many were and no longer are, at one moment.</summary>
    public (int Taken, long Left) Count()
    {
        lock (_gate)
            return (_taken.Count, _left);
    }

    /// <summary>Answered for good.</summary>
    /// <param name="message">What was answered.</param>
    /// <param name="keep">A handler that was given up may still read it: its memory is not used again.</param>
    public void Done(JetStreamMessage message, bool keep = false)
    {
        lock (_gate)
        {
            if (!Remove(message) || !_done.Add(PlaceOf(message)))
                return;
            _doneInOrder.Enqueue(PlaceOf(message));
            if (_doneInOrder.Count > Math.Max(Remembered, maxInFlight))
                _done.Remove(_doneInOrder.Dequeue());
        }
        if (!keep)
            message.Dispose();
    }

    /// <summary>Given back: it comes again.</summary>
    public void Returned(JetStreamMessage message)
    {
        lock (_gate)
            Remove(message);
    }

    /// <summary>Gives back everything that was not answered, in its order: it comes again, to the next process at once.</summary>
    public async Task ReturnAllAsync()
    {
        JetStreamMessage[] all;
        lock (_gate)
        {
            all = [.. _taken.Values.OrderBy(m => m.StreamSequence)];
            _taken.Clear();
            _left += all.Length;
        }
        foreach (var message in all)
        {
            try
            {
                await message.NakAsync();
            }
            catch (Exception e) when (e is NatsException or InvalidOperationException)
            {
                // Away: it comes again by itself.
            }
            // Not disposed: a handler that was given up may still read it.
        }
    }

    private static (ulong, DateTimeOffset) PlaceOf(JetStreamMessage message) => (message.StreamSequence, message.Timestamp);

    private bool Remove(JetStreamMessage message)
    {
        if (!_taken.Remove(PlaceOf(message)))
            return false;
        _left++;
        return true;
    }

    /// <summary>Tells the server that work on all of them goes on.</summary>
    public async Task TouchAsync(CancellationToken ct)
    {
        JetStreamMessage[] all;
        lock (_gate)
            all = [.. _taken.Values];
        foreach (var message in all)
        {
            try
            {
                await message.InProgressAsync(ct);
            }
            catch (Exception e) when (e is NatsException or InvalidOperationException)
            {
                // Away, and everything comes again; or answered meanwhile.
            }
        }
    }
}
