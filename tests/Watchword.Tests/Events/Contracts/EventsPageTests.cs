using Watchword.Events.Contracts;
using Watchword.Server.Catalogue;

namespace Watchword.Tests.Events.Contracts;

/// <summary>The page of events says what the records say.</summary>
public class EventsPageTests
{
    [Fact]
    public void The_page_agrees_with_the_records()
    {
        var page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "events.md"));
        Assert.True(page == EventsPage.Markdown(), "docs/events.md is not what the records say. Run: ./run events catalogue --markdown > docs/events.md");
    }

    [Fact]
    public void Every_event_has_its_section_and_the_links_of_the_table_lead_there()
    {
        var lines = EventsPage.Markdown().Split('\n');
        Assert.All(EventCatalogue.All, type =>
        {
            Assert.Contains($"## {type.Subject}", lines);
            Assert.Contains(lines, l => l.StartsWith($"| [`{type.Subject}`](#{type.Subject.Replace(".", "", StringComparison.Ordinal).ToLowerInvariant()}) |", StringComparison.Ordinal));
        });
    }
}
