using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Watchword.Server.Local;

/// <summary>Where everything listens. URLs carry their passwords; a pid is null when the engine is not ours.</summary>
internal sealed record Endpoints
{
    public required string Http { get; init; }
    public required string Nats { get; init; }
    public required string Database { get; init; }
    public required string TargetDatabase { get; init; }
    public required int? NatsPid { get; init; }
    public required int? PostgresPid { get; init; }
}

/// <summary><c>endpoints.json</c> in the data folder: how other programs find this server and its engines.</summary>
internal sealed class EndpointsFile(string dataFolder)
{
    private readonly Lock _gate = new();
    private string? _written;

    public string Path { get; } = System.IO.Path.Combine(dataFolder, "endpoints.json");

    /// <summary>
    /// False when the file belongs to another running server: one with engines of its own in this folder, beside
    /// which this server runs without any.
    /// </summary>
    public bool Write(Endpoints endpoints)
    {
        lock (_gate)
        {
            Directory.CreateDirectory(dataFolder);
            if (FolderLock.IsHeldByAnother(dataFolder))
                return false;
            var text = JsonSerializer.Serialize(endpoints, EndpointsJson.Readable.Endpoints);
            AtomicFile.Write(Path, text + "\n");
            _written = text;
            return true;
        }
    }

    /// <summary>Removes what this server wrote, and nothing that another has written since.</summary>
    public void Remove()
    {
        lock (_gate)
        {
            if (_written is not null && AtomicFile.Read(Path) == _written)
                File.Delete(Path);
            _written = null;
        }
    }

    /// <summary>The file as it stands, or null when no server has written one.</summary>
    public static Endpoints? Read(string dataFolder)
    {
        var text = AtomicFile.Read(System.IO.Path.Combine(dataFolder, "endpoints.json"));
        return text is null ? null : JsonSerializer.Deserialize(text, EndpointsJson.Readable.Endpoints);
    }
}

[JsonSerializable(typeof(Endpoints))]
internal sealed partial class EndpointsJson : JsonSerializerContext
{
    // "+" and "&" in a URL stay as they are, for people who read the file.
    public static EndpointsJson Readable { get; } = new(new JsonSerializerOptions(JsonSerializerDefaults.Web)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        WriteIndented = true,
    });
}
