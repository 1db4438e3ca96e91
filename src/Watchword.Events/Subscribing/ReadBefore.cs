using System.Collections.Concurrent;
using Npgsql;

namespace Watchword.Events.Subscribing;

/// <summary>Which streams a subscriber has read before: without a database, as long as its process lives.</summary>
internal sealed class ReadBefore(NpgsqlDataSource? database, string consumer)
{
    private readonly ConcurrentDictionary<string, bool> _known = [];

    /// <exception cref="NpgsqlException">The database does not answer.</exception>
    public async Task<bool> HasAsync(string stream, CancellationToken ct)
    {
        if (database is null || _known.ContainsKey(stream))
            return _known.ContainsKey(stream);
        await using var command = database.CreateCommand("SELECT EXISTS (SELECT 1 FROM watchword.read_before WHERE consumer = $1 AND stream = $2)");
        command.Parameters.Add(new() { Value = consumer });
        command.Parameters.Add(new() { Value = stream });
        return await command.ExecuteScalarAsync(ct) is true;
    }

    /// <exception cref="NpgsqlException">The database does not answer.</exception>
    public async Task RememberAsync(string stream, CancellationToken ct)
    {
        if (database is not null && !_known.ContainsKey(stream))
        {
            await using var command = database.CreateCommand("INSERT INTO watchword.read_before (consumer, stream) VALUES ($1, $2) ON CONFLICT DO NOTHING");
            command.Parameters.Add(new() { Value = consumer });
            command.Parameters.Add(new() { Value = stream });
            await command.ExecuteNonQueryAsync(ct);
        }
        _known.TryAdd(stream, true);
    }
}
