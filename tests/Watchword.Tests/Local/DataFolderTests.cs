using Watchword.Server.Local;

namespace Watchword.Tests.Local;

public class DataFolderTests
{
    [Fact]
    public async Task A_file_cannot_be_the_data_folder()
    {
        using var room = new EngineRoom();
        await File.WriteAllTextAsync(room.Data, "", TestContext.Current.CancellationToken);

        var error = await room.FailsAsync(room.Options);

        Assert.Contains(room.Data + " is a file", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_that_cannot_be_created_is_an_error_that_names_the_setting()
    {
        using var room = new EngineRoom();
        room.Data = "/proc/watchword/data";

        var error = await room.FailsAsync(room.Options);

        Assert.Contains("WATCHWORD_DATA", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_that_cannot_be_written_is_an_error()
    {
        using var room = new EngineRoom();
        if (Environment.IsPrivilegedProcess)
            room.Data = "/sys/kernel/watchword";   // where even root may not write
        else
            Directory.CreateDirectory(room.Data, UnixFileMode.UserRead | UnixFileMode.UserExecute);

        var error = await room.FailsAsync(room.Options);

        Assert.Contains("cannot be written", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Missing_engines_are_errors_that_name_the_packages()
    {
        using var room = new EngineRoom();
        Directory.CreateDirectory(Path.Combine(room.Root, "empty"));
        IReadOnlyList<string> nowhere = [Path.Combine(room.Root, "empty")];

        var postgres = await room.FailsAsync(room.PostgresOnly with { ProgramFolders = nowhere });
        var nats = await room.FailsAsync(room.NatsOnly with { ProgramFolders = nowhere });

        Assert.Contains("apt-get install postgresql", postgres.Message, StringComparison.Ordinal);
        Assert.Contains("apt-get install nats-server", nats.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("initdb: error: could not write file: No space left on device")]
    [InlineData("HINT:  Check free disk space.")]
    public void A_full_disk_is_named_as_the_cause(string words)
    {
        using var room = new EngineRoom();

        var error = Advice.EngineFailed("PostgreSQL", room.Root, new EngineLog(Path.Combine(room.Root, "log")), words);

        Assert.Contains($"The disk that holds {room.Root} is full", error.Message, StringComparison.Ordinal);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_lock_ends_with_its_holder()
    {
        using var room = new EngineRoom();
        DataFolder.Open(room.Data).Dispose();
        using var folder = DataFolder.Open(room.Data);

        Assert.Throws<LocalEngineException>(() => DataFolder.Open(room.Data));
    }

    [Fact]
    public void Only_the_owner_can_read_secrets()
    {
        using var room = new EngineRoom();
        using var folder = DataFolder.Open(room.Data);

        var secret = folder.CreateSecret("password");

        Assert.Equal(secret, folder.ReadSecret("password"));
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite,
            File.GetUnixFileMode(Path.Combine(room.Data, "secrets", "password")));
    }
}
