using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Watchword.Auditing;

/// <summary>Reads rows of the audit log from PostgreSQL's binary COPY format, which is also the form that is hashed.</summary>
internal sealed class AuditRows(Stream copy)
{
    private const int Columns = 13;
    private const int EventIdColumn = 1;
    private const int SignatureLength = 11;

    private readonly (int Start, int Length)[] _columns = new (int, int)[Columns];
    private byte[] _buffer = new byte[64 * 1024];
    private int _next;
    private int _end;
    private bool _begun;

    /// <summary>The columns in the order that they are hashed in, the hash last.</summary>
    public const string Query = """
        COPY (SELECT position, event_id, stream, sequence, subject, key, actor, origin, correlation_id, occurred_at, payload, previous_hash, hash
              FROM watchword.audit_log ORDER BY position) TO STDOUT (FORMAT BINARY)
        """;

    public long Position { get; private set; }

    public ReadOnlySpan<byte> PreviousHash => Column(Columns - 2);

    public ReadOnlySpan<byte> Hash => Column(Columns - 1);

    public string EventId => Encoding.UTF8.GetString(Column(EventIdColumn));

    /// <summary>Whether the row's hash is the one of its other columns.</summary>
    public bool IsIntact()
    {
        var first = _columns[0].Start - sizeof(int);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(_buffer.AsSpan(first, _columns[^1].Start - sizeof(int) - first), hash);
        return hash.SequenceEqual(Hash);
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
        for (var i = 0; i < Columns; i++)
        {
            missing = at + sizeof(int) - _end;
            if (missing > 0)
                return false;
            var length = Math.Max(0, BinaryPrimitives.ReadInt32BigEndian(_buffer.AsSpan(at)));   // NULL has -1
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
