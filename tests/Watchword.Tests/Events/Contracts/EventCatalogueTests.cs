using Watchword.Events.Contracts;

namespace Watchword.Tests.Events.Contracts;

/// <summary>Subjects and records find their event.</summary>
public class EventCatalogueTests
{
    [Fact]
    public void Each_event_is_found_by_its_record_and_its_subject_and_lies_in_a_stream_that_takes_it()
    {
        var streams = Streams.All.Append(Streams.SecurityAlerts).ToDictionary(s => s.Name);
        Assert.All(EventCatalogue.All, type =>
        {
            Assert.Same(type, EventCatalogue.Of(type.Record));
            Assert.Same(type, EventCatalogue.Find(type.Subject));
            Assert.Contains(streams[type.Stream].Subjects!, s => s == type.Subject || s.EndsWith('*') && type.Subject.StartsWith(s[..^1], StringComparison.Ordinal)
                || s.EndsWith('>') && type.Subject.StartsWith(s[..^1], StringComparison.Ordinal));
        });
    }

    [Theory]
    [InlineData("auth.user.registered.NL", "auth.user.registered")]
    [InlineData("auth.user.logged_in.NL.mobile", "auth.user.logged_in")]
    [InlineData("member.role.changed.x", "member.role.changed")]
    [InlineData("auth.user.registeredX", null)]
    [InlineData("auth.user", null)]
    [InlineData("AUTH.USER.REGISTERED", null)]
    [InlineData(".auth.user.registered", null)]
    [InlineData("", null)]
    [InlineData(".", null)]
    [InlineData("dlq.audit", null)]
    public void A_finer_subject_is_of_the_same_event_and_no_other_is(string subject, string? found) =>
        Assert.Equal(found, EventCatalogue.Find(subject)?.Subject);

    [Fact]
    public void A_record_that_is_no_event_is_refused_with_those_that_are()
    {
        var e = Assert.Throws<ArgumentException>(() => EventCatalogue.Of(typeof(UserData)));
        Assert.StartsWith("UserData is no event of Watchword: choose from UserRegistered, UserLoggedIn, ", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Finding_an_event_allocates_nothing()
    {
        EventCatalogue.Find("auth.user.registered.NL");
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            EventCatalogue.Find("user.sync");
            EventCatalogue.Find("auth.user.registered.NL");
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
