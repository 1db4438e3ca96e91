using System.Buffers;
using System.Text;
using System.Text.Json;
using NATS.Client.Core;

namespace Watchword.Events.Erasure;

/// <summary>
/// Tells whether an event is about a person: by the user's id, or by an address or a telephone number of theirs. The
/// addresses are learned from the person's own events, since the account may be gone.
/// </summary>
public sealed class PersonTraces(string userId)
{
    /// <summary>What remains in the streams: it holds nothing of the person but the id.</summary>
    internal const string ErasedSubject = "user.erased";

    private const string UserIdName = "userId";
    private static readonly string[] LearnedNames = ["email", "phone"];
    private static readonly SearchValues<char> AddressCharacters = SearchValues.Create("._%+-@");

    private readonly HashSet<string> _texts = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>The person's id.</summary>
    public string UserId { get; } = userId;

    /// <summary>The addresses and numbers.</summary>
    public IReadOnlyCollection<string> Texts => _texts;

    /// <summary>Adds an address or a number; empty ones are ignored.</summary>
    public void Add(string? text)
    {
        if (!string.IsNullOrWhiteSpace(text))
            _texts.Add(text.Trim());
    }

    /// <summary>An address that belongs to somebody else by now is no trace of this person.</summary>
    public void Remove(string text) => _texts.Remove(text);

    /// <summary>Adds the addresses and numbers of one of the person's own events.</summary>
    public void Learn(string? key, ReadOnlySpan<byte> payload)
    {
        var found = new List<string>();
        var read = Read(payload, (name, value) =>
        {
            if (LearnedNames.Contains(name, StringComparer.OrdinalIgnoreCase))
                found.Add(value);
        });
        if (read.Mine || key == UserId && !read.Others)
            found.ForEach(Add);
    }

    /// <summary>Whether an event is about the person. One that names another user is that user's, whatever else it holds.</summary>
    /// <param name="subject">What it was published to.</param>
    /// <param name="key">The user or organization, where that is known.</param>
    /// <param name="payload">Its content; it need not be JSON.</param>
    /// <param name="headers">Their texts count too: a dead letter's reason can quote the event.</param>
    public bool IsIn(string subject, string? key, ReadOnlySpan<byte> payload, NatsHeaders? headers = null)
    {
        if (subject == ErasedSubject)
            return false;
        if (key == UserId)
            return true;
        var named = false;
        var read = Read(payload, (_, value) => named |= IsNamedIn(value));
        if (!read.IsJson && Encoding.UTF8.GetString(payload) is var raw)
            named |= IsNamedIn(raw) || Holds(raw, UserId);
        named |= headers?.Any(h => h.Value.Any(v => v is not null && IsNamedIn(v))) ?? false;
        return read.Mine || named && !read.Others;
    }

    /// <summary>Whether a text holds one of the addresses or numbers.</summary>
    public bool IsNamedIn(string text)
    {
        foreach (var trace in _texts)
            if (Holds(text, trace))
                return true;
        return false;
    }

    // Not within a longer address: ada@example.com is neither in grada@example.com nor in ada@example.com.au.
    private static bool Holds(string text, string trace)
    {
        for (var at = 0; (at = text.IndexOf(trace, at, StringComparison.OrdinalIgnoreCase)) >= 0; at++)
        {
            var end = at + trace.Length;
            var begins = at == 0 || !char.IsLetterOrDigit(text[at - 1]) && !AddressCharacters.Contains(text[at - 1]);
            var ends = end == text.Length || !char.IsLetterOrDigit(text[end]) && text[end] is not ('-' or '_')
                && !(text[end] == '.' && end + 1 < text.Length && char.IsLetterOrDigit(text[end + 1]));
            if (begins && ends)
                return true;
        }
        return false;
    }

    /// <summary>Whether the JSON names the person, or another user, and each of its texts with its name. Up to where it is no JSON.</summary>
    private (bool IsJson, bool Mine, bool Others) Read(ReadOnlySpan<byte> payload, Action<string, string> text)
    {
        var (mine, others, name) = (false, false, "");
        try
        {
            var json = new Utf8JsonReader(payload);
            while (json.Read())
            {
                if (json.TokenType == JsonTokenType.PropertyName)
                {
                    name = json.GetString()!;
                }
                else if (json.TokenType == JsonTokenType.String)
                {
                    var value = json.GetString()!;
                    if (name == UserIdName)
                        (mine, others) = (mine || value == UserId, others || value != UserId);
                    text(name, value);
                }
            }
            return (true, mine, others);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return (false, mine, others);   // not JSON, or half of a surrogate pair
        }
    }
}
