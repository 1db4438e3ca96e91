using System.Text;
using Watchword.Events.Contracts;
using Watchword.UserSync;

namespace Watchword.Tests.Events.Contracts;

/// <summary>What is JSON and cannot be read all the same is refused by the path of its field, by subscribers and by user sync alike.</summary>
public class PayloadFaultTests
{
    private const string HalfAPair = "holds an unpaired surrogate, such as \\ud800 alone, which is not a character";
    private const string TooDeep = "is nested too deeply: an event has 64 levels at most";

    public static TheoryData<string, string> Faults => new()
    {
        { """{"event":"user.created","data":{"userId":"u","name":"\ud800"}}""", $"data.name {HalfAPair}" },
        { """{"event":"user.created","data":{"userId":"u","name":"\udc00x","email":"\ud800"}}""", $"data.name {HalfAPair}" },
        { """{"event":"\ud800"}""", $"event {HalfAPair}" },
        { """{"data":{"roles":["user",{"a":["b"]},"\ud83d"],"userId":"u"}}""", $"data.roles[2] {HalfAPair}" },
        { """{"data":{"\ud800":1}}""", $"a name in data {HalfAPair}" },
        { """{"\ud800":1}""", $"a name in the event {HalfAPair}" },
        { """{"data":{"userId":"u","name":"ÿ"}}""", "data.name is not UTF-8" },
        { """{"data":{"ÿ":"u","userId":7}}""", "a name in data is not UTF-8" },
        { $$$"""{"data":{"userId":"u","extra":{{{Nested(63)}}}}}""", $"data.extra[0] {TooDeep}" },
        { $$$"""{"a":[1,{{{Nested(200)}}}]}""", $"a[1][0] {TooDeep}" },
        { Nested(100_000), $"[0][0][0] {TooDeep}" },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public void Both_readers_name_the_field(string json, string fault)
    {
        // Latin-1: one byte that is no UTF-8 for each ÿ.
        var payload = Encoding.Latin1.GetBytes(json);

        Assert.Null(EventReader.Read(EventCatalogue.Of(typeof(UserSyncEvent)), payload, out var read));
        Assert.False(UserChange.TryParse(payload, 1, DateTimeOffset.UtcNow, out _, out var synced));

        Assert.Equal((fault, fault), (read, synced));
    }

    [Theory]
    [InlineData("data.userId", """{"userId":"a\u0000","email":"e"}""")]
    [InlineData("data.email", """{"userId":"u","email":"a\u0000"}""")]
    [InlineData("data.phone", """{"userId":"u","email":"e","phone":"a\u0000"}""")]
    [InlineData("data.name", """{"userId":"u","email":"e","name":"a\u0000"}""")]
    [InlineData("data.organizationId", """{"userId":"u","email":"e","organizationId":"a\u0000"}""")]
    [InlineData("data.roles[1]", """{"userId":"u","email":"e","roles":["user","a\u0000"]}""")]
    public void User_sync_names_the_field_that_PostgreSQL_does_not_store(string field, string data) =>
        Assert.Equal($"{field} holds a NUL character, which PostgreSQL does not store", FaultOf(data));

    [Fact]
    public void User_sync_names_the_role_that_is_null() =>
        Assert.Equal("data.roles[1] has the wrong type", FaultOf("""{"userId":"u","email":"e","roles":["user",null]}"""));

    [Theory]
    [InlineData("null", "the event is not a JSON object")]
    [InlineData("[]", "the event is not a JSON object")]
    [InlineData("""{"data":{"userId":"a","userId":"b"}}""", "not valid JSON: Duplicate property")]
    [InlineData("""{"data":{"userId":7}}""", "data.userId has the wrong type")]
    [InlineData("""{"schemaVersion":2}""", "schemaVersion 2 is newer than 1, which this build reads: update this service")]
    public void The_other_reasons_of_both_readers_are_the_same(string json, string words)
    {
        Assert.Null(EventReader.Read(EventCatalogue.Of(typeof(UserSyncEvent)), Encoding.UTF8.GetBytes(json), out var read));
        Assert.False(UserChange.TryParse(Encoding.UTF8.GetBytes(json), 1, DateTimeOffset.UtcNow, out _, out var synced));
        Assert.StartsWith(words, read, StringComparison.Ordinal);
        Assert.Equal(read, synced);
    }

    [Fact]
    public void As_deep_as_events_may_be_is_read() =>
        Assert.Equal("", FaultOf($$"""{"userId":"u","email":"e","extra":{{Nested(62)}}}"""));

    private static string FaultOf(string data)
    {
        _ = UserChange.TryParse(Encoding.UTF8.GetBytes($$"""{"event":"user.created","version":1,"data":{{data}}}"""), 1, DateTimeOffset.UtcNow, out _, out var fault);
        return fault;
    }

    private static string Nested(int levels) => new string('[', levels) + new string(']', levels);
}
