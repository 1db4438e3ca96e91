namespace Watchword.Events.Subscribing;

/// <summary>Handles each event by itself, and acknowledges it when its handler has finished.</summary>
internal sealed class AtLeastOnceLane(LaneSetting setting) : Lane(setting)
{
    private readonly LaneSetting _setting = setting;

    protected override async Task HandleWaitingAsync(HandlerCall call, CancellationToken stop, CancellationToken abort)
    {
        while (!stop.IsCancellationRequested && Waiting.TryRead(out var context))
        {
            using var place = await EnterAsync(stop);
            if (IsHeld(context))
                continue;
            try
            {
                using var activity = context.StartActivity();
                await call.RunAsync(context.Handle!, context);
            }
            catch (Exception) when (abort.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                Park(context, e);
                continue;
            }
            await context.AckAsync();
            _setting.Handled(1);
        }
    }
}
