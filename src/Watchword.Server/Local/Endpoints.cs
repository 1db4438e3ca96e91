namespace Watchword.Server.Local;

/// <summary>Where everything listens. The URLs include passwords. A pid is null when the engine is not a private one.</summary>
internal sealed record Endpoints
{
    public required string Http { get; init; }
    public required string Nats { get; init; }
    public required string Database { get; init; }
    public required string TargetDatabase { get; init; }
    public required int? NatsPid { get; init; }
    public required int? PostgresPid { get; init; }
}
