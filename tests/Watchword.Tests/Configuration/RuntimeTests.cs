using System.Text.Json;

namespace Watchword.Tests.Configuration;

/// <summary>What the server asks of the .NET runtime, and what it leaves behind outside its data folder.</summary>
public class RuntimeTests(ServerFixture fixture)
{
    [Fact]
    public void It_runs_with_the_workstation_garbage_collector()
    {
        using var settings = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Watchword.Server.runtimeconfig.json")));
        Assert.False(settings.RootElement.GetProperty("runtimeOptions").GetProperty("configProperties").GetProperty("System.GC.Server").GetBoolean());
    }

    [Fact]
    public async Task It_writes_nothing_to_the_home_folder()
    {
        await fixture.StartedAsync();
        Assert.Empty(Directory.EnumerateFileSystemEntries(fixture.Home, "*", SearchOption.AllDirectories));
    }
}
