using Npgsql;

namespace Watchword.Events.Outbox;

/// <summary>LISTEN and NOTIFY between the processes that share an outbox: a hint beside the relay's own polling.</summary>
internal static class OutboxNotifications
{
    private const string Channel = "watchword_outbox";

    /// <summary>Wakes the process that leads.</summary>
    public static async Task SendAsync(NpgsqlDataSource database, CancellationToken ct)
    {
        await using var command = database.CreateCommand($"NOTIFY {Channel}");
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>
    /// Pulses the signal at every notification, until cancelled. Only for the process that leads: the others would notify
    /// each other for ever.
    /// </summary>
    public static async Task ReceiveAsync(NpgsqlDataSource database, OutboxSignal signal, CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        connection.Notification += (_, _) => signal.Pulse();
        await using (var listen = new NpgsqlCommand($"LISTEN {Channel}", connection))
            await listen.ExecuteNonQueryAsync(ct);
        signal.Pulse();   // changes made before we listened
        while (true)
            await connection.WaitAsync(ct);
    }
}
