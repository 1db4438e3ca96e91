using Watchword.Events.Replay;

namespace Watchword.Tests.Events.Replay;

public class SubjectPatternTests
{
    [Theory]
    [InlineData("a.b", "a.b", true)]
    [InlineData("a.b", "a.bc", false)]
    [InlineData("a.b", "a.b.c", false)]
    [InlineData("a.b.c", "a.b", false)]
    [InlineData("a.*", "a.b", true)]
    [InlineData("a.*", "a", false)]
    [InlineData("a.*", "a.b.c", false)]
    [InlineData("*.b", "a.b", true)]
    [InlineData("a.>", "a.b.c", true)]
    [InlineData("a.>", "a", false)]
    [InlineData(">", "a", true)]
    public void It_covers_what_the_server_would_deliver(string pattern, string subject, bool covered) => Assert.Equal(covered, SubjectPattern.Covers(pattern, subject));

    [Theory]
    [InlineData("a.b", "a.b", true)]
    [InlineData("a.b", "a.c", false)]
    [InlineData("a.*", "*.b", true)]
    [InlineData("a.*", "b.*", false)]
    [InlineData("a.*", "a.b.c", false)]
    [InlineData("a.*", "a", false)]
    [InlineData("a.>", "a", false)]
    [InlineData("a.>", "a.b.c", true)]
    [InlineData("a.>", "*.b", true)]
    [InlineData("*", ">", true)]
    public void Two_overlap_where_a_subject_could_be_of_both(string one, string other, bool overlap)
    {
        Assert.Equal(overlap, SubjectPattern.Overlaps(one, other));
        Assert.Equal(overlap, SubjectPattern.Overlaps(other, one));
    }

    [Theory]
    [InlineData("", "characters")]
    [InlineData("a b", "blanks")]
    [InlineData("a..b", "empty token")]
    [InlineData(".a", "empty token")]
    [InlineData("a.", "empty token")]
    [InlineData("a.>.b", "at the end")]
    public void A_fault_is_told(string pattern, string words) => Assert.Contains(words, SubjectPattern.Fault(pattern)!, StringComparison.Ordinal);

    [Fact]
    public void A_sound_one_has_no_fault() => Assert.Null(SubjectPattern.Fault("auth.*.>"));
}
