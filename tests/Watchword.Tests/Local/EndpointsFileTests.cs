using Watchword.Server.Local;

namespace Watchword.Tests.Local;

public class EndpointsFileTests
{
    private static readonly Endpoints Some = new()
    {
        Http = "http://127.0.0.1:3001",
        Nats = "nats://127.0.0.1:4222",
        Database = "postgres://watchword:secret@127.0.0.1:20001/watchword",
        TargetDatabase = "postgres://watchword:secret@127.0.0.1:20001/app",
        NatsPid = 17,
        PostgresPid = null,
    };

    [Fact]
    public async Task It_has_the_documented_names_and_only_its_owner_can_read_it()
    {
        using var room = new EngineRoom();
        var file = new EndpointsFile(room.Data);

        Assert.True(file.Write(Some));

        Assert.Equal(
            """
            {
              "http": "http://127.0.0.1:3001",
              "nats": "nats://127.0.0.1:4222",
              "database": "postgres://watchword:secret@127.0.0.1:20001/watchword",
              "targetDatabase": "postgres://watchword:secret@127.0.0.1:20001/app",
              "natsPid": 17,
              "postgresPid": null
            }

            """,
            await File.ReadAllTextAsync(file.Path, TestContext.Current.CancellationToken));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file.Path));
        Assert.Equal(Some, EndpointsFile.Read(room.Data));
        Assert.Equal(["endpoints.json"], Directory.EnumerateFiles(room.Data).Select(Path.GetFileName));
    }

    [Fact]
    public void Removing_it_spares_what_another_server_wrote_since()
    {
        using var room = new EngineRoom();
        var (first, second) = (new EndpointsFile(room.Data), new EndpointsFile(room.Data));
        first.Write(Some);
        second.Write(Some with { Http = "http://127.0.0.1:3002" });

        first.Remove();
        Assert.Equal("http://127.0.0.1:3002", EndpointsFile.Read(room.Data)?.Http);

        second.Remove();
        second.Remove();
        Assert.Null(EndpointsFile.Read(room.Data));
    }
}
