using System.Text.RegularExpressions;

namespace Watchword.Tests.Architecture;

/// <summary>
/// Features of the server do not call each other: what they share lies in the rooms beneath them, and Program.cs puts
/// them together.
/// </summary>
public partial class FeatureTests
{
    // Who may be used by every feature. Hosting, Cli and Program.cs put everything together, and are used by nobody.
    private static readonly string[] Shared = ["Http", "Store", "Passwords", "Configuration"];
    private static readonly string[] Composition = ["Hosting", "Cli"];

    [Fact]
    public void A_feature_uses_the_shared_rooms_and_no_other_feature()
    {
        var server = Path.Combine(Repository.Root, "src", "Watchword.Server");
        var rooms = Directory.GetDirectories(server).Select(d => Path.GetFileName(d)!).Except(["bin", "obj", "Properties"]).ToList();
        var features = rooms.Except(Shared).Except(Composition).ToList();
        Assert.Contains("Tokens", features);

        var trespasses =
            from feature in features.Concat(Shared)
            from file in Directory.EnumerateFiles(Path.Combine(server, feature), "*.cs", SearchOption.AllDirectories)
            from used in Uses().Matches(File.ReadAllText(file)).Select(m => m.Groups["room"].Value).Distinct()
            where used != feature && !Shared.Contains(used) && rooms.Contains(used)
            select $"{Path.GetRelativePath(server, file)} uses {used}";

        Assert.Empty(trespasses);
    }

    [GeneratedRegex(@"Watchword\.Server\.(?<room>[A-Z]\w+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Uses();
}
