using Watchword.Events.Contracts;

namespace Watchword.Tests.Events.Contracts;

/// <summary>Subjects and records find their event.</summary>
public class EventCatalogueTests
{
    [Fact]
    public void Each_event_is_found_by_its_record_and_its_subject_and_lies_in_a_stream_that_takes_it()
    {
        var streams = Streams.All.Append(Streams.SecurityAlerts).ToDictionary(s => s.Name!);
        Assert.All(EventCatalogue.All, type =>
        {
            Assert.Same(type, EventCatalogue.Of(type.Record));
            Assert.Same(type, EventCatalogue.Find(type.Subject));
            Assert.Contains(streams[type.Stream].Subjects!, s => s == type.Subject || s.EndsWith('*') && type.Subject.StartsWith(s[..^1], StringComparison.Ordinal)
                || s.EndsWith('>') && type.Subject.StartsWith(s[..^1], StringComparison.Ordinal));
        });
    }

    [Theory]
    [InlineData("auth.user.registered", "auth.user.registered")]
    [InlineData("auth.user.registered.NL", null)]
    [InlineData("auth.user.registeredX", null)]
    [InlineData("auth.user", null)]
    [InlineData("AUTH.USER.REGISTERED", null)]
    [InlineData(".auth.user.registered", null)]
    [InlineData("", null)]
    [InlineData(".", null)]
    [InlineData("dlq.audit", null)]
    public void An_event_is_found_by_its_exact_subject(string subject, string? found) =>
        Assert.Equal(found, EventCatalogue.Find(subject)?.Subject);

    [Fact]
    public void A_record_that_is_no_event_is_refused_with_those_that_are()
    {
        var e = Assert.Throws<ArgumentException>(() => EventCatalogue.Of(typeof(UserData)));
        Assert.StartsWith("UserData is not a Watchword event: choose from UserRegistered, UserLoggedIn, ", e.Message, StringComparison.Ordinal);
    }
}
