using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using Npgsql;
using Watchword.Events;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Outbox;

namespace Watchword.Samples.Subscribers;

/// <summary>
/// Publishes committed alerts. If the process dies between publishing and marking an alert, the alert is published again
/// under the same <c>Nats-Msg-Id</c>, which the stream drops as a duplicate within two minutes.
/// </summary>
internal sealed class AlertOutbox(NpgsqlDataSource database, JetStreamClient jetStream, ILogger<AlertOutbox> logger) : BackgroundLoop(logger)
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(250);

    protected override async Task RunAsync(CancellationToken ct)
    {
        await jetStream.WaitUntilOpenAsync(ct);
        try
        {
            await StreamSetup.EnsureAsync(jetStream, [Streams.SecurityAlerts], logger, ct);
        }
        catch (NatsDeniedException e)
        {
            throw new NatsDeniedException($"stream {Streams.SecurityAlerts.Name} is missing, and this NATS user may not create it. Create it with: ./run stream create {Streams.SecurityAlerts.Name}", e);
        }
        while (true)
        {
            foreach (var (id, payload) in await UnpublishedAsync(ct))
            {
                try
                {
                    await PublishAsync(id, payload, ct);
                    await MarkAsync("UPDATE security.alert SET published_at = clock_timestamp() WHERE id = $1", id, ct);
                    logger.AlertRaised(id);
                }
                catch (NatsException e) when (e.IsTooLarge())
                {
                    // It would be refused for ever and block every later alert.
                    await MarkAsync("UPDATE security.alert SET skipped_at = clock_timestamp() WHERE id = $1", id, ct);
                    logger.AlertSkipped(id, payload.Length, e.Message);
                }
            }
            await Task.Delay(Poll, ct);
        }
    }

    private async Task PublishAsync(Guid id, byte[] payload, CancellationToken ct)
    {
        var headers = new NatsHeaders { [EventHeaders.MessageId] = id.ToString(), [EventHeaders.EventId] = id.ToString() };
        await jetStream.PublishAsync(Security.AlertSubject, payload, headers, ct);
    }

    private async Task MarkAsync(string update, Guid id, CancellationToken ct)
    {
        await using var mark = database.CreateCommand(update);
        mark.Parameters.Add(new() { Value = id });
        await mark.ExecuteNonQueryAsync(ct);
    }

    private async Task<List<(Guid Id, byte[] Payload)>> UnpublishedAsync(CancellationToken ct)
    {
        await using var select = database.CreateCommand("SELECT id, payload FROM security.alert WHERE published_at IS NULL AND skipped_at IS NULL ORDER BY id LIMIT 100");
        await using var rows = await select.ExecuteReaderAsync(ct);
        List<(Guid, byte[])> found = [];
        while (await rows.ReadAsync(ct))
            found.Add((rows.GetGuid(0), rows.GetFieldValue<byte[]>(1)));
        return found;
    }
}
