using System.Globalization;
using System.Text.Json;

namespace Watchword.Server.Http;

/// <summary>
/// The fields of a request, from its JSON body or its query. The endpoint asks for each field with its rule;
/// <see cref="ThrowIfInvalid"/> then reports every fault at once. Of a field's faults the first is reported.
/// </summary>
internal sealed class RequestFields
{
    private readonly Dictionary<string, Value> _values;
    private readonly HashSet<string> _repeated;
    private readonly Dictionary<string, string> _faults;
    private readonly string _path;

    private RequestFields(IEqualityComparer<string> names, string path, Dictionary<string, string> faults) =>
        (_values, _repeated, _path, _faults) = (new(names), new(names), path, faults);

    /// <summary>The fields of a JSON object. Their names are case-sensitive.</summary>
    /// <exception cref="InvalidOperationException">A name is not valid Unicode.</exception>
    public static RequestFields Of(JsonElement body) => Of(body, "", []);

    /// <summary>The fields of a query. Their names are not case-sensitive.</summary>
    public static RequestFields Of(IQueryCollection query)
    {
        var fields = new RequestFields(StringComparer.OrdinalIgnoreCase, "", []);
        foreach (var (name, values) in query)
        {
            fields._values[name] = new(default, values[0] ?? "");
            if (values.Count > 1)
                fields._repeated.Add(name);
        }
        return fields;
    }

    /// <summary>A text of <paramref name="min"/> to <paramref name="max"/> UTF-16 code units; empty if it is at fault.</summary>
    public string Text(string field, int min, int max)
    {
        if (Find(field) is not { } text)
            return "";
        if (text.Length >= min && text.Length <= max)
            return text;
        Fault(field, $"must have {min} to {max} characters, not {text.Length}");
        return "";
    }

    /// <summary>As <see cref="Text"/>; null if it is absent or at fault.</summary>
    public string? TextIfAny(string field, int min, int max) => Has(field) && Text(field, min, max) is { Length: > 0 } text ? text : null;

    /// <summary>An e-mail address in lower case; empty if it is at fault.</summary>
    public string Email(string field)
    {
        if (Find(field) is not { } text)
            return "";
        if (EmailAddress.IsValid(text))
            return text.ToLowerInvariant();
        Fault(field, "must be an e-mail address such as ada@example.com");
        return "";
    }

    /// <summary>A whole number, 0 or more; null if it is absent or at fault.</summary>
    public ulong? WholeIfAny(string field)
    {
        if (!Has(field) || !IsOnce(field))
            return null;
        if (_values[field].Whole is { } number)
            return number;
        Fault(field, "must be a whole number");
        return null;
    }

    /// <summary>An object, whose faults are reported with those of this one; null if it is at fault.</summary>
    public RequestFields? Object(string field)
    {
        if (!Has(field))
            Fault(field, "is missing");
        else if (IsOnce(field) && _values[field].Json.ValueKind != JsonValueKind.Object)
            Fault(field, "must be an object");
        else if (IsOnce(field))
            return Nested(field);
        return null;
    }

    /// <summary>Refuses unknown fields and null: a misspelt filter must not select everything.</summary>
    public void Only(params string[] fields)
    {
        foreach (var (name, value) in _values)
            if (!fields.Contains(name, _values.Comparer))
                Fault(name, $"is unknown: choose from {string.Join(", ", fields)}");
            else if (value.IsNull)
                Fault(name, "is null: leave it out instead");
    }

    /// <summary>Whether no fault was found so far, here or in the object that this one is part of.</summary>
    public bool IsValid => _faults.Count == 0;

    /// <summary>Adds a fault that the endpoint found.</summary>
    public void Fault(string field, string fault) => _faults.TryAdd(_path + field, fault);

    /// <exception cref="ApiException">400, with the fault of every field.</exception>
    public void ThrowIfInvalid()
    {
        if (_faults.Count > 0)
            throw ApiException.InvalidFields(_faults);
    }

    private static RequestFields Of(JsonElement json, string path, Dictionary<string, string> faults)
    {
        var fields = new RequestFields(StringComparer.Ordinal, path, faults);
        foreach (var member in json.EnumerateObject())
            if (!fields._values.TryAdd(member.Name, new(member.Value, null)))
                fields._repeated.Add(member.Name);
        return fields;
    }

    private RequestFields? Nested(string field)
    {
        try
        {
            return Of(_values[field].Json, $"{_path}{field}.", _faults);
        }
        catch (InvalidOperationException)   // a member name with half of a surrogate pair
        {
            Fault(field, "must have member names in valid Unicode");
            return null;
        }
    }

    private bool Has(string field) => _values.TryGetValue(field, out var value) && !value.IsNull;

    // Parsers differ in which of two values they take.
    private bool IsOnce(string field)
    {
        if (!_repeated.Contains(field))
            return true;
        Fault(field, "must occur once");
        return false;
    }

    private string? Find(string field)
    {
        if (!Has(field))
            Fault(field, "is missing");
        else if (!IsOnce(field))
            return null;
        else if (!_values[field].IsText)
            Fault(field, "must be a string");
        else if (_values[field].Decode() is not { } text)
            Fault(field, "must be valid Unicode");
        else if (text.Contains('\0', StringComparison.Ordinal))   // PostgreSQL cannot store it
            Fault(field, "must not contain NUL characters");
        else
            return text;
        return null;
    }

    /// <summary>A JSON value, or the text of a query.</summary>
    private readonly record struct Value(JsonElement Json, string? Query)
    {
        public bool IsNull => Query is null && Json.ValueKind == JsonValueKind.Null;

        public bool IsText => Query is not null || Json.ValueKind == JsonValueKind.String;

        public ulong? Whole => Query is not null
            ? ulong.TryParse(Query, NumberStyles.None, CultureInfo.InvariantCulture, out var parsed) && parsed <= long.MaxValue ? parsed : null
            : Json.ValueKind == JsonValueKind.Number && Json.TryGetInt64(out var number) && number >= 0 ? (ulong)number : null;

        /// <summary>Null for half of a surrogate pair, as in <c>"\ud800"</c>.</summary>
        public string? Decode()
        {
            try
            {
                return Query ?? Json.GetString();
            }
            catch (InvalidOperationException)
            {
                return null;
            }
        }
    }
}
