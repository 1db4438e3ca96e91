namespace Watchword.Server.Catalogue;

/// <summary>Serves the event catalogue for programs.</summary>
internal static class CatalogueEndpoint
{
    public static void MapCatalogue(this IEndpointRouteBuilder app)
    {
        // It never changes while the process runs, so it is made once, at the first request.
        var json = new Lazy<string>(() => AsyncApi.Document().ToJsonString());
        app.MapGet("/asyncapi.json", () => Results.Text(json.Value, "application/json"));
    }
}
