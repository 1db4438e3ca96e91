using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Watchword.Events.Contracts;
using Watchword.Server.Catalogue;

namespace Watchword.Tests.Events.Contracts;

/// <summary>The AsyncAPI document is valid, complete, and true.</summary>
public class AsyncApiTests(ServerFixture fixture)
{
    [Fact]
    public async Task The_official_parser_finds_nothing_to_object_to_in_what_the_server_answers()
    {
        var server = await fixture.StartedAsync();
        using var answer = await server.Http.GetAsync("/asyncapi.json", TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("application/json", answer.Content.Headers.ContentType!.MediaType);

        using var parsed = await ParseAsync(JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!);

        // It also informs that there is an AsyncAPI 3.1; tools that know 3.0 alone are many.
        Assert.Equal(["asyncapi-latest-version"], parsed.RootElement.GetProperty("diagnostics").EnumerateArray().Select(d => d.GetProperty("code").GetString()!));
        Assert.Empty(parsed.RootElement.GetProperty("invalid").EnumerateArray().Select(d => d.GetRawText()));
        Assert.Equal("3.0.0", parsed.RootElement.GetProperty("version").GetString());
        Assert.Equal(EventCatalogue.All.Select(t => t.Subject), parsed.RootElement.GetProperty("channels").EnumerateArray().Select(c => c.GetString()!));
        Assert.Equal(EventCatalogue.All.Count, parsed.RootElement.GetProperty("operations").GetInt32());
    }

    [Fact]
    public async Task The_official_parser_objects_to_a_broken_document_and_an_example_that_breaks_its_schema()
    {
        var document = AsyncApi.Document();
        document["components"]!["messages"]!["UserLoggedIn"]!["examples"]![0]!["payload"]!["data"]!["userId"] = 7;
        using var example = await ParseAsync(document);
        var fault = Assert.Single(example.RootElement.GetProperty("invalid").EnumerateArray());
        Assert.Equal(("UserLoggedIn", "/data/userId"), (fault.GetProperty("message").GetString(), fault.GetProperty("path").GetString()));

        document["channels"]!["user.sync"]!["messages"]!["UserSyncEvent"]!["$ref"] = "#/components/messages/Nobody";
        using var broken = await ParseAsync(document);
        Assert.Contains(broken.RootElement.GetProperty("diagnostics").EnumerateArray(), d => d.GetProperty("severity").GetString() == "error");
    }

    [Fact]
    public void Each_example_is_an_event_that_can_be_read()
    {
        var messages = AsyncApi.Document()["components"]!["messages"]!.AsObject();
        Assert.All(EventCatalogue.All, type =>
        {
            var example = messages[type.Record.Name]!["examples"]![0]!["payload"]!.ToJsonString();
            Assert.IsType(type.Record, EventReader.Read(type, Encoding.UTF8.GetBytes(example), out _));
        });
    }

    [Fact]
    public void Every_event_field_and_header_says_what_it_means()
    {
        var document = AsyncApi.Document();
        Assert.All(EventCatalogue.All, type =>
        {
            Assert.NotEqual("", document["components"]!["messages"]![type.Record.Name]!["summary"]!.GetValue<string>());
            Assert.NotEqual("", document["operations"]!["publish" + type.Record.Name]!["description"]!.GetValue<string>());
            Assert.All(EventSchema.Fields(type), field => Assert.NotEqual("", field.Meaning));
        });
        Assert.All(document["components"]!["schemas"]!["Headers"]!["properties"]!.AsObject(), h => Assert.NotEqual("", h.Value!["description"]!.GetValue<string>()));
    }

    [Fact]
    public void The_schema_demands_what_the_reader_demands()
    {
        var fields = EventSchema.Fields(EventCatalogue.Of(typeof(UserLoggedIn))).ToDictionary(f => f.Path);
        Assert.Equal(
            ["subject", "data", "data.userId", "data.email", "data.timestamp", "data.ip", "data.userAgent", "data.context", "data.context.country", "data.context.deviceFamily",
             "metadata", "metadata.service", "metadata.version", "metadata.environment", "metadata.eventId", "metadata.correlationId", "metadata.schemaVersion"], fields.Keys);
        Assert.Equal(("object", true), (fields["data"].Type, fields["data"].Required));
        Assert.Equal(("string", true), (fields["data.userId"].Type, fields["data.userId"].Required));
        Assert.Equal(("time", true), (fields["data.timestamp"].Type, fields["data.timestamp"].Required));
        Assert.Equal(("string or null", false), (fields["data.ip"].Type, fields["data.ip"].Required));
        Assert.Equal(("integer, default 1", false), (fields["metadata.schemaVersion"].Type, fields["metadata.schemaVersion"].Required));
        Assert.All(EventSchema.Fields(EventCatalogue.Of(typeof(UserSyncEvent))), f => Assert.False(f.Required));
    }

    private static async Task<JsonDocument> ParseAsync(JsonNode document) =>
        JsonDocument.Parse(await Node.RunAsync("asyncapi.mjs", new JsonObject { ["document"] = document.DeepClone(), ["payloads"] = new JsonArray() }.ToJsonString()));
}
