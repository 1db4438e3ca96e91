namespace Watchword.Events.Replay;

/// <summary>A file that a replay is written to: whole, or as it was before. A pipe or a device is written to as it comes.</summary>
internal static class ReplayFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;   // events name people

    /// <summary>Finds out where a path leads, before anything is read.</summary>
    /// <exception cref="ReplayRefusedException">No file can be there.</exception>
    public static string Resolve(string path)
    {
        if (path.Length == 0)
            throw new ReplayRefusedException("toFile", "is empty: name a file");
        if (IsDevice(path))
            return path;   // /dev/stdout leads to what is no path
        var full = new FileInfo(path).LinkTarget is null ? Path.GetFullPath(path) : File.ResolveLinkTarget(path, returnFinalTarget: true)!.FullName;
        if (Directory.Exists(full))
            throw new ReplayRefusedException("toFile", $"is '{path}', a folder: name a file in it");
        return Path.GetDirectoryName(full) is { } folder && Directory.Exists(folder) ? full
            : throw new ReplayRefusedException("toFile", $"is '{path}', and its folder is not there: make it first");
    }

    /// <param name="path">From <see cref="Resolve"/>.</param>
    /// <param name="name">Tells what is not whole yet from everything else beside it.</param>
    /// <param name="write">Writes it.</param>
    /// <param name="ct">Waits no longer for a pipe's reader.</param>
    public static async Task<T> WriteAsync<T>(string path, string name, Func<Stream, Task<T>> write, CancellationToken ct)
    {
        if (await OpenIfSpecialAsync(path, ct) is { } special)
        {
            await using (special)
                return await write(special);
        }
        var temporary = $"{path}.{name}.tmp";
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

    private static FileStreamOptions Options(string path)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = File.Exists(path) ? File.GetUnixFileMode(path) : OwnerOnly;
        return options;
    }

    // A pipe or a device, which a file of that name must never replace. A pipe opens when somebody reads it, and once: its
    // reader would take a second time for the end.
    private static async Task<FileStream?> OpenIfSpecialAsync(string path, CancellationToken ct)
    {
        if (!File.Exists(path))
            return null;
        var opening = Task.Run(() => new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0), CancellationToken.None);
        try
        {
            var file = await opening.WaitAsync(ct);
            if (!file.CanSeek || IsDevice(path))
                return file;
            await file.DisposeAsync();
            return null;
        }
        catch (OperationCanceledException)
        {
            _ = opening.ContinueWith(late => late.Result.Dispose(), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
            throw;
        }
    }
}
