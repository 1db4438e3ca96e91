using System.Text;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

public class RequestTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Answers_find_their_requests_though_they_come_in_another_order()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        await using var service = await connection.SubscribeAsync("double", ct: Ct);
        var asked = Enumerable.Range(0, 100)
            .Select(i => connection.RequestAsync("double", BitConverter.GetBytes(i), ct: Ct).AsTask()).ToArray();

        var questions = new List<NatsMessage>();
        while (questions.Count < 100)
            questions.Add(await service.ReadAsync(Ct));
        questions.Reverse();
        foreach (var question in questions)
            await connection.PublishAsync(question.ReplyTo!, BitConverter.GetBytes(2 * BitConverter.ToInt32(question.Payload.Span)), ct: Ct);

        for (var i = 0; i < 100; i++)
            Assert.Equal(2 * i, BitConverter.ToInt32((await asked[i]).Payload.Span));
    }

    [Fact]
    public async Task A_request_that_nobody_serves_fails_at_once()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);

        var error = await Assert.ThrowsAsync<NatsNoRespondersException>(
            async () => await connection.RequestAsync("nobody.here", timeout: TimeSpan.FromMinutes(1), ct: Ct));

        Assert.Equal("nobody.here", error.Subject);
        Assert.True(error.IsTransient);
    }

    [Fact]
    public async Task A_request_that_nobody_answers_times_out_and_a_late_answer_harms_nobody()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        await using var service = await connection.SubscribeAsync("slow", ct: Ct);

        var error = await Assert.ThrowsAsync<NatsTimeoutException>(
            async () => await connection.RequestAsync("slow", timeout: TimeSpan.FromMilliseconds(50), ct: Ct));
        Assert.True(error.IsTransient);

        var late = await service.ReadAsync(Ct);
        var next = connection.RequestAsync("slow", ct: Ct);
        await connection.PublishAsync(late.ReplyTo!, "late"u8.ToArray(), ct: Ct);
        await connection.PublishAsync((await service.ReadAsync(Ct)).ReplyTo!, "right"u8.ToArray(), ct: Ct);
        Assert.Equal("right", Encoding.UTF8.GetString((await next).Payload.Span));
    }

    [Fact]
    public async Task A_request_can_be_cancelled()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        await using var service = await connection.SubscribeAsync("silent", ct: Ct);
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var asked = connection.RequestAsync("silent", ct: cancel.Token);
        await service.ReadAsync(Ct);
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await asked);
    }

    [Fact]
    public async Task Disposing_the_connection_fails_what_waits_for_an_answer()
    {
        var connection = await nats.TakeAccount().ConnectAsync(Ct);
        await using var service = await connection.SubscribeAsync("silent", ct: Ct);
        var asked = connection.RequestAsync("silent", ct: Ct);
        await service.ReadAsync(Ct);
        await connection.DisposeAsync();
        await connection.DisposeAsync();

        await Assert.ThrowsAsync<NatsDisconnectedException>(async () => await asked);
        await Assert.ThrowsAsync<NatsDisconnectedException>(async () => await connection.PublishAsync("a", ct: Ct));
        Assert.Equal(NatsConnectionState.Closed, connection.State);
        Assert.False(await service.WaitToReadAsync(Ct));
    }
}
