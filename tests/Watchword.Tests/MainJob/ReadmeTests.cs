using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Json;

namespace Watchword.Tests.MainJob;

/// <summary>What README.md shows is a program that compiles and works.</summary>
public class ReadmeTests(ServerFixture server)
{
    [Fact]
    public async Task The_five_lines_of_the_readme_receive_a_real_sign_up()
    {
        var folder = Path.Combine(Repository.Root, "tests", "Readme");
        Assert.Contains("```csharp\n" + await File.ReadAllTextAsync(Path.Combine(folder, "Program.cs")) + "```",
            await File.ReadAllTextAsync(Path.Combine(Repository.Root, "README.md")), StringComparison.Ordinal);

        var http = (await server.StartedAsync()).Http;
        var build = Path.GetFileName(Path.GetDirectoryName(AppContext.BaseDirectory.TrimEnd('/')))!;
        using var subscriber = Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(folder, "bin", build, "net10.0", "Readme.dll")])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            Environment = { ["NATS_URL"] = server.Account.Url, ["DATABASE_URL"] = server.Target.ConnectionString },
        })!;
        var printed = new ConcurrentQueue<string>();
        subscriber.OutputDataReceived += (_, line) => printed.Enqueue(line.Data ?? "");
        subscriber.BeginOutputReadLine();
        try
        {
            var name = "Ada " + Guid.NewGuid();
            using var answer = await http.PostAsJsonAsync("/auth/register", new { email = $"{Guid.NewGuid():N}@example.com", password = "password123", name });
            Assert.True(answer.IsSuccessStatusCode);
            await Eventually.TrueAsync(() => printed.Contains($"Welcome, {name}!"));
        }
        finally
        {
            subscriber.Kill();
            await subscriber.WaitForExitAsync();
        }
    }
}
