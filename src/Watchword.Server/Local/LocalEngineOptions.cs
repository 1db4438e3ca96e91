namespace Watchword.Server.Local;

/// <summary>Which private engines to start, and where they keep their data.</summary>
internal sealed record LocalEngineOptions
{
    public const int DefaultNatsPort = 4222;

    /// <summary>Absolute path. Created if it does not exist.</summary>
    public required string DataFolder { get; init; }

    /// <summary>The first port to try. If it is taken, the next free one is used unless <see cref="NatsPortAsked"/> is set.</summary>
    public int NatsPort { get; init; } = DefaultNatsPort;

    /// <summary>The operator named <see cref="NatsPort"/>: fail if it is taken.</summary>
    public bool NatsPortAsked { get; init; }

    public bool StartPostgres { get; init; } = true;
    public bool StartNats { get; init; } = true;

    /// <summary>How long an engine may take to answer. A PostgreSQL that reports crash recovery gets as long as it needs.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long to wait after each stop signal before sending the next, harsher one.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Whether to flush a new cluster to disk. Tests turn this off to save time.</summary>
    public bool SyncNewCluster { get; init; } = true;

    /// <summary>Holds the clusters that root's data folders cannot hold, because user postgres cannot reach them.</summary>
    public string SystemFolder { get; init; } = "/var/lib/watchword";

    /// <summary>Folders to search for the engines' programs. Null means PATH and the usual places.</summary>
    public IReadOnlyList<string>? ProgramFolders { get; init; }
}
