using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Watchword.Server.Local;

/// <summary><c>endpoints.json</c> in the data folder, by which other programs find this server and its engines.</summary>
internal sealed class EndpointsFile(string dataFolder)
{
    private readonly Lock _gate = new();
    private string? _written;

    public string Path { get; } = System.IO.Path.Combine(dataFolder, "endpoints.json");

    /// <summary>
    /// Returns false, and writes nothing, when this server has no private engines but another running server keeps
    /// its engines in this folder: the file is that server's.
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

    /// <summary>Removes the file unless another server has written it since.</summary>
    public void Remove()
    {
        lock (_gate)
        {
            if (_written is not null && AtomicFile.Read(Path) == _written)
                File.Delete(Path);
            _written = null;
        }
    }

    /// <summary>The content of the file, or null when there is none.</summary>
    /// <exception cref="JsonException">The content is not what a server writes.</exception>
    public static Endpoints? Read(string dataFolder)
    {
        var text = AtomicFile.Read(System.IO.Path.Combine(dataFolder, "endpoints.json"));
        return text is null ? null : JsonSerializer.Deserialize(text, EndpointsJson.Readable.Endpoints);
    }
}

[JsonSerializable(typeof(Endpoints))]
internal sealed partial class EndpointsJson : JsonSerializerContext
{
    // Leaves "+" and "&" in URLs unescaped, for people who read the file.
    public static EndpointsJson Readable { get; } = new(new JsonSerializerOptions(JsonSerializerDefaults.Web)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        WriteIndented = true,
    });
}
