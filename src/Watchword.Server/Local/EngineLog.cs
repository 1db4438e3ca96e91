namespace Watchword.Server.Local;

/// <summary>The file that receives an engine's output.</summary>
internal sealed class EngineLog(string path)
{
    private const long Large = 16 << 20;
    private const int TailBytes = 16 * 1024;

    public string Path { get; } = path;

    /// <summary>
    /// Makes sure that the file can be written, and renames a large one. Call it only while the engine is down, which
    /// keeps the file open otherwise.
    /// </summary>
    public void Prepare()
    {
        if (Mark() > Large)
            File.Move(Path, Path + ".1", overwrite: true);
        File.Open(Path, FileMode.Append, FileAccess.Write).Dispose();
    }

    /// <summary>The present end of the file, for <see cref="Since"/>.</summary>
    public long Mark() => File.Exists(Path) ? new FileInfo(Path).Length : 0;

    /// <summary>What was written after the mark, at most the last 16 KiB.</summary>
    public string Since(long mark)
    {
        if (!File.Exists(Path))
            return "";
        using var stream = new FileStream(Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        stream.Position = Math.Clamp(stream.Length - TailBytes, mark, Math.Max(mark, stream.Length));
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
