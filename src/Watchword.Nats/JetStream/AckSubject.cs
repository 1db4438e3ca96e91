namespace Watchword.Nats;

/// <summary>
/// What the reply subject of a JetStream message says (ADR-15):
/// <c>$JS.ACK.stream.consumer.delivered.sseq.cseq.time.pending</c>, nine tokens, or with domain and account hash
/// after <c>$JS.ACK</c> eleven or more, of which the last may be random.
/// </summary>
internal readonly ref struct AckSubject
{
    public ReadOnlySpan<byte> Stream { get; private init; }

    public ReadOnlySpan<byte> Consumer { get; private init; }

    public int Delivered { get; private init; }

    public ulong StreamSequence { get; private init; }

    public ulong ConsumerSequence { get; private init; }

    /// <summary>Nanoseconds since 1970.</summary>
    public long Time { get; private init; }

    public ulong Pending { get; private init; }

    public static bool TryParse(ReadOnlySpan<byte> subject, out AckSubject result)
    {
        result = default;
        if (!subject.StartsWith("$JS.ACK."u8))
            return false;
        var tokens = subject.Count((byte)'.') + 1;
        if (tokens is < 9 or 10)
            return false;

        var rest = subject["$JS.ACK.".Length..];
        if (tokens > 10)
        {
            Next(ref rest); // domain
            Next(ref rest); // account hash
        }

        var stream = Next(ref rest);
        var consumer = Next(ref rest);
        if (!Digits.TryParse(Next(ref rest), out var delivered)
            || !Digits.TryParse64(Next(ref rest), out var streamSequence)
            || !Digits.TryParse64(Next(ref rest), out var consumerSequence)
            || !Digits.TryParse64(Next(ref rest), out var time)
            || !Digits.TryParse64(Next(ref rest), out var pending))
            return false;

        result = new AckSubject
        {
            Stream = stream,
            Consumer = consumer,
            Delivered = (int)Math.Min(delivered, int.MaxValue),
            StreamSequence = streamSequence,
            ConsumerSequence = consumerSequence,
            Time = (long)Math.Min(time, long.MaxValue),
            Pending = pending,
        };
        return true;
    }

    private static ReadOnlySpan<byte> Next(scoped ref ReadOnlySpan<byte> rest)
    {
        var end = rest.IndexOf((byte)'.');
        var token = end < 0 ? rest : rest[..end];
        rest = end < 0 ? default : rest[(end + 1)..];
        return token;
    }
}
