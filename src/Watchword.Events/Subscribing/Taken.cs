using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Events.Subscribing;

/// <summary>A delivery on its way to its handler.</summary>
/// <param name="Context">What it is.</param>
/// <param name="Message">What is answered.</param>
/// <param name="Hand">Where it counts as taken until then.</param>
/// <param name="Handle">Its handler.</param>
internal readonly record struct Taken(EventContext Context, JetStreamMessage Message, InHand Hand, Func<EventContext, CancellationToken, Task> Handle)
{
    /// <summary>Done with. Where the answer is lost, the event comes again, and <see cref="InHand"/> knows it.</summary>
    public async ValueTask AckAsync()
    {
        try
        {
            await Message.AckAsync();
        }
        catch (NatsException)
        {
            // Away: see above.
        }
        Hand.Done(Message, keep: Context is { IsAbandoned: true });
    }

    /// <summary>To be delivered again.</summary>
    public async ValueTask ReturnAsync(TimeSpan? delay = null)
    {
        Hand.Returned(Message);
        try
        {
            await Message.NakAsync(delay);
        }
        catch (NatsException)
        {
            // It comes again by itself.
        }
        if (!Context.IsAbandoned)
            Message.Dispose();
    }
}
