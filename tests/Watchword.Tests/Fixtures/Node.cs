using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace Watchword.Tests;

/// <summary>Runs the scripts of tests/conformance, which hold the official JavaScript libraries against Watchword.</summary>
internal static class Node
{
    private static readonly SemaphoreSlim Installing = new(1, 1);

    private static string Folder => Path.Combine(Repository.Root, "tests", "conformance");

    /// <summary>Runs a script of tests/conformance and returns what it printed.</summary>
    /// <param name="script">The file's name within the folder.</param>
    /// <param name="input">What the script reads from its standard input, usually JSON.</param>
    /// <exception cref="InvalidOperationException">Node is missing, or the script failed; says what to do.</exception>
    public static async Task<string> RunAsync(string script, string input = "")
    {
        await InstallAsync();
        return await ExecuteAsync("node", [script], input, TimeSpan.FromMinutes(2));
    }

    private static async Task InstallAsync()
    {
        await Installing.WaitAsync(TestContext.Current.CancellationToken);
        try
        {
            // npm writes this file last; newer than the lock file, it says that all is there.
            var installed = new FileInfo(Path.Combine(Folder, "node_modules", ".package-lock.json"));
            var wanted = new FileInfo(Path.Combine(Folder, "package-lock.json"));
            if (!installed.Exists || installed.LastWriteTimeUtc < wanted.LastWriteTimeUtc)
            {
                // Other processes may run tests in the same checkout; the file is the lock between them.
                await using var guard = await LockAsync(Path.Combine(Folder, "node_modules.lock"));
                installed.Refresh();
                if (!installed.Exists || installed.LastWriteTimeUtc < wanted.LastWriteTimeUtc)
                    await ExecuteAsync("npm", ["ci", "--no-audit", "--no-fund"], "", TimeSpan.FromMinutes(5));
            }
        }
        finally
        {
            Installing.Release();
        }
    }

    private static async Task<FileStream> LockAsync(string path)
    {
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
            }
            catch (IOException)
            {
                // There is no signal between processes for this; an installation takes seconds.
                await Task.Delay(200, TestContext.Current.CancellationToken);
            }
        }
    }

    private static async Task<string> ExecuteAsync(string program, string[] arguments, string input, TimeSpan patience)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = Folder,
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardInputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false),
        };
        using var process = Start(start);
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        try
        {
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // The script ended without reading; its exit code says why.
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(patience);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException e)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} did not end within {patience}:\n{await output}{await errors}", e);
        }
        return process.ExitCode == 0
            ? await output
            : throw new InvalidOperationException(
                $"{program} {string.Join(' ', arguments)} in {Folder} ended with {process.ExitCode}:\n{await errors}");
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception error)
        {
            throw new InvalidOperationException(
                $"'{start.FileName}' did not start: {error.Message}. These tests need Node.js 20 or newer with npm "
                + "(apt-get install nodejs npm, or https://nodejs.org).", error);
        }
    }
}
