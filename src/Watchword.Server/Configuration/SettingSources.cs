namespace Watchword.Server.Configuration;

/// <summary>Where settings come from: <c>appsettings.json</c>, the environment and the command line; the last of these wins.</summary>
internal static class SettingSources
{
    /// <param name="commandLine">The options that were given, each under its setting's key.</param>
    /// <exception cref="ConfigurationException"><c>appsettings.json</c> cannot be read.</exception>
    public static IConfiguration Read(IEnumerable<KeyValuePair<string, string?>> commandLine)
    {
        try
        {
            return new ConfigurationBuilder()
                .AddJsonFile(Path.GetFullPath("appsettings.json"), optional: true)
                .AddEnvironmentVariables()
                .AddInMemoryCollection(commandLine)
                .Build();
        }
        catch (InvalidDataException e)
        {
            throw new ConfigurationException([$"appsettings.json cannot be read: {(e.InnerException?.InnerException ?? e.InnerException ?? e).Message}"]);
        }
    }
}
