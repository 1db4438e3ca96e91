using System.Globalization;
using FsCheck.Fluent;
using Watchword.Auditing;

namespace Watchword.Tests.Auditing;

/// <summary>Whatever is done to the audit log behind its back is found, and the place is named.</summary>
public class AuditLogVerifierTests(PostgresFixture postgres)
{
    private const int Rows = 9;

    [Theory]
    [InlineData("event_id", "'event-X'", AuditFaultKind.Changed)]
    [InlineData("stream", "'auth-event'", AuditFaultKind.Changed)]
    [InlineData("sequence", "sequence + 1", AuditFaultKind.Changed)]
    [InlineData("subject", "upper(subject)", AuditFaultKind.Changed)]
    [InlineData("key", "'user-6'", AuditFaultKind.Changed)]
    [InlineData("key", "NULL", AuditFaultKind.Changed)]
    [InlineData("key", "''", AuditFaultKind.Changed)]
    [InlineData("actor", "'adA'", AuditFaultKind.Changed)]
    [InlineData("origin", "'crn'", AuditFaultKind.Changed)]
    [InlineData("correlation_id", "correlation_id || ' '", AuditFaultKind.Changed)]
    [InlineData("occurred_at", "occurred_at + interval '1 microsecond'", AuditFaultKind.Changed)]
    [InlineData("payload", "set_byte(payload, 3, get_byte(payload, 3) + 1)", AuditFaultKind.Changed)]
    [InlineData("payload", "''", AuditFaultKind.Changed)]
    [InlineData("salt", "set_byte(salt, 0, (get_byte(salt, 0) + 1) % 256)", AuditFaultKind.Changed)]
    [InlineData("commitment", "set_byte(commitment, 0, (get_byte(commitment, 0) + 1) % 256)", AuditFaultKind.Changed)]
    [InlineData("previous_hash", "set_byte(previous_hash, 31, (get_byte(previous_hash, 31) + 1) % 256)", AuditFaultKind.Changed)]
    [InlineData("hash", "set_byte(hash, 0, (get_byte(hash, 0) + 1) % 256)", AuditFaultKind.Changed)]
    [InlineData("hash", "''", AuditFaultKind.Changed)]
    [InlineData("position", "10", AuditFaultKind.Missing)]
    // What moves from one column to the next leaves the same bytes in a row without lengths.
    [InlineData("(stream, subject)", "('auth-eventsauth', '.user.registered')", AuditFaultKind.Changed)]
    public async Task A_change_of_any_column_names_the_row(string column, string value, AuditFaultKind kind)
    {
        await using var trail = await AuditTrail.CreateAsync(postgres, Rows);
        await trail.TamperAsync($"UPDATE watchword.audit_log SET {column} = {value} WHERE position = 5");
        var report = await trail.VerifyAsync();
        Assert.Equal((kind, 5L, 4L, false), (report.Fault?.Kind, report.Fault?.Position ?? 0, report.Rows, report.IsWhole));
        Assert.Equal(kind == AuditFaultKind.Missing ? null : column == "event_id" ? "event-X" : "event-5", report.Fault!.EventId);
    }

    [Theory]
    [InlineData("DELETE FROM watchword.audit_log WHERE position = 4", AuditFaultKind.Missing, 4)]
    [InlineData("DELETE FROM watchword.audit_log WHERE position < 4", AuditFaultKind.Missing, 1)]
    [InlineData("DELETE FROM watchword.audit_log WHERE position > 6", AuditFaultKind.EndMissing, 7)]
    [InlineData("DELETE FROM watchword.audit_log", AuditFaultKind.EndMissing, 1)]
    [InlineData("UPDATE watchword.audit_log SET position = 0 WHERE position = 3; UPDATE watchword.audit_log SET position = 3 WHERE position = 4; UPDATE watchword.audit_log SET position = 4 WHERE position = 0", AuditFaultKind.Changed, 3)]
    [InlineData("UPDATE watchword.audit_log SET position = -1 WHERE position = 9", AuditFaultKind.OutOfChain, -1)]
    // A row between 4 and 5, those behind it moved on.
    [InlineData("UPDATE watchword.audit_log SET position = -position - 1 WHERE position > 4; UPDATE watchword.audit_log SET position = -position WHERE position < 0; INSERT INTO watchword.audit_log SELECT 5, 'forged', stream, sequence, subject, key, actor, origin, occurred_at, commitment, hash, previous_hash, salt, correlation_id, payload FROM watchword.audit_log WHERE position = 4", AuditFaultKind.Changed, 5)]
    [InlineData("INSERT INTO watchword.audit_log SELECT 10, 'forged', stream, sequence, subject, key, actor, origin, occurred_at, commitment, hash, previous_hash, salt, correlation_id, payload FROM watchword.audit_log WHERE position = 9", AuditFaultKind.BeyondHead, 10)]
    [InlineData("ALTER TABLE watchword.audit_log DROP CONSTRAINT audit_log_pkey; ALTER TABLE watchword.audit_log ALTER position DROP NOT NULL; UPDATE watchword.audit_log SET position = NULL WHERE position = 5", AuditFaultKind.Missing, 5)]
    [InlineData("ALTER TABLE watchword.audit_log DROP CONSTRAINT audit_log_pkey; ALTER TABLE watchword.audit_log ALTER position DROP NOT NULL; UPDATE watchword.audit_log SET position = NULL WHERE position = 9", AuditFaultKind.OutOfChain, 0)]
    [InlineData("UPDATE watchword.audit_head SET hash = sha256('x')", AuditFaultKind.Head, 9)]
    [InlineData("UPDATE watchword.audit_head SET position = 8", AuditFaultKind.BeyondHead, 9)]
    [InlineData("UPDATE watchword.audit_head SET position = 10", AuditFaultKind.EndMissing, 10)]
    [InlineData("DELETE FROM watchword.audit_head", AuditFaultKind.Head, 9)]
    public async Task A_row_removed_moved_or_added_is_found(string sql, AuditFaultKind kind, long position)
    {
        await using var trail = await AuditTrail.CreateAsync(postgres, Rows);
        await trail.TamperAsync(sql);
        var fault = (await trail.VerifyAsync()).Fault;
        Assert.Equal((kind, position), (fault?.Kind, fault?.Position ?? 0));
    }

    [Fact]
    public async Task A_row_whose_own_hash_was_mended_breaks_the_chain_at_the_next()
    {
        await using var trail = await AuditTrail.CreateAsync(postgres, Rows);
        await trail.TamperAsync("UPDATE watchword.audit_log SET actor = 'nobody' WHERE position = 5; " + Mend("position = 5"));
        var fault = (await trail.VerifyAsync()).Fault;
        Assert.Equal((AuditFaultKind.OutOfChain, 6L, "event-6"), (fault!.Kind, fault.Position, fault.EventId));
    }

    [Fact]
    public async Task A_log_that_was_chained_anew_shows_against_a_head_noted_earlier()
    {
        await using var trail = await AuditTrail.CreateAsync(postgres, Rows);
        var noted = (await trail.VerifyAsync()).Head!;
        await trail.AppendAsync([AuditTrail.Entry(10)]);
        Assert.True((await trail.VerifyAsync(noted)).IsWhole);

        await trail.TamperAsync("UPDATE watchword.audit_log SET actor = 'nobody' WHERE position = 5");
        for (var i = 5; i <= 10; i++)
            await trail.TamperAsync($"UPDATE watchword.audit_log SET previous_hash = (SELECT hash FROM watchword.audit_log WHERE position = {i - 1}) WHERE position = {i}; " + Mend($"position = {i}"));
        await trail.TamperAsync("UPDATE watchword.audit_head SET hash = (SELECT hash FROM watchword.audit_log WHERE position = 10)");
        Assert.True((await trail.VerifyAsync()).IsWhole);   // from the inside nothing shows
        Assert.Equal(AuditFaultKind.Rewritten, (await trail.VerifyAsync(noted)).Fault?.Kind);

        await trail.TamperAsync("DELETE FROM watchword.audit_log WHERE position > 3; UPDATE watchword.audit_head SET (position, hash) = (SELECT position, hash FROM watchword.audit_log WHERE position = 3)");
        Assert.True((await trail.VerifyAsync()).IsWhole);
        Assert.Equal((AuditFaultKind.EndMissing, 4L), (await trail.VerifyAsync(noted)).Fault is { } fault ? (fault.Kind, fault.Position) : default);
    }

    [Fact]
    public async Task Any_single_bit_of_any_column_that_flips_is_found()
    {
        await using var trail = await AuditTrail.CreateAsync(postgres, Rows);
        // Who owns the database can drop this too; then a position can stand there twice.
        await trail.Database.ExecuteAsync("ALTER TABLE watchword.audit_log DROP CONSTRAINT audit_log_pkey");
        string[] columns = ["position", "event_id", "stream", "sequence", "subject", "key", "actor", "origin", "occurred_at", "commitment", "previous_hash", "hash", "salt", "correlation_id", "payload"];
        var flips = from column in Gen.Elements(columns)
                    from row in Gen.Choose(1, Rows)
                    from bit in Gen.Choose(0, 1 << 20)
                    select (column, row, bit);
        var found = 0;
        foreach (var (column, row, bit) in flips.Sample(200).Concat(columns.Select((c, i) => (c, 1 + i % 2 * 4, i * 37))))
        {
            var id = await trail.Database.ScalarAsync<string>($"SELECT ctid::text FROM watchword.audit_log WHERE position = {row}");
            var before = await trail.Database.ScalarAsync<string>("SELECT string_agg(l::text, E'\n' ORDER BY position) FROM watchword.audit_log l");
            await trail.Database.ExecuteAsync("CREATE TABLE kept AS SELECT * FROM watchword.audit_log");
            await trail.TamperAsync($"UPDATE watchword.audit_log SET {column} = {Flip(column, bit)} WHERE ctid = '{id}'");
            if (await trail.Database.ScalarAsync<string>("SELECT string_agg(l::text, E'\n' ORDER BY position) FROM watchword.audit_log l") != before)
            {
                found++;
                var report = await trail.VerifyAsync();
                Assert.True(!report.IsWhole, $"bit {bit} of {column} of row {row} was not missed");
                if (column != "position")
                    Assert.Equal(row, report.Fault.Position);
            }
            await trail.TamperAsync("DELETE FROM watchword.audit_log; INSERT INTO watchword.audit_log SELECT * FROM kept; DROP TABLE kept");
        }
        Assert.InRange(found, 180, 215);
        Assert.True((await trail.VerifyAsync()).IsWhole);
    }

    [Fact]
    public async Task It_tells_how_far_it_is_and_that_there_is_no_log()
    {
        await using var empty = await postgres.EmptyAsync();
        var none = await Assert.ThrowsAsync<InvalidOperationException>(() => AuditLogVerifier.VerifyAsync(empty.Source));
        Assert.Contains("no audit log", none.Message, StringComparison.Ordinal);

        await using var trail = await AuditTrail.CreateAsync(postgres);
        Assert.Equal((0L, "0000@0"), (await trail.VerifyAsync()) is { IsWhole: true } whole ? (whole.Rows, whole.Head.ToString()[60..]) : default);
        await trail.Database.ExecuteAsync("SELECT watchword.append_audit('e', 's', n, 'a', NULL, NULL, NULL, NULL, now(), '{}') FROM generate_series(1, 9000) n");
        List<(long, long)> told = [];
        var report = await AuditLogVerifier.VerifyAsync(trail.Database.Source, progress: (done, all) => told.Add((done, all)), ct: TestContext.Current.CancellationToken);
        Assert.True(report.IsWhole);
        Assert.Equal([(4096, 9000), (8192, 9000), (9000, 9000)], told);
    }

    [Theory]
    [InlineData("")]
    [InlineData("abc@1")]
    [InlineData("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855@-1")]
    [InlineData("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85g@1")]
    public void What_is_no_head_is_refused(string text) =>
        Assert.Contains("64 hexadecimal digits", Assert.Throws<FormatException>(() => AuditHead.Parse(text)).Message, StringComparison.Ordinal);

    private static string Flip(string column, int bit) => column switch
    {
        "position" or "sequence" => string.Create(CultureInfo.InvariantCulture, $"{column} # (1::bigint << {bit % 64})"),
        // To where a time can still be written down.
        "occurred_at" => string.Create(CultureInfo.InvariantCulture,
            $"to_timestamp(0) + ((extract(epoch FROM occurred_at) * 1000000)::bigint # (1::bigint << {bit % 50})) * interval '1 microsecond'"),
        "payload" or "previous_hash" or "hash" or "salt" or "commitment" => string.Create(CultureInfo.InvariantCulture,
            $"set_bit({column}, {bit} % (octet_length({column}) * 8), 1 - get_bit({column}, {bit} % (octet_length({column}) * 8)))"),
        // The lower seven bits of a character of ASCII are one again, but for the one that would end a C string.
        _ => string.Create(CultureInfo.InvariantCulture,
            $"convert_from(set_byte(convert_to({column}, 'UTF8'), {bit} % octet_length({column}), get_byte(convert_to({column}, 'UTF8'), {bit} % octet_length({column})) # {1 << (bit % 7)}), 'UTF8')"),
    };

    private static string Mend(string row)
    {
        string[] columns =
        [
            "int8send(position)", "convert_to(event_id, 'UTF8')", "convert_to(stream, 'UTF8')", "int8send(sequence)", "convert_to(subject, 'UTF8')", "convert_to(key, 'UTF8')",
            "convert_to(actor, 'UTF8')", "convert_to(origin, 'UTF8')", "timestamptz_send(occurred_at)", "commitment", "previous_hash",
        ];
        return $"UPDATE watchword.audit_log SET hash = sha256({string.Join(" || ", columns.Select(c => $"watchword.audit_field({c})"))}) WHERE {row}";
    }
}
