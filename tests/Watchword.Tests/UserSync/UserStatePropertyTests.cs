using System.Globalization;
using FsCheck;
using FsCheck.Fluent;
using static Watchword.Tests.UserSync.SyncHost;

namespace Watchword.Tests.UserSync;

/// <summary>Whatever the order of the events, and however they meet in batches: the target ends at the source's truth.</summary>
public class UserStatePropertyTests(PostgresFixture postgres, NatsFixture nats)
{
    private const int Users = 4;
    private const int Addresses = 4;

    /// <summary>What a source publishes whose addresses are unique, and what it holds at the end.</summary>
    private sealed record History(string[] Events, Dictionary<string, string?> Truth);

    /// <summary>A history, its events in another order, and where a batch ends.</summary>
    private sealed record Case(History History, string[] Order, bool[] Pauses);

    // Of a step: which user; whether it deletes, swaps, or moves to which address; whether the table refuses the name.
    private static Gen<(int User, int What, int Address, bool IsRefused, bool IsBroken)> Step =>
        from user in Gen.Choose(0, Users - 1)
        from what in Gen.Choose(0, 9)
        from address in Gen.Choose(0, Addresses - 1)
        from refused in Gen.Choose(0, 4)
        from broken in Gen.Choose(0, 9)
        select (user, what, address, refused == 0, broken == 0);

    private static Gen<Case> Cases(string prefix) =>
        from length in Gen.Choose(2, 16)
        from steps in Gen.ArrayOf(Step, length)
        let history = Play(prefix, steps)
        from order in Gen.Shuffle(history.Events)
        from pauses in Gen.ArrayOf(Gen.Choose(0, 3).Select(n => n == 0), history.Events.Length)
        select new Case(history, order, pauses);

    // Users' ids are never used again; their addresses are. A user's last state is one that the table takes.
    private static History Play(string prefix, (int User, int What, int Address, bool IsRefused, bool IsBroken)[] steps)
    {
        var holders = new Dictionary<string, string>();   // address by user
        var ended = new Dictionary<string, string?>();
        var generation = new int[Users];
        var refused = new HashSet<string>();
        List<string> events = [];
        foreach (var (number, what, at, isRefused, isBroken) in steps)
        {
            var user = Id(number);
            var address = $"{prefix}{at}@example.com";
            if (isBroken)
                events.Add(Event(user, "exploded", version: Version()));
            if (what == 0 && holders.Remove(user))
            {
                events.Add(Event(user, "deleted", email: ended[user], version: Version()));
                (ended[user], generation[number]) = (null, generation[number] + 1);
                refused.Remove(user);
            }
            else if (holders.FirstOrDefault(h => h.Value == address).Key is not { } holder || holder == user)
            {
                Put(user, address, isRefused);
            }
            else if (holders.TryGetValue(user, out var own))
            {
                Put(user, address, isRefused);
                Put(holder, own, false);
            }
        }
        foreach (var user in refused.ToList())
            Put(user, holders[user], false);
        return new([.. events], ended);

        string Id(int number) => string.Create(CultureInfo.InvariantCulture, $"{prefix}u{number}-{generation[number]}");
        long Version() => events.Count + 10;

        void Put(string user, string address, bool isRefused)
        {
            events.Add(Event(user, name: isRefused ? new string('x', 30) : "fine", email: address, version: Version()));
            ended[user] = holders[user] = address;
            _ = isRefused ? refused.Add(user) : refused.Remove(user);
        }
    }

    [Theory]
    [InlineData("UNIQUE")]
    [InlineData("UNIQUE NOT NULL")]
    [InlineData("")]
    public async Task The_target_ends_at_the_source_s_truth(string unique)
    {
        var target = await postgres.EmptyAsync();
        await target.ExecuteAsync($"CREATE TABLE users (id serial PRIMARY KEY, email text {unique}, name text CHECK (length(name) < 20))");
        await using var host = await SyncHost.StartAsync(postgres, nats, new() { MaxDeliver = 1 }, target);
        for (var i = 0; i < 40; i++)
        {
            var one = Cases($"c{i}").Sample(1).Single();
            for (var e = 0; e < one.Order.Length; e++)
            {
                await host.PublishAsync(one.Order[e]);
                if (one.Pauses[e])
                    await host.SettledAsync();
            }
            await host.SettledAsync();
            await AssertAsync(host, one, unique.Length > 0);
        }
    }

    private static async Task AssertAsync(SyncHost host, Case one, bool isUnique)
    {
        try
        {
            await host.NothingWaitsAsync();
            var users = (await host.UsersAsync()).ToDictionary(u => u.Auth_Id);
            foreach (var (id, email) in one.History.Truth)
            {
                var user = users[id];
                Assert.Equal((email is not null, email is null), (user.Is_Active, user.Deleted_At is not null));
                if (email is not null)
                    Assert.Equal((email, "fine"), (user.Email, user.Name));
                else if (isUnique)
                    Assert.True(user.Email is null || user.Email == $"deleted+{id}@invalid", user.Email);
            }
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"these events, in this order: {string.Concat(one.Order.Select((o, i) => "\n" + o.ReplaceLineEndings("") + (one.Pauses[i] ? "\n--" : "")))}", e);
        }
    }
}
