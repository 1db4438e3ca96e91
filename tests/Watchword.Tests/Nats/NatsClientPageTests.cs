using System.Text.RegularExpressions;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>docs/nats-client.md promises a test for each line of it, and that its example works.</summary>
public partial class NatsClientPageTests(NatsFixture fixture)
{
    private static readonly string[] Lines = File.ReadAllLines(Path.Combine(Repository.Root, "docs", "nats-client.md"));

    [Fact]
    public void Every_line_names_tests_that_exist()
    {
        var tests = typeof(NatsClientPageTests).Assembly.GetTypes()
            .SelectMany(type => type.GetMethods().Where(m => m.IsDefined(typeof(FactAttribute), inherit: true)).Select(m => $"{type.Name}.{m.Name}"))
            .ToHashSet(StringComparer.Ordinal);
        var rows = Lines.Where(line => line.StartsWith("| ", StringComparison.Ordinal) && !line.StartsWith("| what", StringComparison.Ordinal)).ToArray();

        Assert.InRange(rows.Length, 40, 200);
        Assert.All(rows, row =>
        {
            var named = TestName().Matches(row.Split('|')[2]).Select(m => m.Groups["test"].Value).ToArray();
            Assert.NotEmpty(named);
            Assert.All(named, name => Assert.Contains(name, tests));
        });
    }

    [Fact]
    public async Task Its_five_lines_work()
    {
        var url = fixture.TakeAccount().Url;
        await using var nats = new NatsConnection(new NatsOptions { Url = url });
        await nats.ConnectAsync();
        await using var greetings = await nats.SubscribeAsync("greet.*");
        await nats.PublishAsync("greet.ada", "hello"u8.ToArray());
        Assert.Equal("greet.ada", (await greetings.ReadAsync()).Subject);
    }

    [GeneratedRegex("`(?<test>[A-Za-z]+Tests\\.[A-Za-z0-9_]+)`", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex TestName();
}
