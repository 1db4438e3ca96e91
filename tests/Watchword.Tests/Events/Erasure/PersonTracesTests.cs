using System.Text;
using NATS.Client.Core;
using Watchword.Events.Erasure;

namespace Watchword.Tests.Events.Erasure;

/// <summary>Which events are about a person.</summary>
public class PersonTracesTests
{
    private static PersonTraces Ada()
    {
        var ada = new PersonTraces("ada");
        ada.Add("ada@example.com");
        ada.Add("+31201234567");
        return ada;
    }

    [Theory]
    [InlineData("ada", "{}")]
    [InlineData("ada", "not JSON")]
    [InlineData("acme", """{"data":{"memberId":"m","userId":"ada"}}""")]
    [InlineData("acme", """{"data":{"email":"ADA@Example.com","inviterId":"bob"}}""")]
    [InlineData("acme", """{"data":{"email":"ada\u0040example.com"}}""")]
    [InlineData("acme", """{"data":{"metadata":"{\"owner\":\"ada@example.com\"}"}}""")]
    [InlineData("acme", """{"data":{"detail":"Write to ada@example.com."}}""")]
    [InlineData(null, """{"data":{"phone":"+31201234567"}}""")]
    [InlineData(null, """{"data":{"email":"ada@example.com"},""")]
    [InlineData(null, "mail to <ada@example.com>")]
    [InlineData(null, "user ada, who is nobody")]
    public void An_event_is_about_the_person_by_key_user_address_or_number(string? key, string payload) =>
        Assert.True(Ada().IsIn("some.event", key, Encoding.UTF8.GetBytes(payload)));

    [Theory]
    [InlineData("bob", "{}")]
    [InlineData("acme", """{"data":{"userId":"bob","inviterId":"ada"}}""")]
    [InlineData("acme", """{"data":{"inviterId":"ada","email":"bob@example.com"}}""")]
    [InlineData("bob", """{"data":{"userId":"bob","email":"ada@example.com"}}""")]   // whose address it is now
    [InlineData("acme", """{"data":{"email":"grada@example.com"}}""")]
    [InlineData("acme", """{"data":{"email":"x.ada@example.com"}}""")]
    [InlineData("acme", """{"data":{"email":"ada@example.com.au"}}""")]
    [InlineData("acme", """{"data":{"phone":"+312012345678"}}""")]
    [InlineData(null, "user adam")]
    public void An_event_of_somebody_else_is_not(string? key, string payload) =>
        Assert.False(Ada().IsIn("some.event", key, Encoding.UTF8.GetBytes(payload)));

    [Fact]
    public void A_header_that_quotes_the_event_counts_and_the_news_of_the_erasure_does_not()
    {
        Assert.True(Ada().IsIn("dlq.crm", null, default, new NatsHeaders { ["Watchword-Reason"] = "no mail to ada@example.com" }));
        Assert.False(Ada().IsIn("user.erased", "ada", """{"data":{"userId":"ada"}}"""u8));
    }

    [Theory]
    [InlineData("ada", """{"data":{"userId":"ada","email":"new@example.com","phone":"+3212345","name":"Ada"}}""", "+3212345 new@example.com")]
    [InlineData(null, """{"data":{"userId":"ada","email":"new@example.com"}}""", "new@example.com")]
    [InlineData("ada", """{"data":{"email":null,"phone":""}}""", "")]
    [InlineData("acme", """{"data":{"email":"new@example.com"}}""", "")]
    [InlineData("bob", """{"data":{"userId":"bob","email":"new@example.com"}}""", "")]
    public void Addresses_are_learned_from_the_person_s_own_events(string? key, string payload, string learned)
    {
        var ada = new PersonTraces("ada");
        ada.Learn(key, Encoding.UTF8.GetBytes(payload));
        Assert.Equal(learned, string.Join(' ', ada.Texts.Order(StringComparer.Ordinal)));
    }
}
