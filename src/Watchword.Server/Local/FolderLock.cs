using System.Globalization;

namespace Watchword.Server.Local;

/// <summary>
/// Keeps a second server out of a data folder. The kernel releases the lock when its holder dies, so a lock file that was
/// left behind does no harm.
/// </summary>
internal sealed class FolderLock : IDisposable
{
    private readonly string _pidFile;
    private readonly FileStream _stream;

    private FolderLock(string folder, FileStream stream)
    {
        _stream = stream;
        _pidFile = PidFile(folder);
        // In a file of its own, because other processes cannot read a locked file.
        AtomicFile.Write(_pidFile, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
    }

    public static FolderLock Take(string folder)
    {
        FileStream stream;
        try
        {
            stream = OpenLocked(folder);
        }
        catch (IOException e) when (IsHeld(e))
        {
            var holder = AtomicFile.Read(PidFile(folder)) ?? "unknown";
            throw new LocalEngineException(
                $"Another watchword server (pid {holder}) is using the data folder {folder}. " +
                $"Stop it (kill {holder}), or set WATCHWORD_DATA to another folder for this one.", e);
        }

        try
        {
            return new FolderLock(folder, stream);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Whether another process has locked the folder.</summary>
    public static bool IsHeldByAnother(string folder)
    {
        if (!File.Exists(LockFile(folder))
            || AtomicFile.Read(PidFile(folder)) == Environment.ProcessId.ToString(CultureInfo.InvariantCulture))
            return false;
        try
        {
            OpenLocked(folder).Dispose();
            return false;
        }
        catch (IOException e) when (IsHeld(e))
        {
            return true;
        }
    }

    public void Dispose()
    {
        if (!_stream.CanWrite)
            return;
        File.Delete(_pidFile);
        _stream.Dispose();
    }

    private static FileStream OpenLocked(string folder) =>
        new(LockFile(folder), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);

    // .NET reports a lock held elsewhere as a plain IOException with EWOULDBLOCK: 11 on Linux, 35 on macOS.
    private static bool IsHeld(IOException e) => e.GetType() == typeof(IOException) && e.HResult is 11 or 35;

    private static string LockFile(string folder) => Path.Combine(folder, "server.lock");

    private static string PidFile(string folder) => Path.Combine(folder, "server.pid");
}
