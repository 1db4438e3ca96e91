using System.Text.Json;

namespace Watchword.Server.Http;

/// <summary>
/// A request's JSON object. Each field is asked for with its rule; <see cref="ThrowIfInvalid"/> then reports all
/// faults together.
/// </summary>
internal sealed class RequestBody
{
    /// <summary>The largest body that is read, in bytes.</summary>
    public const int MaxBytes = 64 * 1024;

    private readonly Dictionary<string, JsonElement> _members = [];
    private readonly HashSet<string> _twice = [];
    private readonly Dictionary<string, string> _faults;
    private readonly string _path;

    private RequestBody(JsonElement json, string path, Dictionary<string, string> faults)
    {
        (_path, _faults) = (path, faults);
        foreach (var member in json.EnumerateObject())
            if (!_members.TryAdd(member.Name, member.Value))
                _twice.Add(member.Name);
    }

    /// <summary>413.</summary>
    public static ApiException TooLarge() => new(StatusCodes.Status413PayloadTooLarge, $"The body is larger than {MaxBytes / 1024} KiB");

    /// <exception cref="ApiException">415: not JSON by its content type; 400: not a JSON object.</exception>
    public static async Task<RequestBody> ReadAsync(HttpRequest request)
    {
        if (!request.HasJsonContentType())
            throw new ApiException(StatusCodes.Status415UnsupportedMediaType, "Send JSON, with the header Content-Type: application/json");
        try
        {
            using var document = await JsonDocument.ParseAsync(request.Body, default, request.HttpContext.RequestAborted);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? new RequestBody(document.RootElement.Clone(), "", [])
                : throw new ApiException(StatusCodes.Status400BadRequest, "Invalid input: the body must be a JSON object");
        }
        catch (InvalidOperationException)   // a member's name, or half of a surrogate pair in one
        {
            throw new ApiException(StatusCodes.Status400BadRequest, "Invalid input: the body's member names must be valid Unicode");
        }
        catch (JsonException e)
        {
            throw new ApiException(StatusCodes.Status400BadRequest, $"Invalid input: the body is not valid JSON (line {e.LineNumber + 1}, byte {e.BytePositionInLine})");
        }
    }

    /// <summary>A text of <paramref name="min"/> to <paramref name="max"/> UTF-16 code units; empty when it is at fault.</summary>
    public string Text(string field, int min, int max)
    {
        if (Find(field) is not { } text)
            return "";
        if (text.Length < min || text.Length > max)
            Fault(field, min == max ? $"must have {min} characters" : $"must have {min} to {max} characters, not {text.Length}");
        else
            return text;
        return "";
    }

    /// <summary>An e-mail address, in lower case.</summary>
    public string Email(string field)
    {
        if (Find(field) is not { } text)
            return "";
        if (EmailAddress.IsValid(text))
            return text.ToLowerInvariant();
        Fault(field, "must be an e-mail address such as ada@example.com");
        return "";
    }

    /// <summary>As <see cref="Text"/>; null when it is absent.</summary>
    public string? TextIfAny(string field, int min, int max) => Has(field) && Text(field, min, max) is { Length: > 0 } text ? text : null;

    /// <summary>A whole number from 0 on; null when it is absent or at fault.</summary>
    public ulong? WholeIfAny(string field)
    {
        if (!Has(field))
            return null;
        if (_members[field].ValueKind == JsonValueKind.Number && _members[field].TryGetInt64(out var number) && number >= 0 && !_twice.Contains(field))
            return (ulong)number;
        Fault(field, "must be a whole number");
        return null;
    }

    /// <summary>An object, whose faults are reported with this one's; null when it is at fault.</summary>
    public RequestBody? Object(string field)
    {
        if (!Has(field))
            Fault(field, "is missing");
        else if (_twice.Contains(field))
            Fault(field, "must occur once");
        else if (_members[field].ValueKind != JsonValueKind.Object)
            Fault(field, "must be an object");
        else
            return Nested(field);
        return null;
    }

    /// <summary>Refuses members that nobody asks for, and null: where a field narrows what is done, a misspelt one must not mean everything.</summary>
    public void Only(params string[] fields)
    {
        foreach (var (name, value) in _members)
            if (!fields.Contains(name, StringComparer.Ordinal))
                Fault(name, $"is unknown: choose from {string.Join(", ", fields)}");
            else if (value.ValueKind == JsonValueKind.Null)
                Fault(name, "is null: leave it out instead");
    }

    /// <summary>Whether no fault was found so far, here or in the object that this one is part of.</summary>
    public bool IsValid => _faults.Count == 0;

    /// <summary>Reports what no rule here finds.</summary>
    public void Fault(string field, string fault) => _faults[_path + field] = fault;

    /// <exception cref="ApiException">400, naming every field that is at fault.</exception>
    public void ThrowIfInvalid()
    {
        if (_faults.Count > 0)
            throw ApiException.InvalidFields(_faults);
    }

    private RequestBody? Nested(string field)
    {
        try
        {
            return new(_members[field], $"{_path}{field}.", _faults);
        }
        catch (InvalidOperationException)   // half of a surrogate pair in a member's name
        {
            Fault(field, "must have member names in valid Unicode");
            return null;
        }
    }

    private bool Has(string field) => _members.TryGetValue(field, out var value) && value.ValueKind != JsonValueKind.Null;

    private string? Find(string field)
    {
        if (!_members.TryGetValue(field, out var value) || value.ValueKind == JsonValueKind.Null)
            Fault(field, "is missing");
        else if (_twice.Contains(field))
            Fault(field, "must occur once");   // readers differ in which of the two they believe
        else if (value.ValueKind != JsonValueKind.String)
            Fault(field, "must be a text in quotes");
        else
            return Decode(field, value);
        return null;
    }

    private string? Decode(string field, JsonElement value)
    {
        string text;
        try
        {
            text = value.GetString()!;
        }
        catch (InvalidOperationException)   // half of a surrogate pair, as \ud800
        {
            Fault(field, "must be valid Unicode");
            return null;
        }
        // PostgreSQL stores no NUL, and nobody types one.
        if (!text.Contains('\0', StringComparison.Ordinal))
            return text;
        Fault(field, "must not contain NUL characters");
        return null;
    }
}
