namespace Watchword.Server.Catalogue;

/// <summary>What is published, for machines.</summary>
internal static class CatalogueEndpoint
{
    // The same for as long as the process lives; made when somebody asks.
    private static readonly Lazy<string> Json = new(() => AsyncApi.Document().ToJsonString());

    public static void MapCatalogue(this IEndpointRouteBuilder app) =>
        app.MapGet("/asyncapi.json", () => Results.Text(Json.Value, "application/json"));
}
