using Watchword.Server.Configuration;

namespace Watchword.Tests.Configuration;

/// <summary>The page of settings is as complete as the settings.</summary>
public class SettingsPageTests
{
    [Fact]
    public void Every_setting_stands_in_the_operations_page()
    {
        var page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "operations.md"));
        Assert.All(Setting.All, s =>
        {
            Assert.Contains($"`{s.Key}`", page, StringComparison.Ordinal);
            Assert.Contains($"`{s.Option}`", page, StringComparison.Ordinal);
        });
    }
}
