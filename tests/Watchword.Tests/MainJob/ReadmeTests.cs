using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Json;

namespace Watchword.Tests.MainJob;

/// <summary>What README.md shows is a program that compiles and works.</summary>
public class ReadmeTests(ServerFixture server)
{
    private static readonly string Folder = Path.Combine(Repository.Root, "tests", "Readme");

    private static readonly string Program =
        Path.Combine(Folder, "bin", Path.GetFileName(Path.GetDirectoryName(AppContext.BaseDirectory.TrimEnd('/')))!, "net10.0", "Readme.dll");

    [Fact]
    public async Task The_five_lines_of_the_readme_receive_a_real_sign_up()
    {
        Assert.Contains("```csharp\n" + await File.ReadAllTextAsync(Path.Combine(Folder, "Program.cs")) + "```",
            await File.ReadAllTextAsync(Path.Combine(Repository.Root, "README.md")), StringComparison.Ordinal);

        var own = (await File.ReadAllTextAsync(Path.Combine(Folder, "Program.cs"))).Split("AddWatchwordSubscriber(\"")[1].Split('"')[0];
        Assert.DoesNotContain($"`{own}`", await File.ReadAllTextAsync(Path.Combine(Repository.Root, "samples", "Subscribers", "README.md")), StringComparison.Ordinal);   // of two of a name one stands by

        var http = (await server.StartedAsync()).Http;
        using var subscriber = Process.Start(new ProcessStartInfo("dotnet", [Program])
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

    [Fact]
    public async Task Without_a_database_it_says_what_is_missing()
    {
        using var subscriber = Process.Start(new ProcessStartInfo("dotnet", [Program])
        {
            UseShellExecute = false,
            RedirectStandardError = true,
            Environment = { ["NATS_URL"] = server.Account.Url, ["DATABASE_URL"] = null },
        })!;
        var errors = await subscriber.StandardError.ReadToEndAsync();
        await subscriber.WaitForExitAsync();

        Assert.NotEqual(0, subscriber.ExitCode);
        Assert.Contains("FormatException: the database URL is missing: set it, for example DATABASE_URL=postgres://user:password@host:port/database", errors, StringComparison.Ordinal);
    }
}
