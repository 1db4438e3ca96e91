using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Events;
using Watchword.Events.Contracts;
using Watchword.Events.Outbox;
using Watchword.Nats;

namespace Watchword.Samples.Subscribers;

/// <summary>
/// Publishes the alerts that were committed. One that is published and not yet marked when the process dies is published
/// again under the same <c>Nats-Msg-Id</c>, and the stream drops it for two minutes.
/// </summary>
internal sealed class AlertOutbox(NpgsqlDataSource database, JetStream jetStream, ILogger<AlertOutbox> logger) : BackgroundLoop(logger)
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(250);

    protected override async Task RunAsync(CancellationToken ct)
    {
        await jetStream.Connection.WaitUntilOpenAsync(ct);
        await StreamSetup.EnsureAsync(jetStream, [Streams.SecurityAlerts], logger, ct);
        while (true)
        {
            foreach (var (id, payload) in await UnpublishedAsync(ct))
            {
                var headers = new NatsHeaders();
                headers.Add(EventHeaders.MessageId, id.ToString());
                headers.Add(EventHeaders.EventId, id.ToString());
                await jetStream.PublishAsync(Security.AlertSubject, payload, headers, ct);
                await using var mark = database.CreateCommand("UPDATE security.alert SET published_at = clock_timestamp() WHERE id = $1");
                mark.Parameters.Add(new() { Value = id });
                await mark.ExecuteNonQueryAsync(ct);
                logger.AlertRaised(id);
            }
            await Task.Delay(Poll, ct);
        }
    }

    private async Task<List<(Guid Id, byte[] Payload)>> UnpublishedAsync(CancellationToken ct)
    {
        await using var select = database.CreateCommand("SELECT id, payload FROM security.alert WHERE published_at IS NULL ORDER BY id LIMIT 100");
        await using var rows = await select.ExecuteReaderAsync(ct);
        List<(Guid, byte[])> found = [];
        while (await rows.ReadAsync(ct))
            found.Add((rows.GetGuid(0), rows.GetFieldValue<byte[]>(1)));
        return found;
    }
}
