using Watchword.Events.Contracts;
using Watchword.Server.Catalogue;

namespace Watchword.Tests.Events.Contracts;

/// <summary>No change of the records breaks those who read the events, or the events that lie in the streams.</summary>
public class CompatibilityTests
{
    private const string Login = "auth.user.logged_in";
    private static readonly string Baseline = Path.Combine(Repository.Root, "src", "Watchword.Events", "Contracts", "published.json");

    // What the comparison says of today's events, altered.
    private static (IReadOnlyList<string> Breaks, IReadOnlyList<string> Additions) After(Action<Dictionary<string, PublishedEvent>> change)
    {
        var now = Published.Read(Published.Write(Published.Now()));
        change(now);
        return Published.Compare(Published.Now(), now);
    }

    private static string BreakOf(Action<Dictionary<string, string>> change)
    {
        var (breaks, additions) = After(now => change(now[Login].Fields));
        Assert.Empty(additions);
        return Assert.Single(breaks);
    }

    private static string AdditionOf(Action<Dictionary<string, PublishedEvent>> change)
    {
        var (breaks, additions) = After(change);
        Assert.Empty(breaks);
        return Assert.Single(additions);
    }

    [Fact]
    public void The_records_of_today_break_nothing_that_was_published()
    {
        var (breaks, additions) = Published.Compare(Published.Read(File.ReadAllText(Baseline)), Published.Now());
        Assert.True(breaks.Count == 0, "Readers of the events would break. Add an optional field instead, or raise the schemaVersion and add a step to Upcasts:\n" + string.Join('\n', breaks));
        if (additions.Count > 0)
            TestContext.Current.AddWarning("New, and not yet held to: ./run events catalogue --published > src/Watchword.Events/Contracts/published.json\n" + string.Join('\n', additions));
    }

    [Fact]
    public void What_is_gone_renamed_retyped_or_demanded_is_reported()
    {
        Assert.Equal("auth.user.logged_in: data.email was removed", BreakOf(f => f.Remove("data.email")));
        Assert.Equal("auth.user.logged_in: data.email was string and is integer", BreakOf(f => f["data.email"] = "integer"));
        Assert.Equal("auth.user.logged_in: data.email was string and is string or null", BreakOf(f => f["data.email"] = "string or null"));
        Assert.Equal("auth.user.logged_in: data.ip became required: stored events may lack it", BreakOf(f => f["data.ip"] = "string or null"));
        Assert.Equal("auth.user.logged_in: data.email became optional: readers rely on it", BreakOf(f => f["data.email"] = "optional string"));
        Assert.Equal("auth.user.logged_in: data.device is new and required: stored events lack it", BreakOf(f => f["data.device"] = "string"));
        Assert.Equal(
            ["auth.user.logged_in: data.email was removed (is it data.mail now?)", "auth.user.logged_in: data.mail is new and required: stored events lack it"],
            After(now => { now[Login].Fields.Remove("data.email"); now[Login].Fields["data.mail"] = "string"; }).Breaks);
    }

    [Fact]
    public void An_event_that_is_gone_or_renamed_or_moved_is_reported()
    {
        Assert.Equal(["auth.user.logged_in is no longer published"], After(now => now.Remove(Login)).Breaks);
        Assert.Equal(["auth.user.logged_in is no longer published"], After(now => { now["auth.user.login"] = now[Login]; now.Remove(Login); }).Breaks);
        Assert.Equal(["auth.user.logged_in moved from stream auth-events to logins"], After(now => now[Login] = now[Login] with { Stream = "logins" }).Breaks);
    }

    [Fact]
    public void A_version_may_rise_while_the_older_ones_are_read_and_never_fall()
    {
        Assert.Equal("auth.user.logged_in has schemaVersion 2", AdditionOf(now => { now[Login] = now[Login] with { SchemaVersion = 2 }; now[Login].Fields.Remove("data.email"); }));
        Assert.Equal(["auth.user.logged_in: events of schemaVersion 0 can no longer be read: add the steps to Upcasts"], After(now => now[Login] = now[Login] with { SchemaVersion = 2, OldestVersion = 2 }).Breaks);
        Assert.Equal(["auth.user.logged_in: schemaVersion went back from 1 to 0"], After(now => now[Login] = now[Login] with { SchemaVersion = 0 }).Breaks);
        // What the reader really does with them.
        Assert.Equal((0, 1), (EventCatalogue.Find(Login)!.OldestVersion, EventCatalogue.Find("user.sync")!.OldestVersion));
    }

    [Fact]
    public void Additions_break_nothing()
    {
        Assert.Equal("auth.user.logged_in: data.device is new", AdditionOf(now => now[Login].Fields["data.device"] = "optional string or null"));
        Assert.Equal("auth.user.failed is new", AdditionOf(now => now["auth.user.failed"] = now[Login]));
        var (breaks, additions) = After(now => { now[Login].Fields["data.place"] = "optional object"; now[Login].Fields["data.place.city"] = "string"; });
        Assert.Empty(breaks);
        Assert.Equal(2, additions.Count);
    }
}
