namespace Watchword.Server.Local;

/// <summary>What private engines to start, and where their data lies.</summary>
internal sealed record LocalEngineOptions
{
    public const int DefaultNatsPort = 4222;

    /// <summary>Absolute path; created when absent.</summary>
    public required string DataFolder { get; init; }

    /// <summary>The first port to try; the next free one is taken unless <see cref="NatsPortAsked"/>.</summary>
    public int NatsPort { get; init; } = DefaultNatsPort;

    /// <summary>The operator named the port: if it is taken, that is an error and not a reason to move.</summary>
    public bool NatsPortAsked { get; init; }

    public bool StartPostgres { get; init; } = true;
    public bool StartNats { get; init; } = true;

    /// <summary>How long an engine may take to answer. Crash recovery of PostgreSQL may take longer.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long an engine may take to stop before it is told more firmly.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Sync a new cluster to disk when it is created. Tests do without.</summary>
    public bool SyncNewCluster { get; init; } = true;

    /// <summary>Where a cluster goes when the user that runs it cannot reach the data folder.</summary>
    public string SystemFolder { get; init; } = "/var/lib/watchword";

    /// <summary>Folders searched for the engines' programs; null means PATH and the usual places.</summary>
    public IReadOnlyList<string>? ProgramFolders { get; init; }
}

/// <summary>An engine cannot be started. The message is for the operator: what is wrong, and what to do.</summary>
internal sealed class LocalEngineException : Exception
{
    public LocalEngineException(string message) : base(message)
    {
    }

    public LocalEngineException(string message, Exception? cause) : base(message, cause)
    {
    }
}
