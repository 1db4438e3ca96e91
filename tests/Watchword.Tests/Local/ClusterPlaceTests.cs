using Watchword.Server.Local;

namespace Watchword.Tests.Local;

public class ClusterPlaceTests
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    [Fact]
    public async Task A_creation_cut_short_is_set_aside_and_begun_anew()
    {
        using var room = new EngineRoom();
        var folder = Path.Combine(room.Data, "postgres");
        var cutShort = Path.Combine(room.Data, "postgres.new-1234");
        Directory.CreateDirectory(folder);
        Directory.CreateDirectory(cutShort);
        await File.WriteAllTextAsync(Path.Combine(folder, "PG_VERSION"), "15\n", TestContext.Current.CancellationToken);

        await using var engines = await room.StartAsync(room.PostgresOnly);

        Assert.Equal(1, await EngineRoom.QueryAsync<int>(engines.TargetDatabaseUrl, "SELECT 1"));
        Assert.False(Directory.Exists(cutShort));
        Assert.Single(Directory.EnumerateDirectories(room.Data, "postgres.incomplete-*"));
    }

    [Fact]
    public async Task A_cancelled_start_leaves_no_process_and_no_half_cluster()
    {
        using var room = new EngineRoom();
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);

        var start = LocalEngines.StartAsync(room.Options, room.Log, cancel.Token);
        await EngineRoom.UntilAsync(
            () => Directory.Exists(room.Data) && Directory.EnumerateDirectories(room.Data, "postgres.new-*").Any(), "initdb");
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => start);
        Assert.Empty(Directory.EnumerateDirectories(room.Data, "postgres*"));
        Assert.Empty(ProcessTable.Find("nats-server", Path.Combine(room.Data, "nats"), null));
        await using var engines = await room.StartAsync();
        Assert.NotNull(engines.PostgresPid);
    }

    [Fact]
    public async Task A_folder_that_only_root_can_enter_keeps_its_cluster_elsewhere_and_takes_it_along()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "an ordinary user reaches its own folders");
        using var room = new EngineRoom();
        var home = Path.Combine(room.Root, "root");
        Directory.CreateDirectory(home, OwnerOnly);
        room.Data = Path.Combine(home, "data");
        await using (var engines = await room.StartAsync(room.PostgresOnly))
            await EngineRoom.QueryAsync<object>(engines.DatabaseUrl, "CREATE TABLE kept AS SELECT 42 AS answer");
        Assert.StartsWith(
            Path.Combine(room.Root, "system"), Native.RealPath(Path.Combine(room.Data, "postgres")), StringComparison.Ordinal);

        // Moved: the cluster follows.
        var moved = Path.Combine(home, "moved");
        Directory.Move(room.Data, moved);
        room.Data = moved;
        await using (var engines = await room.StartAsync(room.PostgresOnly))
            Assert.Equal(42, await EngineRoom.QueryAsync<int>(engines.DatabaseUrl, "SELECT answer FROM kept"));

        // Copied: two servers on one cluster would be the end of it.
        room.Data = Path.Combine(home, "copied");
        await Command.RunAsync("cp", ["-a", moved, room.Data], cancel: TestContext.Current.CancellationToken);
        var error = await room.FailsAsync(room.PostgresOnly);
        Assert.Contains("copy of " + moved, error.Message, StringComparison.Ordinal);

        // Gone: an empty database in its place would look like a loss.
        room.Data = moved;
        Directory.Delete(Native.RealPath(Path.Combine(moved, "postgres")), recursive: true);
        error = await room.FailsAsync(room.PostgresOnly);
        Assert.Contains("which is gone", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cluster_moved_out_of_its_users_reach_is_brought_back_into_it()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "an ordinary user reaches its own folders");
        using var room = new EngineRoom();
        await using (var engines = await room.StartAsync(room.PostgresOnly))
            await EngineRoom.QueryAsync<object>(engines.DatabaseUrl, "CREATE TABLE kept AS SELECT 42 AS answer");
        var home = Path.Combine(room.Root, "root");
        Directory.CreateDirectory(home, OwnerOnly);
        Directory.Move(room.Data, Path.Combine(home, "data"));
        room.Data = Path.Combine(home, "data");

        await using var again = await room.StartAsync(room.PostgresOnly);

        Assert.Equal(42, await EngineRoom.QueryAsync<int>(again.DatabaseUrl, "SELECT answer FROM kept"));
    }

    [Fact]
    public async Task A_cluster_of_someone_else_is_not_touched()
    {
        using var room = new EngineRoom();
        var folder = Path.Combine(room.Data, "postgres");
        Directory.CreateDirectory(Path.Combine(folder, "global"));
        await File.WriteAllTextAsync(Path.Combine(folder, "PG_VERSION"), "15\n", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(folder, "global", "pg_control"), "x", TestContext.Current.CancellationToken);

        var error = await room.FailsAsync(room.PostgresOnly);

        Assert.Contains("did not create", error.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(folder, "PG_VERSION")));
    }
}
