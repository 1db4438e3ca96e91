using System.Diagnostics;
using Watchword.Events.Contracts;
using Watchword.Server.Catalogue;

namespace Watchword.Tests.Events.Contracts;

/// <summary><c>./run events catalogue</c>, without any server running.</summary>
public sealed class CatalogueCommandTests : IDisposable
{
    private readonly string _file = Path.GetTempFileName();

    [Fact]
    public async Task It_lists_the_events_and_writes_page_document_and_baseline()
    {
        var (code, list, _) = await RunAsync();
        Assert.Equal(0, code);
        Assert.Equal(EventCatalogue.All.Select(t => (t.Subject, t.Stream)),
            list.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Select(w => (w[0], w[1])));
        Assert.Equal(EventsPage.Markdown(), (await RunAsync("--markdown")).Output);
        Assert.Equal(AsyncApi.Document().ToJsonString() + "\n", (await RunAsync("--asyncapi")).Output);
        Assert.Equal(Published.Write(Published.Now()), (await RunAsync("--published")).Output);
    }

    [Fact]
    public async Task It_tells_what_changed_since_a_baseline_and_fails_when_that_breaks_readers()
    {
        var older = Published.Now();
        older.Remove("security.alert");
        await File.WriteAllTextAsync(_file, Published.Write(older), TestContext.Current.CancellationToken);
        Assert.Equal((0, "adds    security.alert is new\n", ""), await RunAsync("--since", _file));

        older["user.renamed"] = older["user.sync"];
        await File.WriteAllTextAsync(_file, Published.Write(older), TestContext.Current.CancellationToken);
        Assert.Equal((1, "breaks  user.renamed is no longer published\nadds    security.alert is new\n", ""), await RunAsync("--since", _file));

        await File.WriteAllTextAsync(_file, """{"user.sync":{"stream":7}}""", TestContext.Current.CancellationToken);
        var (code, output, error) = await RunAsync("--since", _file);
        Assert.Equal((1, ""), (code, output));
        Assert.Contains("cannot be read as a baseline: ", error, StringComparison.Ordinal);
        Assert.Contains("./run events catalogue --published", error, StringComparison.Ordinal);
    }

    public void Dispose() => File.Delete(_file);

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Watchword.Server.dll"), "events", "catalogue", .. arguments])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await output, await error);
    }
}
