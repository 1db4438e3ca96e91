using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Watchword.Auditing;

/// <summary>Reads rows of the audit log from PostgreSQL's binary COPY format, which is also the form that is hashed.</summary>
internal sealed class AuditRows(Stream copy)
{
    private const int EventIdColumn = 1;
    private const int StreamColumn = 2;
    private const int SubjectColumn = 4;
    private const int OccurredAtColumn = 8;
    private const int CommitmentColumn = 9;
    private const int PreviousHashColumn = 10;
    private const int HashColumn = 11;
    private const int SaltColumn = 12;
    private const int PayloadColumn = 14;
    private const int Columns = 15;
    private const int SignatureLength = 11;
    private const int Null = -1;   // in place of a length
    private static readonly DateTimeOffset Epoch = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);   // of PostgreSQL

    private readonly (int Start, int Length)[] _columns = new (int, int)[Columns];
    private byte[] _buffer = new byte[64 * 1024];
    private int _next;
    private int _end;
    private bool _begun;

    /// <summary>What the chain hashes, the hash, then what the commitment hashes; each in its order.</summary>
    public const string Query = """
        COPY (SELECT position, event_id, stream, sequence, subject, key, actor, origin, occurred_at, commitment, previous_hash, hash,
                     salt, correlation_id, payload
              FROM watchword.audit_log ORDER BY position) TO STDOUT (FORMAT BINARY)
        """;

    public long Position { get; private set; }

    public ReadOnlySpan<byte> PreviousHash => Column(PreviousHashColumn);

    public ReadOnlySpan<byte> Hash => Column(HashColumn);

    public string EventId => Encoding.UTF8.GetString(Column(EventIdColumn));

    /// <summary>Whether the row was erased: its salt and content are NULL.</summary>
    public bool IsErased { get; private set; }

    /// <summary>What the row records about an erasure; null for every other row.</summary>
    public ErasureRecord? Erasure => !IsErased && Column(StreamColumn).SequenceEqual(ErasureRecord.StreamUtf8) && Column(SubjectColumn).SequenceEqual(ErasureRecord.SubjectUtf8)
        ? ErasureRecord.Read(Column(PayloadColumn)) : null;

    public DateTimeOffset OccurredAt => Epoch.AddMicroseconds(BinaryPrimitives.ReadInt64BigEndian(Column(OccurredAtColumn)));

    /// <summary>Whether the row's hash, and its commitment unless it was erased, are those of its other columns.</summary>
    public bool IsIntact() => IsHashOf(Hash, 0, PreviousHashColumn) && (IsErased || IsHashOf(Column(CommitmentColumn), SaltColumn, PayloadColumn));

    private bool IsHashOf(ReadOnlySpan<byte> expected, int first, int last)
    {
        var (start, end) = (_columns[first].Start - sizeof(int), _columns[last].Start + _columns[last].Length);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(_buffer.AsSpan(start, end - start), hash);
        return hash.SequenceEqual(expected);
    }

    /// <summary>Goes on to the next row; false behind the last.</summary>
    public async ValueTask<bool> ReadAsync(CancellationToken ct)
    {
        if (!_begun)
        {
            await NeedAsync(SignatureLength + 2 * sizeof(int), ct);
            _next += SignatureLength + sizeof(int);
            var extension = TakeInt32();
            await NeedAsync(extension, ct);
            _next += extension;
            _begun = true;
        }
        await NeedAsync(sizeof(short), ct);
        if (BinaryPrimitives.ReadInt16BigEndian(_buffer.AsSpan(_next)) < 0)
            return false;
        while (!TryParse(out var missing))
            await NeedAsync(_end - _next + missing, ct);
        return true;
    }

    private bool TryParse(out int missing)
    {
        var at = _next + sizeof(short);
        IsErased = true;
        for (var i = 0; i < Columns; i++)
        {
            missing = at + sizeof(int) - _end;
            if (missing > 0)
                return false;
            var length = BinaryPrimitives.ReadInt32BigEndian(_buffer.AsSpan(at));
            IsErased &= i < SaltColumn || length == Null;
            length = Math.Max(0, length);
            _columns[i] = (at + sizeof(int), length);
            at += sizeof(int) + length;
            missing = at - _end;
            if (missing > 0)
                return false;
        }
        missing = 0;
        Position = Column(0).Length == sizeof(long) ? BinaryPrimitives.ReadInt64BigEndian(Column(0)) : 0;   // NULL, where the log's owner allowed it
        _next = at;
        return true;
    }

    private ReadOnlySpan<byte> Column(int number) => _buffer.AsSpan(_columns[number].Start, _columns[number].Length);

    private int TakeInt32()
    {
        _next += sizeof(int);
        return BinaryPrimitives.ReadInt32BigEndian(_buffer.AsSpan(_next - sizeof(int)));
    }

    /// <summary>Until so many bytes lie unread in the buffer, which grows to the largest row.</summary>
    private async ValueTask NeedAsync(int count, CancellationToken ct)
    {
        if (_end - _next >= count)
            return;
        var target = count > _buffer.Length ? new byte[Math.Max(count, (int)Math.Min(2L * _buffer.Length, Array.MaxLength))] : _buffer;
        Buffer.BlockCopy(_buffer, _next, target, 0, _end - _next);
        (_buffer, _next, _end) = (target, 0, _end - _next);
        while (_end < count)
        {
            var read = await copy.ReadAsync(_buffer.AsMemory(_end), ct);
            _end += read > 0 ? read : throw new EndOfStreamException("the database ended its answer in the middle of a row");
        }
    }
}
