using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using NATS.Client.Core;
using Watchword.Events.Contracts;

namespace Watchword.Tests.Events.Contracts;

/// <summary>Events are read, or refused with a reason that names the field.</summary>
public class EventReaderTests
{
    private static readonly EventType LoggedIn = EventCatalogue.Of(typeof(UserLoggedIn));
    private static readonly EventType Sync = EventCatalogue.Of(typeof(UserSyncEvent));
    private static readonly EventType Joined = EventCatalogue.Of(typeof(OrganizationMembershipCreated));
    private static readonly EventType Organization = EventCatalogue.Of(typeof(OrganizationCreated));

    public static TheoryData<string> Subjects => [.. EventCatalogue.All.Select(t => t.Subject)];

    private static JsonObject Example(EventType type) => JsonNode.Parse(EventExamples.Of(type))!.AsObject();

    private static string FaultOf(EventType type, ReadOnlySpan<byte> payload)
    {
        Assert.Null(EventReader.Read(type, payload, out var fault));
        return fault;
    }

    private static string FaultOf(EventType type, Action<JsonObject> change)
    {
        var json = Example(type);
        change(json);
        return FaultOf(type, Encoding.UTF8.GetBytes(json.ToJsonString()));
    }

    // The field that holds the event's key, as its record names it.
    private static string KeyOf(EventType type)
    {
        var read = EventReader.Read(type, EventExamples.Of(type), out _)!;
        return ((IKeyed)read.GetType().GetProperty("Data")!.GetValue(read)!).Key.Field;
    }

    private static T Read<T>(JsonObject json, NatsHeaders? headers = null)
    {
        var read = EventReader.Read(EventCatalogue.Of(typeof(T)), Encoding.UTF8.GetBytes(json.ToJsonString()), headers, out var fault);
        Assert.Equal("", fault);
        return Assert.IsType<T>(read);
    }

    [Theory]
    [MemberData(nameof(Subjects))]
    public void Each_event_is_read_into_its_record_and_written_back_as_it_was(string subject)
    {
        var type = EventCatalogue.Find(subject)!;
        var payload = EventExamples.Of(type);

        var read = EventReader.Read(type, payload, out var fault);

        Assert.Equal("", fault);
        Assert.IsType(type.Record, read);
        Assert.Equal(Encoding.UTF8.GetString(payload), Encoding.UTF8.GetString(JsonSerializer.SerializeToUtf8Bytes(read, type.Json)));
    }

    [Theory]
    [MemberData(nameof(Subjects))]
    public void A_field_that_is_unknown_is_passed_over_wherever_it_stands(string subject)
    {
        var type = EventCatalogue.Find(subject)!;
        var json = Example(type);
        foreach (var holder in new[] { json, json["data"], json["metadata"] }.OfType<JsonObject>().ToList())
            holder["addedLater"] = JsonNode.Parse("""{"a":[1,{"b":null}]}""");

        Assert.NotNull(EventReader.Read(type, Encoding.UTF8.GetBytes(json.ToJsonString()), out var fault));
        Assert.Equal("", fault);
    }

    [Theory]
    [MemberData(nameof(Subjects))]
    public void Each_required_field_that_is_missing_null_or_of_a_wrong_type_is_refused_by_its_path(string subject)
    {
        var type = EventCatalogue.Find(subject)!;
        var refused = new List<string>();
        foreach (var path in Paths(Example(type), "").ToList())
        {
            if (FaultWith(type, path, remove: true) is { } missing)
            {
                Assert.Equal($"{path} is missing", missing);
                Assert.Equal($"{path} is missing", FaultWith(type, path, replacement: null));
                refused.Add(path);
            }
            // An array stands for nothing but an array, an object for none.
            var wrong = FaultWith(type, path, replacement: Example(type)["data"]![path.Split('.')[^1]] is JsonArray ? new JsonObject() : new JsonArray());
            Assert.Equal(path.EndsWith("schemaVersion", StringComparison.Ordinal) || wrong is not null ? $"{path} has the wrong type" : null, wrong);
        }
        string[] demanded = type == Sync ? [] : type.Stream == Streams.IdentityChanges.Name
            ? ["event", "timestamp", "data", KeyOf(type), "id", "version"]
            : ["subject", "data", type.Record == typeof(UserLoginFailed) ? "data.email" : "data.userId", "data.timestamp", "metadata", "metadata.service", "metadata.environment"];
        Assert.Empty(demanded.Except(refused));
        Assert.DoesNotContain(refused, p => p.EndsWith("schemaVersion", StringComparison.Ordinal) || p is "data.ip" or "data.logo" or "data.context");
    }

    [Fact]
    public void The_reason_is_plain()
    {
        Assert.Equal("data.userId is missing", FaultOf(LoggedIn, e => e["data"]!.AsObject().Remove("userId")));
        Assert.Equal("data.userId has the wrong type", FaultOf(LoggedIn, e => e["data"]!["userId"] = 42));
        Assert.Equal("data.userId is empty", FaultOf(LoggedIn, e => e["data"]!["userId"] = ""));
        Assert.Equal("data.timestamp has the wrong type", FaultOf(LoggedIn, e => e["data"]!["timestamp"] = "yesterday"));
        Assert.Equal("data has the wrong type", FaultOf(LoggedIn, e => e["data"] = "x"));
        Assert.Equal("data.organizationId is empty", FaultOf(Joined, e => e["data"]!["organizationId"] = ""));
        Assert.Equal("data.email is empty", FaultOf(EventCatalogue.Of(typeof(UserLoginFailed)), e => e["data"]!["email"] = ""));
        Assert.Equal("data.userId is empty", FaultOf(EventCatalogue.Of(typeof(SessionRevoked)), e => e["data"]!["userId"] = ""));
        Assert.Equal("data.ownerId is empty", FaultOf(EventCatalogue.Of(typeof(ApiKeyCreated)), e => e["data"]!["ownerId"] = ""));
        Assert.Equal("data.roles[0] has the wrong type", FaultOf(Joined, e => e["data"]!["roles"] = new JsonArray((JsonNode?)null)));
        Assert.Equal("data.roles[1] has the wrong type", FaultOf(Joined, e => e["data"]!["roles"] = new JsonArray("owner", 7)));
        Assert.Equal("version must be positive", FaultOf(Joined, e => e["version"] = 0));
        Assert.Equal("version has the wrong type", FaultOf(Joined, e => e["version"] = 1e30));
    }

    [Fact]
    public void A_time_more_than_a_day_ahead_is_refused_where_no_version_orders_the_event()
    {
        var (tomorrow, later) = (DateTimeOffset.UtcNow.AddHours(23), DateTimeOffset.UtcNow.AddHours(25));
        Assert.Matches("^data.timestamp .* lies more than a day ahead: check the publisher's clock$", FaultOf(LoggedIn, e => e["data"]!["timestamp"] = later));
        Assert.Matches("^timestamp .* lies more than a day ahead", FaultOf(Sync, e => { e["timestamp"] = later; e.Remove("version"); }));

        var soon = Example(LoggedIn);
        soon["data"]!["timestamp"] = tomorrow;
        Assert.Equal(tomorrow, Read<UserLoggedIn>(soon).Data.Timestamp);
        var versioned = Example(Organization);
        versioned["timestamp"] = later;
        Assert.Equal(later, Read<OrganizationCreated>(versioned).Timestamp);
    }

    [Theory]
    [InlineData("2026-01-15T09:30:00Z", "2026-01-15T09:30:00.000Z")]
    [InlineData("2026-01-15T10:30:00+01:00", "2026-01-15T09:30:00.000Z")]
    [InlineData("2026-01-15T09:30:00.1259", "2026-01-15T09:30:00.125Z")]   // of no zone: UTC, not this machine's
    public void A_time_is_read_in_any_zone_and_written_in_UTC(string written, string utc)
    {
        var json = Example(LoggedIn);
        json["data"]!["timestamp"] = written;
        var again = JsonSerializer.SerializeToNode(Read<UserLoggedIn>(json), LoggedIn.Json)!;
        Assert.Equal(utc, again["data"]!["timestamp"]!.GetValue<string>());
    }

    [Fact]
    public void What_enrichers_add_to_the_context_is_kept()
    {
        var json = Example(LoggedIn);
        json["data"]!["context"] = JsonNode.Parse("""{"country":"NL","asn":64500,"risk":{"score":0.5}}""");

        var context = Read<UserLoggedIn>(json).Data.Context!;

        Assert.Equal(("NL", null, 64500), (context.Country, context.DeviceFamily, context.Others!["asn"].GetInt32()));
        Assert.True(JsonNode.DeepEquals(json, JsonSerializer.SerializeToNode(Read<UserLoggedIn>(json), LoggedIn.Json)));
    }

    [Fact]
    public void The_event_of_a_foreign_publisher_needs_neither_id_nor_version()
    {
        var json = JsonNode.Parse("""{"event":"user.created","timestamp":"2024-04-16T10:30:00Z","data":{"userId":"u","email":"u@example.com"}}""")!.AsObject();
        var read = Read<UserSyncEvent>(json);
        Assert.Equal((null, null, null), (read.Id, read.Version, read.SchemaVersion));
        Assert.True(read.Data!.IsActive);
    }

    [Fact]
    public void An_event_of_a_newer_form_is_refused_whatever_else_it_holds()
    {
        const string Reason = "schemaVersion 2 is newer than 1, which this build reads: update this service";
        Assert.Equal(Reason, FaultOf(LoggedIn, e => e["metadata"]!["schemaVersion"] = 2));
        Assert.Equal(Reason, FaultOf(LoggedIn, e => { e["metadata"]!["schemaVersion"] = 2; e.Remove("data"); }));
        Assert.Equal(Reason, FaultOf(Sync, e => e["schemaVersion"] = 2));
        Assert.Equal("schemaVersion 0 is older than 1, and this build has no upcast from it", FaultOf(Joined, e => e["schemaVersion"] = 0));
        Assert.Equal("schemaVersion -1 is older than 1, and this build has no upcast from it", FaultOf(LoggedIn, e => e["metadata"]!["schemaVersion"] = -1));
        Assert.Equal("metadata.schemaVersion has the wrong type", FaultOf(LoggedIn, e => e["metadata"]!["schemaVersion"] = "two"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("\0")]
    [InlineData("{\"data\":{}}}")]
    [InlineData("\uFEFF{}")]
    public void What_is_no_JSON_is_said_to_be_none(string text) =>
        Assert.StartsWith("not valid JSON: ", FaultOf(LoggedIn, Encoding.UTF8.GetBytes(text)), StringComparison.Ordinal);

    [Theory]
    [InlineData("\"subject\":", "\"subject\":\"other\",\"subject\":")]
    [InlineData("\"userId\":", "\"userId\":\"other\",\"userId\":")]
    public void A_field_that_comes_twice_is_refused(string once, string twice)
    {
        var json = Example(LoggedIn).ToJsonString();
        Assert.StartsWith("not valid JSON: Duplicate property", FaultOf(LoggedIn, Encoding.UTF8.GetBytes(json.Replace(once, twice, StringComparison.Ordinal))), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("7")]
    [InlineData("\"x\"")]
    public void What_is_no_object_is_said_to_be_none(string text) =>
        Assert.Equal("the event is not a JSON object", FaultOf(LoggedIn, Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void Broken_texts_deep_nesting_and_large_payloads_are_refused_or_read_but_never_thrown()
    {
        Assert.NotEmpty(FaultOf(LoggedIn, Encoding.UTF8.GetBytes(new string('[', 100_000))));
        var large = Example(LoggedIn);
        large["data"]!["userAgent"] = new string('é', 512 * 1024);
        Assert.Equal(512 * 1024, Read<UserLoggedIn>(large).Data.UserAgent!.Length);
    }

    private static string? FaultWith(EventType type, string path, bool remove = false, JsonNode? replacement = null)
    {
        var json = Example(type);
        var names = path.Split('.');
        var holder = names.Length == 1 ? json : json[names[0]]!.AsObject();
        if (remove)
            holder.Remove(names[^1]);
        else
            holder[names[^1]] = replacement;
        return EventReader.Read(type, Encoding.UTF8.GetBytes(json.ToJsonString()), out var fault) is null ? fault : null;
    }

    private static IEnumerable<string> Paths(JsonObject json, string above) => json.SelectMany(p =>
        p.Value is JsonObject inner && above.Length == 0 ? Paths(inner, p.Key + ".").Prepend(p.Key) : [above + p.Key]);
}
