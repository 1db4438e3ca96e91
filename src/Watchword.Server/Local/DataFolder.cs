using System.Globalization;
using System.Security.Cryptography;

namespace Watchword.Server.Local;

/// <summary>The folder that holds everything the engines keep. Open in one server at a time.</summary>
internal sealed class DataFolder : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly FolderLock _lock;

    private DataFolder(string root, FolderLock folderLock)
    {
        Root = root;
        _lock = folderLock;
        CreatePrivate(Logs);
        CreatePrivate(Nats);
        CreatePrivate(Secrets);
    }

    public string Root { get; }
    public string Postgres => Path.Combine(Root, "postgres");
    public string Nats => Path.Combine(Root, "nats");
    public string Logs => Path.Combine(Root, "logs");
    private string Secrets => Path.Combine(Root, "secrets");

    /// <summary>Creates the folder when absent, proves that it can be written, and locks it.</summary>
    public static DataFolder Open(string path)
    {
        if (!Path.IsPathRooted(path))
            throw new ArgumentException("The data folder must be an absolute path: " + path, nameof(path));
        try
        {
            return OpenExisting(Create(path));
        }
        catch (UnauthorizedAccessException e)
        {
            throw new LocalEngineException(
                $"The data folder {path} cannot be written by user {Environment.UserName}. " +
                "It may belong to another user (did an earlier run use sudo?): run as that user, give it to this one " +
                $"(chown -R {Environment.UserName} {path}), or set WATCHWORD_DATA to another folder. ({e.Message})", e);
        }
        catch (IOException e)
        {
            throw new LocalEngineException(
                $"The data folder {path} cannot be used: {e.Message}{Advice.ForDisk(path, e.Message)} " +
                "Set WATCHWORD_DATA to another folder, or put this one right.", e);
        }
    }

    /// <summary>A number kept between runs, such as a port.</summary>
    public int? ReadNumber(string name) =>
        int.TryParse(AtomicFile.Read(Path.Combine(Root, name)), CultureInfo.InvariantCulture, out var number)
            ? number
            : null;

    public void WriteNumber(string name, int number) =>
        AtomicFile.Write(Path.Combine(Root, name), number.ToString(CultureInfo.InvariantCulture));

    public string? ReadSecret(string name) => AtomicFile.Read(Path.Combine(Secrets, name));

    public string CreateSecret(string name)
    {
        // Hex needs no escaping in a URL, in SQL, or in a shell.
        var secret = RandomNumberGenerator.GetHexString(40, lowercase: true);
        AtomicFile.Write(Path.Combine(Secrets, name), secret);
        return secret;
    }

    public void Dispose() => _lock.Dispose();

    private static string Create(string path)
    {
        if (File.Exists(path))
            throw new LocalEngineException(
                $"The data folder {path} is a file. Move it away, or set WATCHWORD_DATA to a folder.");
        Directory.CreateDirectory(path);
        return Native.RealPath(path);
    }

    private static DataFolder OpenExisting(string root)
    {
        var folderLock = FolderLock.Take(root);
        try
        {
            return new DataFolder(root, folderLock);
        }
        catch
        {
            folderLock.Dispose();
            throw;
        }
    }

    private static void CreatePrivate(string folder) => Directory.CreateDirectory(folder, OwnerOnly);
}
