using System.Text.Json;

namespace Watchword.Server.Http;

/// <summary>Reads the JSON object in a request's body.</summary>
internal static class JsonBody
{
    /// <summary>The largest body that is read, in bytes.</summary>
    public const int MaxBytes = 64 * 1024;

    /// <summary>413.</summary>
    public static ApiException TooLarge() => new(StatusCodes.Status413PayloadTooLarge, $"The body is larger than {MaxBytes / 1024} KiB");

    /// <exception cref="ApiException">415: the content type is not JSON; 400: the body is not a JSON object.</exception>
    public static async Task<RequestFields> ReadAsync(HttpRequest request)
    {
        if (!request.HasJsonContentType())
            throw new ApiException(StatusCodes.Status415UnsupportedMediaType, "Send JSON, with the header Content-Type: application/json");
        try
        {
            using var document = await JsonDocument.ParseAsync(request.Body, default, request.HttpContext.RequestAborted);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? RequestFields.Of(document.RootElement.Clone())
                : throw Invalid("the body must be a JSON object");
        }
        catch (InvalidOperationException)   // a member name with half of a surrogate pair
        {
            throw Invalid("the body's member names must be valid Unicode");
        }
        catch (JsonException e)
        {
            throw Invalid($"the body is not valid JSON (line {e.LineNumber + 1}, byte {e.BytePositionInLine})");
        }
    }

    private static ApiException Invalid(string fault) => new(StatusCodes.Status400BadRequest, "Invalid input: " + fault);
}
