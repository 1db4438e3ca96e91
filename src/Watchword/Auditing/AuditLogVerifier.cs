using System.Data;
using Npgsql;

namespace Watchword.Auditing;

/// <summary>Proves that an audit log is as it was written, apart from recorded erasures, or finds the first place where it is not.</summary>
public static class AuditLogVerifier
{
    private const int ProgressRows = 4096;

    /// <summary>Reads the whole log once, in order and as it stands at one moment; writers go on meanwhile.</summary>
    /// <param name="database">Where it lies.</param>
    /// <param name="noted">A head that an earlier verification gave: the log must still lead through it.</param>
    /// <param name="progress">Told now and then: rows verified, and how many there are.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="InvalidOperationException">The database has no audit log.</exception>
    public static async Task<AuditReport> VerifyAsync(
        NpgsqlDataSource database, AuditHead? noted = null, Action<long, long>? progress = null, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(database);
        try
        {
            await using var connection = await database.OpenConnectionAsync(ct);
            // One snapshot, so that head and rows belong together.
            await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, ct);
            var head = await ReadHeadAsync(transaction, ct);
            await using var copy = await connection.BeginRawBinaryCopyAsync(AuditRows.Query, ct);
            var walk = new Walk(new AuditRows(copy), head, noted);
            while (await walk.NextAsync(ct))
                if (walk.Rows % ProgressRows == 0)
                    progress?.Invoke(walk.Rows, Math.Max(walk.Rows, head?.Position ?? 0));
            if (walk.Fault is null)
                progress?.Invoke(walk.Rows, walk.Rows);
            else
                await copy.CancelAsync();
            return new(walk.Rows, walk.Fault is null ? walk.Last : null, walk.Fault, walk.Erasures);
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName)
        {
            throw new InvalidOperationException("there is no audit log in this database (table watchword.audit_log)", e);
        }
    }

    private static async Task<AuditHead?> ReadHeadAsync(NpgsqlTransaction transaction, CancellationToken ct)
    {
        // The rows lie in the order in which they are read: an index scan begins at once, a sort only after everything.
        await using (var plan = new NpgsqlCommand("SET LOCAL enable_sort = off", transaction.Connection, transaction))
            await plan.ExecuteNonQueryAsync(ct);
        await using var command = new NpgsqlCommand("SELECT position, hash FROM watchword.audit_head", transaction.Connection, transaction);
        await using var row = await command.ExecuteReaderAsync(ct);
        return await row.ReadAsync(ct) ? new(row.GetInt64(0), Convert.ToHexStringLower(row.GetFieldValue<byte[]>(1))) : null;
    }

    /// <summary>The way through the rows, up to the first fault.</summary>
    private sealed class Walk(AuditRows rows, AuditHead? head, AuditHead? noted)
    {
        private readonly byte[] _lastHash = new byte[32];
        private readonly SortedDictionary<long, string> _unrecorded = [];   // erased rows, with their event ids
        private readonly List<AuditErasure> _erasures = [];

        public long Rows { get; private set; }

        public AuditFault? Fault { get; private set; }

        public IReadOnlyList<AuditErasure> Erasures => _erasures;

        public AuditHead Last => new(Rows, Convert.ToHexStringLower(_lastHash));

        /// <summary>False at the end or at a fault.</summary>
        public async ValueTask<bool> NextAsync(CancellationToken ct)
        {
            if (!await rows.ReadAsync(ct))
            {
                Fault = EndFault();
                return false;
            }
            Fault = RowFault();
            if (Fault is not null)
                return false;
            Rows++;
            rows.Hash.CopyTo(_lastHash);
            if (rows.IsErased)
                _unrecorded.Add(rows.Position, rows.EventId);
            else if (rows.Erasure is { } record)
                _erasures.Add(new(record.UserId, record.Positions.Count(_unrecorded.Remove), rows.OccurredAt, record.By, record.Reason));
            if (noted?.Position == Rows && noted.Hash != Last.Hash)
                Fault = new(AuditFaultKind.Rewritten, Rows, rows.EventId, "its hash is not the one that was noted: the log was rewritten here or earlier, and the chain was rebuilt");
            return Fault is null;
        }

        private AuditFault? RowFault()
        {
            var expected = Rows + 1;
            if (rows.Position > expected)
                return new(AuditFaultKind.Missing, expected, null, rows.Position == expected + 1
                    ? "this row is missing" : $"the rows {expected} to {rows.Position - 1} are missing");
            if (rows.Position < expected)
                return Of(AuditFaultKind.OutOfChain, Rows == 0 ? "no row has a position before 1" : "there are two rows at this position");
            if (rows.Position > head?.Position)
                return Of(AuditFaultKind.BeyondHead, $"the head row ends the log at {head.Position}: this row was added by other means, or the head was changed");
            if (!rows.IsIntact())
                return Of(AuditFaultKind.Changed, "its content does not match its hash");
            if (!rows.PreviousHash.SequenceEqual(_lastHash))
                return Of(AuditFaultKind.OutOfChain, Rows == 0 ? "it does not begin the chain: its previous hash is not zero" : $"its previous hash is not the hash of row {Rows}");
            return null;
        }

        private AuditFault Of(AuditFaultKind kind, string problem) => new(kind, rows.Position, rows.EventId, problem);

        private AuditFault? EndFault()
        {
            if (head is null)
                return new(AuditFaultKind.Head, Rows, null, "the head row is missing: rows at the end may be missing too");
            if (head.Position > Rows)
                return new(AuditFaultKind.EndMissing, Rows + 1, null, head.Position == Rows + 1
                    ? "the last row is missing" : $"the rows {Rows + 1} to {head.Position} are missing at the end");
            if (head.Position < Rows || head.Hash != Last.Hash)
                return new(AuditFaultKind.Head, Rows, null, "the head row was changed: it does not name the last row");
            if (_unrecorded.FirstOrDefault() is { Key: > 0 } erased)
                return new(AuditFaultKind.Unrecorded, erased.Key, erased.Value, "its content was erased, and no later row records by whom and why");
            if (noted?.Position > Rows)
                return new(AuditFaultKind.EndMissing, Rows + 1, null, $"the log ends at {Rows}, before the head that was noted at {noted.Position}");
            return noted is { Position: 0 } && noted.Hash.Any(c => c != '0')
                ? new(AuditFaultKind.Rewritten, 0, null, "an empty log has a hash of zeros: what was noted is not a head of this log")
                : null;
        }
    }
}
