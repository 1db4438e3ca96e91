using Watchword.Server.Passwords;

namespace Watchword.Tests.Passwords;

public class PasswordHasherTests
{
    private static readonly PasswordOptions Cheap = new() { LogN = 4, R = 1, Threads = 1 };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    // Made by better-auth 1.7.7's own hashPassword.
    [Theory]
    [InlineData("correct horse battery staple",
        "cf6e8e34c42802b0503c9184c53b1a3a:46fe51a3aa0895aa0a07f0de4b8f23dc780ae306adf623d3827f737d92f5fce26492030e3d57c017e3d93bb2701d650f3392bf25b500d8416826c6da40220ad4")]
    [InlineData("\uFB01\uFF11\uFF12\uFF13 \u1100\u1161\u1100\u1161\u11A8 e\u0301 \u03A9\u212B",
        "9d8e42f90f1e905f7b7a6fcd5bc2f89a:bbdcf5366b3caad5d97d3ed8ac229f61856d09924e169211c5b2d0d1566db09d383a3c2b17f2a6a2cd68ea7e381772c6cb12aa290aa461cc8a02c5ef46956c35")]
    [InlineData("пароль-密码-🔑",
        "1a9cff6339b72d4382cb9284bbb6d1d4:c1ef487aea5a6dd0e28195613433c1dc53998090412b3eabe95f657b9c629f7fe82403f740cde3ca63ed2d82baab4709cf16f369e86894aa27574f87f610e8f5")]
    public async Task A_hash_of_Better_Auth_is_verified(string password, string stored)
    {
        using var hasher = new PasswordHasher(new PasswordOptions());

        Assert.True(await hasher.VerifyAsync(password, stored, Cancel));
        Assert.False(await hasher.VerifyAsync(password + "x", stored, Cancel));
    }

    // Not a theory: an attribute cannot hold an unpaired surrogate.
    [Fact]
    public async Task An_unpaired_surrogate_is_hashed_as_in_Better_Auth()
    {
        const string stored =
            "215b76da996beda249ca2071063df574:1f261f10ae8c10aa05663c1bb49131797a8196c9107419874107fbabf8ba3daf966140072355dffc60d7b612f7622eec00a406e8b06eea3c569b394325b39159";
        using var hasher = new PasswordHasher(new PasswordOptions());

        Assert.True(await hasher.VerifyAsync("lone\uD800surrogate", stored, Cancel));
    }

    [Fact]
    public async Task Only_the_password_that_was_hashed_is_right()
    {
        using var hasher = new PasswordHasher(Cheap);

        var stored = await hasher.HashAsync("pässwörd", Cancel);

        Assert.True(await hasher.VerifyAsync("pässwörd", stored, Cancel));
        Assert.True(await hasher.VerifyAsync("pa\u0308sswo\u0308rd", stored, Cancel));
        Assert.False(await hasher.VerifyAsync("passwörd", stored, Cancel));
        Assert.False(await hasher.VerifyAsync("", stored, Cancel));
        Assert.NotEqual(stored, await hasher.HashAsync("pässwörd", Cancel));
    }

    [Fact]
    public async Task A_hash_of_another_cost_is_verified_at_its_own_cost()
    {
        using var old = new PasswordHasher(Cheap);
        using var hasher = new PasswordHasher(Cheap with { LogN = 6, R = 3 });

        Assert.True(await hasher.VerifyAsync("secret", await old.HashAsync("secret", Cancel), Cancel));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("not a hash")]
    public async Task An_unknown_user_costs_the_same_work(string? stored)
    {
        using var hasher = new PasswordHasher(Cheap);
        var batches = 0;
        hasher.Pool.BatchStarting = _ => batches++;

        Assert.False(await hasher.VerifyAsync("secret", stored, Cancel));

        Assert.Equal(1, batches);
    }

    [Fact]
    public async Task Waiting_requests_are_computed_together()
    {
        using var hasher = new PasswordHasher(Cheap);
        using var storm = new Gate(hasher.Pool);
        var first = hasher.HashAsync("0", Cancel);
        await storm.Entered;
        var rest = Enumerable.Range(1, ScryptKernel.MaxLanes + 1).Select(i => hasher.HashAsync($"{i}", Cancel)).ToList();

        storm.Open();
        var hashes = await Task.WhenAll([first, .. rest]);

        Assert.Equal([1, ScryptKernel.MaxLanes, 1], storm.Batches);
        for (var i = 0; i < hashes.Length; i++)
            Assert.True(await hasher.VerifyAsync($"{i}", hashes[i], Cancel));
    }

    [Fact]
    public async Task Requests_of_different_cost_are_computed_separately_oldest_first()
    {
        using var hasher = new PasswordHasher(Cheap);
        using var storm = new Gate(hasher.Pool);
        var first = hasher.HashAsync("0", Cancel);
        await storm.Entered;
        using var other = new PasswordHasher(Cheap with { R = 2 });
        var costly = await other.HashAsync("costly", Cancel);

        var waiting = new List<Task>
        {
            hasher.VerifyAsync("costly", costly, Cancel), hasher.HashAsync("1", Cancel),
            hasher.HashAsync("2", Cancel), hasher.VerifyAsync("costly", costly, Cancel), hasher.HashAsync("3", Cancel),
        };
        storm.Open();
        await Task.WhenAll([first, .. waiting]);

        int[] expected = ScryptKernel.MaxLanes switch { 1 => [1, 1, 1, 1, 1, 1], 2 => [1, 2, 2, 1], _ => [1, 2, 3] };
        Assert.Equal(expected, storm.Batches);
    }

    [Fact]
    public async Task A_full_queue_refuses_and_says_when_to_retry()
    {
        using var hasher = new PasswordHasher(Cheap with { QueueLength = 2 });
        using var storm = new Gate(hasher.Pool);
        var taken = new List<Task> { hasher.HashAsync("0", Cancel) };
        await storm.Entered;
        taken.Add(hasher.HashAsync("1", Cancel));
        taken.Add(hasher.HashAsync("2", Cancel));

        var busy = await Assert.ThrowsAsync<HashingBusyException>(() => hasher.VerifyAsync("3", null, Cancel));

        Assert.InRange(busy.RetryAfter, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1));
        storm.Open();
        await Task.WhenAll(taken);
        Assert.NotEmpty(await hasher.HashAsync("4", Cancel));
    }

    [Fact]
    public async Task A_request_cancelled_before_it_began_is_skipped_and_frees_its_place()
    {
        using var hasher = new PasswordHasher(Cheap with { QueueLength = 1 });
        using var storm = new Gate(hasher.Pool);
        using var cancellation = new CancellationTokenSource();
        var first = hasher.HashAsync("0", Cancel);
        await storm.Entered;
        var skipped = hasher.HashAsync("1", cancellation.Token);

        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => skipped);
        Assert.Equal(0, hasher.Pool.Waiting);
        var second = hasher.HashAsync("2", Cancel);
        storm.Open();
        await Task.WhenAll(first, second);
        Assert.Equal([1, 1], storm.Batches);
    }

    [Fact]
    public async Task A_request_cancelled_after_it_began_is_finished()
    {
        using var hasher = new PasswordHasher(Cheap);
        using var storm = new Gate(hasher.Pool);
        using var cancellation = new CancellationTokenSource();
        var hash = hasher.HashAsync("0", cancellation.Token);
        await storm.Entered;

        await cancellation.CancelAsync();
        storm.Open();

        Assert.NotEmpty(await hash);
    }

    [Fact]
    public async Task Stopping_fails_waiting_and_later_requests()
    {
        var hasher = new PasswordHasher(Cheap);
        using var storm = new Gate(hasher.Pool);
        var first = hasher.HashAsync("0", Cancel);
        await storm.Entered;
        var waiting = hasher.HashAsync("1", Cancel);

        var stopped = Task.Run(hasher.Dispose, Cancel);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
        storm.Open();
        await stopped;
        hasher.Dispose();

        Assert.NotEmpty(await first);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => hasher.HashAsync("2", Cancel));
    }

    [Fact]
    public async Task An_idle_thread_releases_its_memory_and_keeps_working()
    {
        using var hasher = new PasswordHasher(Cheap, idle: TimeSpan.FromMilliseconds(1));
        var idled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        hasher.Pool.Idled = () => idled.TrySetResult();

        var stored = await hasher.HashAsync("secret", Cancel);
        await idled.Task.WaitAsync(TimeSpan.FromSeconds(30), Cancel);

        Assert.True(await hasher.VerifyAsync("secret", stored, Cancel));
    }

    [Fact]
    public async Task Hashing_threads_yield_to_all_others()
    {
        using var hasher = new PasswordHasher(Cheap);
        string? stat = null;
        hasher.Pool.BatchStarting = _ => stat = File.ReadAllText("/proc/thread-self/stat");

        await hasher.HashAsync("secret", Cancel);

        // Field 19 is the nice value; the name in field 2 has no spaces.
        Assert.Equal("10", stat!.Split(' ')[18]);
    }

    [Fact]
    public void Wrong_options_are_refused() =>
        Assert.Throws<ArgumentException>(() => new PasswordHasher(Cheap with { Threads = 0 }));

    /// <summary>Blocks the pool's only thread in its first batch, and records the size of each batch.</summary>
    private sealed class Gate : IDisposable
    {
        private readonly ManualResetEventSlim _open = new();
        private readonly TaskCompletionSource _entered = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Gate(HashingPool pool) => pool.BatchStarting = size =>
        {
            Batches.Add(size);
            _entered.TrySetResult();
            _open.Wait(TimeSpan.FromSeconds(30));
        };

        public List<int> Batches { get; } = [];

        public Task Entered => _entered.Task;

        public void Open() => _open.Set();

        public void Dispose()
        {
            _open.Set();
            _open.Dispose();
        }
    }
}
