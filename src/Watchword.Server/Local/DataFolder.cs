using System.Security.Cryptography;

namespace Watchword.Server.Local;

/// <summary>The folder that holds everything the engines keep. Only one server at a time can open it.</summary>
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

    /// <summary>Absolute, free of symbolic links.</summary>
    public string Root { get; }

    public string Postgres => Path.Combine(Root, "postgres");
    public string Nats => Path.Combine(Root, "nats");
    public string Logs => Path.Combine(Root, "logs");
    private string Secrets => Path.Combine(Root, "secrets");

    /// <summary>Creates the folder if it does not exist, and locks it.</summary>
    /// <exception cref="LocalEngineException">The folder cannot be written, or another server has it open.</exception>
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
                "Fix that, or set WATCHWORD_DATA to another folder.", e);
        }
    }

    public string? ReadSecret(string name) => AtomicFile.Read(Path.Combine(Secrets, name));

    public string CreateSecret(string name)
    {
        // Hex needs no escaping in a URL, SQL or a shell.
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
