using System.Text;
using System.Text.Json.Nodes;
using NATS.Client.Core;
using Watchword.Events.Contracts;

namespace Watchword.Tests.Events.Contracts;

/// <summary>What spec 1's own publisher writes, version 0, is read like our own.</summary>
public class UpcastTests
{
    private const string Foreign = """
        {"subject":"auth.user.logged_in",
         "data":{"userId":"u1","email":"ada@example.com","timestamp":"2025-11-02T12:00:00.000Z","ip":"192.168.1.100"},
         "metadata":{"service":"auth-service","version":"1.0.0","environment":"production"}}
        """;

    private static UserLoggedIn Read(string json, NatsHeaders? headers = null)
    {
        var read = EventReader.Read(EventCatalogue.Of(typeof(UserLoggedIn)), Encoding.UTF8.GetBytes(json), headers, out var fault);
        Assert.Equal("", fault);
        return Assert.IsType<UserLoggedIn>(read);
    }

    [Theory]
    [InlineData("auth.user.registered")]
    [InlineData("auth.user.logged_in")]
    [InlineData("auth.user.logged_out")]
    [InlineData("auth.user.token_refreshed")]
    public void Each_auth_event_of_version_0_is_raised(string subject)
    {
        var type = EventCatalogue.Find(subject)!;
        var json = JsonNode.Parse(EventExamples.Of(type))!.AsObject();
        foreach (var name in (string[])["eventId", "correlationId", "schemaVersion"])
            json["metadata"]!.AsObject().Remove(name);

        Assert.NotNull(EventReader.Read(type, Encoding.UTF8.GetBytes(json.ToJsonString()), out var fault));
        Assert.Equal("", fault);
    }

    [Fact]
    public void The_message_s_id_names_the_event_and_what_it_belongs_to()
    {
        var read = Read(Foreign, new() { { "Nats-Msg-Id", "msg-1" } });
        Assert.Equal(("msg-1", "msg-1", 1), (read.Metadata.EventId, read.Metadata.CorrelationId, read.Metadata.SchemaVersion));
        Assert.Equal(("auth-service", "192.168.1.100"), (read.Metadata.Service, read.Data.Ip));

        // A replay gives the message another id; the event keeps its own.
        Assert.Equal("event-1", Read(Foreign, new() { { "Nats-Msg-Id", "replay:msg-1" }, { "ce-id", "event-1" } }).Metadata.EventId);
        Assert.Equal("request-1", Read(Foreign, new() { { "Watchword-Correlation-Id", "request-1" } }).Metadata.CorrelationId);
    }

    [Fact]
    public void Without_an_id_the_body_names_itself_the_same_each_time()
    {
        var (once, twice, other) = (Read(Foreign), Read(Foreign), Read(Foreign.Replace("12:00:00", "12:00:01", StringComparison.Ordinal)));
        Assert.Equal(8, Guid.Parse(once.Metadata.EventId).Version);
        Assert.Equal(once.Metadata.EventId, twice.Metadata.EventId);
        Assert.NotEqual(once.Metadata.EventId, other.Metadata.EventId);
    }

    [Fact]
    public void What_version_0_demands_is_still_demanded()
    {
        Assert.Null(EventReader.Read(EventCatalogue.Of(typeof(UserLoggedIn)), Encoding.UTF8.GetBytes(Foreign.Replace("\"userId\":\"u1\",", "", StringComparison.Ordinal)), out var fault));
        Assert.Equal("data.userId is missing", fault);
        Assert.Null(EventReader.Read(EventCatalogue.Of(typeof(UserLoggedIn)), """{"subject":"auth.user.logged_in","data":{}}"""u8, out fault));
        Assert.Equal("data.userId is missing", fault);
    }

    [Fact]
    public void A_version_1_event_keeps_the_id_in_its_body()
    {
        var json = JsonNode.Parse(EventExamples.Of(EventCatalogue.Of(typeof(UserLoggedIn))))!;
        Assert.Equal(json["metadata"]!["eventId"]!.GetValue<string>(), Read(json.ToJsonString(), new() { { "Nats-Msg-Id", "other" } }).Metadata.EventId);
    }
}
