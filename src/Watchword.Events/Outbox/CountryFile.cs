using Microsoft.Extensions.Logging;

namespace Watchword.Events.Outbox;

/// <summary>The table of countries as its file stands, read again when the file changes.</summary>
internal sealed class CountryFile : IDisposable
{
    private readonly string _path;
    private readonly ILogger _logger;
    private readonly Timer _clock;
    private (DateTime, long) _stamp;
    private volatile CountryTable _current;

    /// <exception cref="FormatException">It has bad lines; the message names them.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public CountryFile(string path, TimeSpan interval, ILogger logger)
    {
        (_path, _logger) = (path, logger);
        _stamp = Stamp();
        _current = Read(path);
        _logger.CountriesRead(_current.Networks, path);
        // One shot at a time: a reading that takes long is not overtaken by the next.
        _clock = new(_ => Look(interval), null, interval, Timeout.InfiniteTimeSpan);
    }

    public CountryTable Current => _current;

    public static CountryTable Read(string path)
    {
        var faults = new List<string>();
        var table = CountryTable.Read(File.ReadLines(path), faults);
        // A file that is just being written looks empty.
        if (faults.Count == 0 && table.Networks == 0)
            faults.Add("it names no network");
        return faults.Count == 0 ? table : throw new FormatException(string.Join("; ", faults));
    }

    public void Dispose() => _clock.Dispose();

    private void Look(TimeSpan interval)
    {
        try
        {
            var stamp = Stamp();
            if (stamp != _stamp)
            {
                _stamp = stamp;   // also when it cannot be read: said once, until it changes again
                _current = Read(_path);
                _logger.CountriesRead(_current.Networks, _path);
            }
        }
        catch (Exception e) when (e is FormatException or IOException or UnauthorizedAccessException)
        {
            _logger.CountriesNotRead(_path, e.Message);
        }
        try
        {
            _clock.Change(interval, Timeout.InfiniteTimeSpan);
        }
        catch (ObjectDisposedException)
        {
            // It was closed meanwhile.
        }
    }

    // Of what its links lead to, as Kubernetes has them.
    private (DateTime, long) Stamp()
    {
        if (!File.Exists(_path))
            return default;
        using var file = File.OpenHandle(_path);
        return (File.GetLastWriteTimeUtc(file), RandomAccess.GetLength(file));
    }
}
