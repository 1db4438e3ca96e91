using System.Diagnostics;

namespace Watchword.Tests.Configuration;

/// <summary>A configuration that cannot be used is refused as a whole, before anything starts.</summary>
public class RefusalToStartTests
{
    [Fact]
    public async Task Every_fault_is_listed_at_once_and_nothing_is_started()
    {
        await using var server = new ServerProcess(
            ("PORT", "70000"), ("WATCHWORD_HOST", "not an address"), ("DATABASE_URL", "postgres://host-only"), ("TARGET_DATABASE_URL", "mysql://u:hunter2@h/d"),
            ("NATS_URL", "http://bus:4222"), ("NATS_PORT", "-1"), ("WATCHWORD_ROLES", "api,cook"), ("BETTER_AUTH_URL", "id.example.com"),
            ("BETTER_AUTH_SECRET", "short-secret-7f3a"), ("ACCESS_TOKEN_LIFETIME", "25h"), ("SESSION_LIFETIME", "forever"),
            ("PASSWORD_LOG_N", "fourteen"), ("PASSWORD_R", "0"), ("PASSWORD_P", "9999"), ("PASSWORD_THREADS", "1.5"), ("PASSWORD_QUEUE", "0x10"));
        var clock = Stopwatch.StartNew();

        var code = await server.RunToEndAsync();

        Assert.Equal(78, code);
        await Eventually.TrueAsync(() => Task.FromResult(server.Output.Contains("PASSWORD_QUEUE", StringComparison.Ordinal)));
        var lines = server.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("Watchword cannot start, 16 settings are wrong:", lines[0]);
        foreach (var name in (string[])["PORT", "WATCHWORD_HOST", "DATABASE_URL", "TARGET_DATABASE_URL", "NATS_URL", "NATS_PORT", "WATCHWORD_ROLES", "BETTER_AUTH_URL",
            "BETTER_AUTH_SECRET", "ACCESS_TOKEN_LIFETIME", "SESSION_LIFETIME", "PASSWORD_LOG_N", "PASSWORD_R", "PASSWORD_P", "PASSWORD_THREADS", "PASSWORD_QUEUE"])
            Assert.Single(lines, l => l.StartsWith($"  - {name}", StringComparison.Ordinal) && l[4 + name.Length] is ' ' or ':');
        Assert.Equal(17, lines.Length);
        Assert.DoesNotContain("short-secret-7f3a", server.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", server.Output, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(server.DataFolder));
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(60));
    }

    [Theory]
    [InlineData("BETTER_AUTH_SECRET", "31-characters-are-one-too-few!!", "at least 32")]
    [InlineData("DATABASE_URL", "postgres://u@127.0.0.1:notaport/db", "postgres://user:password@host:port/database")]
    [InlineData("NATS_URL", "nats://", "nats://user:password@host:4222")]
    [InlineData("BETTER_AUTH_URL", "ftp://id.example.com", "https://id.example.com")]
    public async Task One_fault_is_enough_and_its_remedy_is_told(string name, string value, string remedy)
    {
        await using var server = new ServerProcess((name, value));

        Assert.Equal(78, await server.RunToEndAsync());

        await Eventually.TrueAsync(() => Task.FromResult(server.Output.Contains(name, StringComparison.Ordinal)));
        Assert.StartsWith("Watchword cannot start:", server.Output.Trim(), StringComparison.Ordinal);
        Assert.Contains(remedy, server.Output, StringComparison.Ordinal);
        // No engine was started for it, nor a secret generated.
        Assert.Empty(Directory.GetFileSystemEntries(server.DataFolder));
    }
}
