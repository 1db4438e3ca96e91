using System.Xml.Linq;

namespace Watchword.Tests.Architecture;

/// <summary>Dependencies run one way: Server → Watchword → Events → Nats.</summary>
public class DependencyDirectionTests
{
    [Theory]
    [InlineData("Watchword.Nats", "")]
    [InlineData("Watchword.Events", "Watchword.Nats")]
    [InlineData("Watchword", "Watchword.Events")]
    [InlineData("Watchword.Server", "Watchword")]
    public void A_project_refers_only_to_the_one_below_it(string project, string below)
    {
        var file = Path.Combine(Repository.Root, "src", project, project + ".csproj");
        var references = XDocument.Load(file).Descendants("ProjectReference")
            .Select(r => Path.GetFileNameWithoutExtension((string)r.Attribute("Include")!));

        Assert.Equal(below, string.Join(",", references));
    }
}
