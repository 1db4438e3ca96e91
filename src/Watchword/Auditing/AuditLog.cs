using System.Globalization;
using Npgsql;
using NpgsqlTypes;
using Watchword.Events.Contracts;
using Watchword.Events.Subscribing;

namespace Watchword.Auditing;

/// <summary>
/// An append-only log of events in PostgreSQL (<see cref="AuditLogSchema"/>), each row chained to the one before by its
/// hash. <see cref="AuditLogVerifier"/> proves that nobody has changed it since.
/// </summary>
public static class AuditLog
{
    /// <summary>
    /// Appends an event, in the caller's transaction: with <c>.ExactlyOnce()</c> once, however often it is delivered.
    /// Others who append wait until that transaction ends.
    /// </summary>
    /// <returns>Its position, from 1 on.</returns>
    public static Task<long> AppendAsync(NpgsqlTransaction transaction, EventContext context, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        return AppendAsync(transaction, new AuditEntry(
            context.EventId, context.Stream, context.Sequence, context.Subject, context.Key, context.Actor, context.Origin, context.CorrelationId,
            OccurredAt(context), context.Payload), ct);
    }

    /// <summary>Appends an event that comes from elsewhere.</summary>
    /// <inheritdoc cref="AppendAsync(NpgsqlTransaction, EventContext, CancellationToken)"/>
    public static async Task<long> AppendAsync(NpgsqlTransaction transaction, AuditEntry entry, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        ArgumentNullException.ThrowIfNull(entry);
        await using var append = new NpgsqlCommand("SELECT watchword.append_audit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", transaction.Connection, transaction)
        {
            Parameters =
            {
                Text(entry.EventId), Text(entry.Stream), new() { Value = entry.Sequence }, Text(entry.Subject), Text(entry.Key), Text(entry.Actor), Text(entry.Origin),
                Text(entry.CorrelationId), new() { Value = entry.OccurredAt.UtcDateTime }, new() { Value = entry.Payload, NpgsqlDbType = NpgsqlDbType.Bytea },
            },
        };
        return (long)(await append.ExecuteScalarAsync(ct))!;
    }

    // PostgreSQL stores no U+0000, which a foreign publisher's headers may have; the payload is kept as it came.
    private static NpgsqlParameter Text(string? value) =>
        new() { Value = (object?)value?.Replace('\0', '\ufffd') ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text };

    private static DateTimeOffset OccurredAt(EventContext context) =>
        DateTimeOffset.TryParse(context.Headers?[EventHeaders.Time], CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : context.StoredAt;
}

/// <summary>What the audit log keeps of an event.</summary>
/// <param name="EventId">The same on every delivery.</param>
/// <param name="Stream">Where it was read.</param>
/// <param name="Sequence">Its place there.</param>
/// <param name="Subject">What it was published to.</param>
/// <param name="Key">The user or organization that it is about.</param>
/// <param name="Actor">The user who acted.</param>
/// <param name="Origin">The service that caused it.</param>
/// <param name="CorrelationId">Joins everything that one request caused.</param>
/// <param name="OccurredAt">When; kept to the microsecond.</param>
/// <param name="Payload">The bytes as they came.</param>
public sealed record AuditEntry(
    string EventId, string Stream, long Sequence, string Subject, string? Key, string? Actor, string? Origin, string? CorrelationId,
    DateTimeOffset OccurredAt, ReadOnlyMemory<byte> Payload);
