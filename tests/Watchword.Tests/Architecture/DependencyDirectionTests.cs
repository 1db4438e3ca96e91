using System.Xml.Linq;

namespace Watchword.Tests.Architecture;

/// <summary>Dependencies run one way: Watchword.Server → Watchword → Watchword.Events.</summary>
public class DependencyDirectionTests
{
    private static readonly string Source = Path.Combine(Repository.Root, "src");

    [Theory]
    [InlineData("Watchword.Events", "")]
    [InlineData("Watchword", "Watchword.Events")]
    [InlineData("Watchword.Server", "Watchword")]
    public void A_project_refers_only_to_the_one_below_it(string project, string below)
    {
        var references = XDocument.Load(Path.Combine(Source, project, project + ".csproj")).Descendants("ProjectReference")
            .Select(r => Path.GetFileNameWithoutExtension((string)r.Attribute("Include")!));

        Assert.Equal(below, string.Join(",", references));
    }

    [Fact]
    public void There_are_three_projects() =>
        Assert.Equal(["Watchword", "Watchword.Events", "Watchword.Server"],
            Directory.EnumerateFiles(Source, "*.csproj", SearchOption.AllDirectories).Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal));

    [Fact]
    public void Nothing_mentions_the_former_NATS_client() =>
        Assert.DoesNotContain(Directory.EnumerateFiles(Source, "*.*", SearchOption.AllDirectories), f =>
            Path.GetExtension(f) is ".cs" or ".csproj" or ".props" or ".md" && !Built(f) && File.ReadAllText(f).Contains("Watchword." + "Nats", StringComparison.Ordinal));

    private static bool Built(string file) => Path.GetRelativePath(Source, file).Split(Path.DirectorySeparatorChar).Any(part => part is "obj" or "bin");
}
