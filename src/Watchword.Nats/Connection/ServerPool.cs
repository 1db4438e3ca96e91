using System.Net;

namespace Watchword.Nats;

/// <summary>Which servers to try and in what order: the configured ones, those the cluster told us of, the last used at the end.</summary>
internal sealed class ServerPool
{
    private readonly IReadOnlyList<ServerAddress> _seeds;
    private readonly Lock _gate = new();
    private List<ServerAddress> _known;
    private ServerAddress? _current;

    public ServerPool(NatsOptions options)
    {
        _seeds = ServerAddress.ParseAll(options.Url);
        _known = [.. _seeds];
    }

    public int Count
    {
        get
        {
            lock (_gate)
                return _known.Count;
        }
    }

    /// <summary>All servers in the order to try them. Which others come first is left to chance, so that a thousand clients do not all move to the same one.</summary>
    public IReadOnlyList<ServerAddress> InOrder()
    {
        lock (_gate)
        {
            if (_current is null)
                return [.. _known];
            var others = _known.Where(s => !IsSame(s, _current)).ToArray();
            Random.Shared.Shuffle(others);
            return [.. others, _current];
        }
    }

    public void Use(ServerAddress server)
    {
        lock (_gate)
            _current = server;
    }

    /// <summary>Takes over what a server said of its cluster; servers that left are forgotten, seeds never.</summary>
    public void Learn(ServerInfo info)
    {
        if (info.ConnectUrls is not { } urls)
            return;
        lock (_gate)
        {
            // Peers accept the credentials that the current server accepted, and have their certificates for its name
            // where they are known by an address alone.
            var like = _current ?? _seeds[0];
            var found = new List<ServerAddress>(_seeds);
            foreach (var url in urls)
            {
                if (TryParse(url) is not { } server || found.Exists(s => IsSame(s, server)))
                    continue;
                var name = IPAddress.TryParse(server.Host, out _) ? like.TlsName ?? like.Host : null;
                found.Add(server with { Credentials = like.Credentials, Tls = like.Tls, TlsName = name });
            }

            _known = found;
        }
    }

    private static bool IsSame(ServerAddress a, ServerAddress b)
        => a.Port == b.Port && string.Equals(a.Host, b.Host, StringComparison.OrdinalIgnoreCase);

    private static ServerAddress? TryParse(string url)
    {
        try
        {
            return ServerAddress.Parse(url);
        }
        catch (FormatException)
        {
            return null; // a peer that we cannot use is no reason to fail
        }
    }
}
