namespace Watchword.Server.Catalogue;

/// <summary>What is published, for machines.</summary>
internal static class CatalogueEndpoint
{
    public static void MapCatalogue(this IEndpointRouteBuilder app, bool finerSubjects)
    {
        // The same for as long as the process lives; made when somebody asks.
        var json = new Lazy<string>(() => AsyncApi.Document(finerSubjects).ToJsonString());
        app.MapGet("/asyncapi.json", () => Results.Text(json.Value, "application/json"));
    }
}
