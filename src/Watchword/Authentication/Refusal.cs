using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace Watchword.Authentication;

/// <summary>The body of an answer 401 or 403.</summary>
/// <param name="Error">The status in words.</param>
/// <param name="Message">Why, for a person.</param>
internal sealed record Refusal(string Error, string Message)
{
    public static Task WriteAsync(HttpResponse response, int status, string message)
    {
        response.StatusCode = status;
        return response.WriteAsJsonAsync(new(ReasonPhrases.GetReasonPhrase(status), message), RefusalJson.Default.Refusal);
    }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(Refusal))]
internal sealed partial class RefusalJson : JsonSerializerContext;
