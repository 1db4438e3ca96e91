using Watchword.Server.Local;

namespace Watchword.Tests.Local;

public class ClusterTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_cluster_whose_creation_was_cut_short_is_replaced()
    {
        using var room = new EngineRoom();
        var incomplete = Path.Combine(room.Data, "postgres.new-1234");
        Directory.CreateDirectory(incomplete);
        await File.WriteAllTextAsync(Path.Combine(incomplete, "PG_VERSION"), "15\n", Cancel);

        await using var engines = await room.StartAsync(room.PostgresOnly);

        Assert.Equal(1, await EngineRoom.QueryAsync<int>(engines.TargetDatabaseUrl, "SELECT 1"));
        Assert.False(Directory.Exists(incomplete));
    }

    [Fact]
    public async Task A_cancelled_start_leaves_no_process_and_no_incomplete_cluster()
    {
        using var room = new EngineRoom();
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Cancel);

        var start = LocalEngines.StartAsync(room.Options, room.Log, cancel.Token);
        await EngineRoom.UntilAsync(
            () => Directory.Exists(room.Data) && Directory.EnumerateDirectories(room.Data, "postgres.new-*").Any(), "initdb");
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => start);
        Assert.Empty(Directory.EnumerateDirectories(room.Data, "postgres*"));
        Assert.Empty(Leftovers.Find("nats-server", Path.Combine(room.Data, "nats"), null));
        await using var engines = await room.StartAsync();
        Assert.NotNull(engines.PostgresPid);
    }

    [Fact]
    public async Task A_data_folder_that_user_postgres_cannot_reach_has_its_cluster_in_the_system_folder()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "PostgreSQL runs as the same user, who reaches the folder");
        using var room = new EngineRoom();
        room.HideData();
        var cluster = Path.Combine(room.Root, "system" + room.Data, "postgres");

        await using (var engines = await room.StartAsync(room.PostgresOnly))
            await EngineRoom.QueryAsync<object>(engines.DatabaseUrl, "CREATE TABLE kept AS SELECT 42 AS answer");
        Assert.True(File.Exists(Path.Combine(cluster, "PG_VERSION")));
        Assert.False(Directory.Exists(Path.Combine(room.Data, "postgres")));

        await using (var engines = await room.StartAsync(room.PostgresOnly))
            Assert.Equal(42, await EngineRoom.QueryAsync<int>(engines.DatabaseUrl, "SELECT answer FROM kept"));

        // Whoever removes the data folder wants an empty database. The old one is kept all the same.
        Directory.Delete(room.Data, recursive: true);
        await using (var engines = await room.StartAsync(room.PostgresOnly))
            Assert.False(await EngineRoom.QueryAsync<bool>(engines.DatabaseUrl, "SELECT to_regclass('kept') IS NOT NULL"));
        Assert.Single(Directory.EnumerateDirectories(Path.GetDirectoryName(cluster)!, "postgres.2*"));
    }

    [Fact]
    public async Task A_cluster_that_was_moved_out_of_reach_is_an_error_that_says_where_to_move_it()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "PostgreSQL runs as the same user, who reaches the folder");
        using var room = new EngineRoom();
        room.HideData();
        Directory.CreateDirectory(Path.Combine(room.Data, "postgres"));

        var error = await room.FailsAsync(room.PostgresOnly);

        Assert.Contains(
            $"cannot reach {room.Data}/postgres. Move that folder to {room.Root}/system{room.Data}/postgres", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cluster_that_Watchword_did_not_create_is_left_alone()
    {
        using var room = new EngineRoom();
        var folder = Path.Combine(room.Data, "postgres");
        Directory.CreateDirectory(Path.Combine(folder, "global"));
        await File.WriteAllTextAsync(Path.Combine(folder, "PG_VERSION"), "15\n", Cancel);

        var error = await room.FailsAsync(room.PostgresOnly);

        Assert.Contains("did not create", error.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(folder, "PG_VERSION")));
    }
}
