using Npgsql;

namespace Watchword.Events.Outbox;

/// <summary>LISTEN and NOTIFY between the processes of one outbox: a hint beside the relay's own polling.</summary>
internal static class OutboxNotifications
{
    private const string Channel = "watchword_outbox";

    /// <summary>Wakes the process that carries the outbox.</summary>
    public static async Task SendAsync(NpgsqlDataSource database, CancellationToken ct)
    {
        await using var command = database.CreateCommand($"NOTIFY {Channel}");
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>
    /// Pulses the signal at every notification, until cancelled. For the process that carries alone: the others would
    /// send on what they receive, for ever.
    /// </summary>
    public static async Task ReceiveAsync(NpgsqlDataSource database, OutboxSignal signal, CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        connection.Notification += (_, _) => signal.Pulse();
        await using (var listen = new NpgsqlCommand($"LISTEN {Channel}", connection))
            await listen.ExecuteNonQueryAsync(ct);
        signal.Pulse();   // what came while nobody listened
        while (true)
            await connection.WaitAsync(ct);
    }
}
