using System.Runtime.CompilerServices;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>What is asked and never answered must not be remembered for ever.</summary>
public class RequestMemoryTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("time-out")]
    [InlineData("cancelled")]
    [InlineData("dropped")]
    [InlineData("answered")]
    public async Task Nothing_of_a_request_stays_once_it_is_over(string end)
    {
        await using var server = new ScriptedServer();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url });
        connection.Start();
        var peer = await server.WelcomeAsync();
        await connection.WaitUntilOpenAsync(Ct);

        // The subject is held by the entry in the table of those that wait, and by nothing else.
        var subjects = new List<WeakReference>();
        for (var i = 0; i < 50; i++)
            subjects.Add(await AskAsync(connection, peer, end, i));
        if (end == "dropped")
        {
            peer.Leave();
            await peer.GoneAsync();
            await server.WelcomeAsync();
        }

        await Eventually.TrueAsync(() =>
        {
            GC.Collect();
            return Task.FromResult(!subjects.Exists(s => s.IsAlive));
        });
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task<WeakReference> AskAsync(NatsConnection connection, ScriptedPeer peer, string end, int number)
    {
        var subject = "ask." + number.ToString(System.Globalization.CultureInfo.InvariantCulture);
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var asked = connection.RequestAsync(subject, timeout: end == "time-out" ? TimeSpan.FromMilliseconds(1) : TimeSpan.FromMinutes(5), ct: cancel.Token).AsTask();
        var question = await peer.NextAsync("PUB");
        switch (end)
        {
            case "time-out":
                await Assert.ThrowsAsync<NatsTimeoutException>(() => asked);
                break;
            case "cancelled":
                await cancel.CancelAsync();
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
                break;
            case "answered":
                await peer.DeliverAsync(question.ReplyTo);
                await asked;
                break;
            default:
                _ = asked.Exception; // looked at here, since nobody will
                break;
        }

        return new WeakReference(subject);
    }
}
