namespace Watchword.Events.Replay;

/// <summary>NATS subjects with wildcards: <c>*</c> stands for one token, a final <c>&gt;</c> for one or more.</summary>
public static class SubjectPattern
{
    private const int MaxLength = 512;   // characters

    /// <summary>Whether a pattern matches a subject.</summary>
    public static bool Covers(ReadOnlySpan<char> pattern, ReadOnlySpan<char> subject)
    {
        while (true)
        {
            if (pattern is ">")
                return subject.Length > 0;
            var (mine, theirs) = (pattern.IndexOf('.'), subject.IndexOf('.'));
            var token = mine < 0 ? pattern : pattern[..mine];
            if (token is not "*" && !token.SequenceEqual(theirs < 0 ? subject : subject[..theirs]))
                return false;
            if (mine < 0 || theirs < 0)
                return mine < 0 && theirs < 0;
            pattern = pattern[(mine + 1)..];
            subject = subject[(theirs + 1)..];
        }
    }

    /// <summary>Whether some subject matches both patterns.</summary>
    public static bool Overlaps(ReadOnlySpan<char> one, ReadOnlySpan<char> other)
    {
        while (true)
        {
            if (one is ">" || other is ">")
                return one.Length > 0 && other.Length > 0;
            var (mine, theirs) = (one.IndexOf('.'), other.IndexOf('.'));
            var token = mine < 0 ? one : one[..mine];
            var counterpart = theirs < 0 ? other : other[..theirs];
            if (token is not "*" && counterpart is not "*" && !token.SequenceEqual(counterpart))
                return false;
            if (mine < 0 || theirs < 0)
                return mine < 0 && theirs < 0;
            one = one[(mine + 1)..];
            other = other[(theirs + 1)..];
        }
    }

    /// <summary>Whether it can be the name of a stream or a consumer.</summary>
    public static bool IsName(string name) =>
        !string.IsNullOrEmpty(name) && !name.Any(c => c is '.' or '*' or '>' or '/' or '\\' || char.IsWhiteSpace(c) || char.IsControl(c));

    /// <summary>What is wrong with a subject, to follow its name in a sentence; null when it is valid.</summary>
    public static string? Fault(string pattern)
    {
        if (pattern.Length is 0 or > MaxLength)
            return $"has {pattern.Length} characters: a subject has 1 to {MaxLength}";
        if (pattern.Any(c => char.IsWhiteSpace(c) || char.IsControl(c)))
            return $"is '{string.Concat(pattern.Select(c => char.IsControl(c) ? ' ' : c))}': a subject has no blanks";
        var tokens = pattern.Split('.');
        if (tokens.Any(t => t.Length == 0))
            return $"is '{pattern}': it has an empty token between its dots";
        return tokens.AsSpan(..^1).Contains(">") ? $"is '{pattern}': the wildcard > can only stand at the end" : null;
    }
}
