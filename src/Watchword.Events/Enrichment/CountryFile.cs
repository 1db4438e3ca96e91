using System.Net;
using System.Net.Sockets;
using MaxMind.Db;
using Microsoft.Extensions.Logging;

namespace Watchword.Events.Enrichment;

/// <summary>Looks up countries in a MaxMind DB file (<c>.mmdb</c>), and reloads the file when it changes.</summary>
internal sealed class CountryFile : IDisposable
{
    private const int NetworksProbed = 1_000;

    private readonly string _path;
    private readonly ILogger _logger;
    private readonly Timer _clock;
    private readonly Lock _gate = new();
    private (DateTime, long) _stamp;
    private Reader _reader;
    private bool _isBroken;

    /// <param name="path">The file.</param>
    /// <param name="interval">How often it is checked for a change.</param>
    /// <param name="logger">Told of each reload, and of a file that cannot be used.</param>
    /// <exception cref="FormatException">It is not a database of countries.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public CountryFile(string path, TimeSpan interval, ILogger logger)
    {
        (_path, _logger) = (path, logger);
        _stamp = Stamp();
        _reader = Open(path);
        _logger.CountriesLoaded(path, _reader.Metadata.DatabaseType, _reader.Metadata.BuildDate);
        // One shot, set again after each check: a slow reload is never overtaken by the next.
        _clock = new(_ => Check(interval), null, interval, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Opens a file after checking that it knows countries.</summary>
    /// <exception cref="FormatException">It is not a database of countries. The message completes a sentence about the file.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static Reader Open(string path)
    {
        Reader? reader = null;
        try
        {
            // In memory: a mapped file that somebody overwrites in place would change, or fault, during a lookup.
            reader = new Reader(path, FileAccessMode.Memory);
            if (reader.FindAll<CountryRecord>().Take(NetworksProbed).Any(n => n.Data?.Code is not null))
                return reader;
        }
        catch (Exception e) when (e is not (IOException or UnauthorizedAccessException))
        {
            // The reader meets broken files with exceptions of many types.
            reader?.Dispose();
            throw new FormatException("is not a MaxMind DB: provide an .mmdb file such as GeoLite2-Country or DB-IP Country Lite; a text file of networks is not accepted", e);
        }
        var type = reader.Metadata.DatabaseType;
        reader.Dispose();
        throw new FormatException($"is a MaxMind DB of type '{type}' without country.iso_code: provide one such as GeoLite2-Country, GeoLite2-City or DB-IP Country Lite");
    }

    /// <summary>Two letters, ISO 3166-1 alpha-2; null when the country is unknown.</summary>
    public string? Find(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        lock (_gate)
        {
            if (address.AddressFamily == AddressFamily.InterNetworkV6 && _reader.Metadata.IPVersion == 4)
                return null;
            try
            {
                return _reader.Find<CountryRecord>(address)?.Code;
            }
            catch (Exception e)
            {
                // Damaged where opening it did not look. Events go on without a country.
                if (!_isBroken)
                    _logger.CountriesDamaged(_path, e.Message);
                _isBroken = true;
                return null;
            }
        }
    }

    public void Dispose()
    {
        _clock.Dispose();
        lock (_gate)
            _reader.Dispose();
    }

    private void Check(TimeSpan interval)
    {
        try
        {
            var stamp = Stamp();
            if (stamp != _stamp)
            {
                _stamp = stamp;   // also when it cannot be used: logged once, until it changes again
                var reader = Open(_path);
                lock (_gate)
                {
                    _reader.Dispose();
                    (_reader, _isBroken) = (reader, false);
                }
                _logger.CountriesLoaded(_path, reader.Metadata.DatabaseType, reader.Metadata.BuildDate);
            }
        }
        catch (Exception e) when (e is FormatException or IOException or UnauthorizedAccessException)
        {
            _logger.CountriesNotLoaded(_path, e.Message);
        }
        try
        {
            _clock.Change(interval, Timeout.InfiniteTimeSpan);
        }
        catch (ObjectDisposedException)
        {
            // Closed meanwhile.
        }
    }

    // Of the file that symbolic links lead to: Kubernetes updates a mounted file by turning a link.
    private (DateTime, long) Stamp()
    {
        if (!File.Exists(_path))
            return default;
        using var file = File.OpenHandle(_path);
        return (File.GetLastWriteTimeUtc(file), RandomAccess.GetLength(file));
    }
}
