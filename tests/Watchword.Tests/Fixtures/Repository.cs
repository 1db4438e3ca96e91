namespace Watchword.Tests;

/// <summary>Where the checkout lies, found upwards from the test's own folder.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Watchword.slnx")))
                return folder.FullName;
        throw new InvalidOperationException("Watchword.slnx is in no folder above " + AppContext.BaseDirectory);
    }
}
