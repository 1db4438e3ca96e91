using System.Globalization;

namespace Watchword.Server.Http;

/// <summary>
/// A request's query. Each field is asked for with its rule; <see cref="ThrowIfInvalid"/> then reports all faults
/// together, and names that nobody asks for: a misspelt filter must not choose everything.
/// </summary>
internal sealed class RequestQuery
{
    private readonly IQueryCollection _query;
    private readonly Dictionary<string, string> _faults = [];

    public RequestQuery(IQueryCollection query, params string[] fields)
    {
        _query = query;
        foreach (var name in query.Keys.Except(fields, StringComparer.OrdinalIgnoreCase))
            _faults[name] = $"is unknown: choose from {string.Join(", ", fields)}";
    }

    /// <summary>Null when it is absent or at fault.</summary>
    public string? Text(string field)
    {
        if (!_query.TryGetValue(field, out var values))
            return null;
        if (values is not [{ Length: > 0 } text])
            Fault(field, values.Count > 1 ? "is given more than once: choose one" : "is empty: leave it out instead");
        else if (text.Contains('\0', StringComparison.Ordinal))
            Fault(field, "must not contain NUL characters");
        else
            return text;
        return null;
    }

    /// <summary>A whole number from 0 on; null when it is absent or at fault.</summary>
    public ulong? Whole(string field)
    {
        if (Text(field) is not { } text)
            return null;
        if (ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= long.MaxValue)
            return number;
        Fault(field, "must be a whole number");
        return null;
    }

    /// <summary>Reports what no rule here finds; of a field's faults the first is told.</summary>
    public void Fault(string field, string fault) => _faults.TryAdd(field, fault);

    /// <exception cref="ApiException">400, naming every field that is at fault.</exception>
    public void ThrowIfInvalid()
    {
        if (_faults.Count > 0)
            throw ApiException.InvalidFields(_faults);
    }
}
