using Watchword.Server.Configuration;

namespace Watchword.Tests.Configuration;

/// <summary>docs/settings.md lists every setting.</summary>
public class SettingsPageTests
{
    [Fact]
    public void Every_setting_is_on_the_settings_page()
    {
        var page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "settings.md"));
        Assert.All(Setting.All, s =>
        {
            Assert.Contains($"`{s.Key}`", page, StringComparison.Ordinal);
            Assert.Contains($"`{s.Option}`", page, StringComparison.Ordinal);
        });
    }
}
