using System.Text;
using FsCheck;
using FsCheck.Fluent;
using NATS.Client.Core;
using Watchword.Events.Contracts;

namespace Watchword.Tests.Events.Contracts;

/// <summary>Whatever the bytes: an event or a reason, never an exception.</summary>
public class EventReaderPropertyTests
{
    private static readonly string[] Pieces =
    [
        "\"", "\\", "{", "}", "[", "]", ":", ",", "null", "true", "1e999", "-1", "0", "99999999999999999999", "\\u0000", "\\ud800", "\\udfff", "\0", "\uFFFE", "é", "😀",
        "\"2026-01-01\"", "\"0001-01-01T00:00:00+14:00\"", "\"9999-12-31T23:59:59.9999999-14:00\"", "[null]", "{}", "\"data\":", "\"userId\":", "\"schemaVersion\":", "\"metadata\":null,", "\"context\":{\"country\":7},",
    ];

    private static Gen<EventType> Type => Gen.Elements(EventCatalogue.All.ToArray());

    private static Gen<byte[]> Piece => Gen.OneOf(
        Gen.Elements(Pieces).Select(Encoding.UTF8.GetBytes),
        Gen.Choose(1, 4).SelectMany(n => Gen.ArrayOf(Gen.Choose(0, 255).Select(b => (byte)b), n)));

    /// <summary>An event of the catalogue, of this or another kind, in some places replaced, doubled, cut, or with other text in it.</summary>
    private static Gen<byte[]> Mutated =>
        from type in Type
        from edits in Gen.Choose(1, 5).SelectMany(n => Gen.ArrayOf(
            from at in Gen.Choose(0, 9999)
            from length in Gen.Choose(0, 24)
            from what in Gen.Choose(0, 4)
            from piece in Piece
            select (at, length, what, piece), n))
        select edits.Aggregate(EventExamples.Of(type), (body, edit) => Edit(body, body.Length == 0 ? 0 : edit.at % body.Length, edit.length, edit.what, edit.piece));

    /// <summary>Well-formed, with the value of one of its members replaced.</summary>
    private static Gen<byte[]> Replaced =>
        from type in Type
        from at in Gen.Choose(0, 99)
        from value in Gen.Elements("null", "7", "-1", "1.5", "1e400", "true", "\"\"", "\"x\"", "[]", "{}", "[[]]", "[null]", "{\"a\":{}}", "\"2026-01-01T00:00:00\"", "\"\\ud800\"", "\"\\u0000\"")
        select ReplaceValue(EventExamples.Of(type), at, value);

    private static Gen<byte[]> Noise => Gen.Choose(0, 300).SelectMany(n => Gen.ArrayOf(Gen.Choose(0, 255).Select(b => (byte)b), n));

    [Fact]
    public void Random_mutations_are_read_or_refused_with_a_reason()
    {
        var headers = new NatsHeaders { { "Nats-Msg-Id", "m" } };
        var (read, refused) = (0, 0);
        foreach (var (type, payload) in Type.SelectMany(t => Gen.OneOf(Mutated, Mutated, Replaced, Noise).Select(p => (t, p))).Sample(6000))
            foreach (var asked in new[] { type, EventCatalogue.All.FirstOrDefault(t => payload.AsSpan().IndexOf(Encoding.UTF8.GetBytes($"\"{t.Subject}\"")) >= 0) ?? type })
            {
                object? found;
                string fault;
                try
                {
                    found = EventReader.Read(asked, payload, headers, out fault);
                }
                catch (Exception e)
                {
                    throw new InvalidOperationException($"{asked.Subject} {Convert.ToBase64String(payload)}", e);
                }
                Assert.True(found is null == fault.Length > 0, $"{asked.Subject} {Convert.ToBase64String(payload)}: '{fault}'");
                _ = found is null ? refused++ : read++;
            }
        // Both happen, or the mutations are too mild or too wild to tell anything.
        Assert.True(read > 100 && refused > 1000, $"{read} read, {refused} refused");
    }

    private static byte[] Edit(byte[] body, int at, int length, int what, byte[] piece) => what switch
    {
        0 => [.. body[..at], .. piece, .. body.Skip(at + length)],
        1 => [.. body[..at], .. piece, .. body[at..]],
        2 => [.. body[..at], .. body.Skip(at).Take(length), .. body[at..]],
        3 => [.. body[..at], .. body.Skip(at + length)],
        _ => body[..at],
    };

    private static byte[] ReplaceValue(byte[] body, int number, string value)
    {
        var text = Encoding.UTF8.GetString(body);
        var colons = Enumerable.Range(0, text.Length - 1).Where(i => text[i] == ':' && text[i - 1] == '"').ToArray();
        var from = colons[number % colons.Length] + 1;
        var to = text.IndexOfAny([',', '}'], from);
        return Encoding.UTF8.GetBytes(text[..from] + value + text[to..]);
    }
}
