namespace Watchword.Nats;

/// <content>What the server says of itself and of us while the connection is open.</content>
public sealed partial class NatsConnection
{
    /// <summary>The server told of itself again: its cluster has changed, or it is about to stop.</summary>
    internal void OnInfo(Session session)
    {
        Server = session.Info;
        _servers.Learn(session.Info);
        if (!session.Info.LameDuckMode)
            return;
        Log.LameDuck(session.Server);
        _ = Task.Run(() => Tell(LameDuck, session.Info)); // off the read loop, which must not wait for anybody
        if (_servers.Count > 1)
            session.Abort(new NatsDisconnectedException($"{session.Server} is about to stop; moving to another server."));
    }

    internal void OnServerError(Session session, string text)
    {
        var kind = ServerError.Classify(text);
        Log.ServerError(session.Server, kind, text);
        if (kind == ServerErrorKind.Permission)
            OnPermissionDenied(text);
        else if (ServerError.IsFatal(kind))
            session.Abort(new NatsDisconnectedException($"{session.Server} ended the connection: {text}."));
    }

    private void OnPermissionDenied(string text)
    {
        var reason = new NatsPermissionException($"The server refused it: {text}.");
        if (ServerError.DeniedPublish(text) is { } published)
        {
            foreach (var (_, subscription) in _subscriptions)
                subscription.Receiver.OnPublishDenied(published, reason);
            PublishDenied?.Invoke(published, reason);
        }

        if (ServerError.DeniedSubscription(text) is not var (subject, queueGroup))
            return;
        foreach (var (sid, subscription) in _subscriptions)
            if (subscription.Subject == subject && subscription.QueueGroup == queueGroup && _subscriptions.TryRemove(sid, out _))
                subscription.Receiver.OnEnded(reason);
    }
}
