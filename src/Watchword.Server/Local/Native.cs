using System.Runtime.InteropServices;

namespace Watchword.Server.Local;

/// <summary>System calls that .NET has no API for.</summary>
internal static partial class Native
{
    public const int SigInt = 2;
    public const int SigQuit = 3;
    public const int SigKill = 9;
    public const int SigTerm = 15;
    public static readonly int SigCont = OperatingSystem.IsMacOS() ? 19 : 18;

    private const int OperationNotPermitted = 1;

    /// <summary>Whether a process has this id, whoever owns it. Zombies count.</summary>
    public static bool Exists(int pid) =>
        Kill(pid, 0) == 0 || Marshal.GetLastPInvokeError() == OperationNotPermitted;

    public static void Signal(int pid, int signal) => _ = Kill(pid, signal);

    public static void ChangeOwner(string path, int uid, int gid)
    {
        if (Chown(path, uid, gid) != 0)
            throw new IOException($"chown of {path}: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    /// <summary>The path with all symbolic links resolved.</summary>
    public static unsafe string RealPath(string path)
    {
        var resolved = ResolvePath(path, 0);
        if (resolved == 0)
            throw new IOException($"{path}: {Marshal.GetLastPInvokeErrorMessage()}");
        try
        {
            return Marshal.PtrToStringUTF8(resolved)!;
        }
        finally
        {
            NativeMemory.Free((void*)resolved);
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "chown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial int Chown(string path, int uid, int gid);

    [LibraryImport("libc", EntryPoint = "realpath", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial nint ResolvePath(string path, nint buffer);
}
