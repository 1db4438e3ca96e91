namespace Watchword.Nats;

/// <summary>
/// Picks from what was written for one connection that which the next one may still send. Only publishes: the rest
/// (SUB, PING) belongs to its connection. And only those without an inbox to answer to: whoever waits for an answer
/// has been told that it will not come, and decides for itself.
/// </summary>
internal static class UnsentCommands
{
    /// <summary>Commands that do not end within the first <paramref name="attempted"/> bytes, in their order.</summary>
    public static byte[] Of(ReadOnlySpan<byte> written, int attempted)
    {
        var kept = new List<byte>();
        for (var end = 0; end < written.Length;)
        {
            var command = First(written[end..], out var payload);
            end += command.Length;
            if (end > attempted && payload >= 0 && !AwaitsAnswer(command))
                kept.AddRange(command);
        }

        return [.. kept];
    }

    /// <summary>Leaves out what a server with a smaller bound would refuse, since that ends the connection.</summary>
    public static byte[] Within(byte[] commands, long maxPayload)
    {
        var kept = new List<byte>();
        for (var rest = commands.AsSpan(); !rest.IsEmpty;)
        {
            var command = First(rest, out var payload);
            rest = rest[command.Length..];
            if (payload <= maxPayload)
                kept.AddRange(command);
        }

        return [.. kept];
    }

    /// <summary>The first command, whole; its payload with headers in bytes, or -1 when it is not a publish.</summary>
    private static ReadOnlySpan<byte> First(ReadOnlySpan<byte> commands, out int payload)
    {
        var lineEnd = commands.IndexOf((byte)'\n') + 1;
        var line = commands[..(lineEnd - 2)];
        payload = -1;
        if (!line.StartsWith("PUB "u8) && !line.StartsWith("HPUB "u8))
            return commands[..lineEnd];
        payload = Digits.TryParse(line[(line.LastIndexOf((byte)' ') + 1)..], out var size) ? (int)size : 0;
        return commands[..(lineEnd + payload + 2)];
    }

    private static bool AwaitsAnswer(ReadOnlySpan<byte> publish)
        => publish[..publish.IndexOf((byte)'\r')].LastIndexOf(" _INBOX"u8) > publish.IndexOf((byte)' ');
}
