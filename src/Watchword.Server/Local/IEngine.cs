namespace Watchword.Server.Local;

/// <summary>A child process that an <see cref="EngineSupervisor"/> keeps running.</summary>
internal interface IEngine
{
    string Name { get; }

    /// <summary>Returns when the engine is ready. Leaves no process behind when it throws.</summary>
    Task<EngineProcess> StartAsync(CancellationToken cancel);

    Task StopAsync(EngineProcess process);
}
