namespace Watchword.Events.Replay;

/// <summary>The file that a replay is written to. It appears when it is complete; an existing file is kept until then.</summary>
internal static class ReplayFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;   // events hold personal data

    /// <summary>Finds the file that a path names, before any event is read.</summary>
    /// <exception cref="ReplayRefusedException">No regular file can be written there.</exception>
    public static string Resolve(string path)
    {
        if (path.Length == 0)
            throw new ReplayRefusedException("toFile", "is empty: name a file");
        // Symbolic links keep pointing where they do, so the file behind them is replaced. Those of /dev lead to no path at all.
        var file = IsDevice(path) || new FileInfo(path).LinkTarget is null ? Path.GetFullPath(path) : File.ResolveLinkTarget(path, returnFinalTarget: true)!.FullName;
        if (Directory.Exists(file))
            throw new ReplayRefusedException("toFile", $"is '{path}', a folder: name a file in it");
        if (IsDevice(file) || IsPipe(file))
            throw new ReplayRefusedException("toFile", $"is '{path}', a pipe or a device: use - and redirect standard output");
        if (!Directory.Exists(Path.GetDirectoryName(file)))
            throw new ReplayRefusedException("toFile", $"is '{path}', but its folder does not exist: create it first");
        return file;
    }

    /// <summary>Writes a temporary file beside the target, and moves it there when it is complete.</summary>
    /// <param name="path">From <see cref="Resolve"/>.</param>
    /// <param name="id">Makes the temporary file's name unique.</param>
    /// <param name="write">Writes the content.</param>
    public static async Task<T> WriteAsync<T>(string path, string id, Func<Stream, Task<T>> write)
    {
        var temporary = $"{path}.{id}.tmp";
        try
        {
            T result;
            await using (var file = new FileStream(temporary, Options(path)))
            {
                result = await write(file);
                file.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
            return result;
        }
        finally
        {
            File.Delete(temporary);   // no error when it was moved
        }
    }

    private static bool IsDevice(string path) => path.StartsWith("/dev/", StringComparison.Ordinal) && !path.StartsWith("/dev/shm/", StringComparison.Ordinal);

    private static bool IsPipe(string path)
    {
        if (!File.Exists(path))
            return false;
        // Opening a pipe for writing alone would wait for its reader.
        using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        return !file.CanSeek;
    }

    private static FileStreamOptions Options(string path)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = File.Exists(path) ? File.GetUnixFileMode(path) : OwnerOnly;
        return options;
    }
}
