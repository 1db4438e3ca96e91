using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Engines;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.NoEmit;
using Watchword.Nats;

namespace Watchword.Bench;

/// <summary>Bytes allocated per message, in the whole process: BenchmarkDotNet's memory column.</summary>
internal static class MemoryBench
{
    public static async Task<IReadOnlyList<Figure>> RunAsync(string server, CancellationToken ct)
    {
        Allocations.Server = server;
        using var folder = new TemporaryFolder();
        var config = ManualConfig.CreateEmpty()
            .AddJob(Job.Default.WithToolchain(InProcessNoEmitToolchain.Instance)
                .WithStrategy(RunStrategy.Monitoring).WithWarmupCount(2).WithIterationCount(5).WithInvocationCount(1).WithUnrollFactor(1))
            .AddDiagnoser(MemoryDiagnoser.Default)
            .AddColumnProvider(DefaultColumnProviders.Instance)
            .HideColumns(Column.Error, Column.StdDev)
            .AddLogger(NullLogger.Instance)
            .WithArtifactsPath(folder.Path)
            .WithOptions(ConfigOptions.DisableLogFile);
        var summary = await Task.Run(() => BenchmarkRunner.Run<Allocations>(config), ct);
        var control = Bytes(summary, nameof(Allocations.Control));
        if (Math.Abs(control - Allocations.ControlBytes) > 2)
            throw new InvalidOperationException($"The memory column is not right on this runtime: {control} bytes for {Allocations.ControlBytes} that another thread allocates.");
        var table = new AccumulationLogger();
        MarkdownExporter.Console.ExportToLog(summary, table);
        return
        [
            new("allocated per JetStream publish", "bytes", [new("publish", Bytes(summary, nameof(Allocations.Publish)), AtMost: 200)],
                $"{JetStreamRates.Size} bytes with a Nats-Msg-Id, ack included; BenchmarkDotNet's memory column, all threads"),
            new("allocated per consumed message", "bytes",
                [
                    new("acked and disposed", Bytes(summary, nameof(Allocations.Consume)), AtMost: 300),
                    new("acked and kept", Bytes(summary, nameof(Allocations.ConsumeAndKeep))),
                ],
                $"{JetStreamRates.Size} bytes; the same column. A message that is not disposed owns its memory for good")
            {
                Appendix = table.GetLog(),
            },
        ];
    }

    private static double Bytes(Summary summary, string benchmark)
    {
        var report = summary.Reports.SingleOrDefault(r => r.BenchmarkCase.Descriptor.WorkloadMethod.Name == benchmark);
        return report is { Success: true } && report.GcStats.GetBytesAllocatedPerOperation(report.BenchmarkCase) is { } bytes
            ? bytes
            : throw new InvalidOperationException($"BenchmarkDotNet did not measure {benchmark}: "
                + string.Join(' ', summary.ValidationErrors.Select(e => e.Message)));
    }
}

/// <summary>What BenchmarkDotNet runs. Most of it happens on other threads than the caller's, which it counts too: the control shows it.</summary>
public class Allocations : IAsyncDisposable
{
    /// <summary>An array of 256 bytes with its header and length.</summary>
    internal const int ControlBytes = 256 + 24;

    private const int Messages = 50_000;
    private const string Full = "memory-full";
    private const string Filling = "memory-filling";

    private readonly byte[] _payload = new byte[JetStreamRates.Size];
    private readonly NatsHeaders _headers = [];
    private NatsConnection _connection = null!;
    private JetStream _js = null!;
    private JetStreamPublisher _publisher = null!;
    private long _lastId;
    private int _consumers;

    internal static string Server { get; set; } = "";

    [GlobalSetup]
    public async Task ConnectAsync()
    {
        _connection = new(new() { Url = Server, Name = "bench" });
        await _connection.ConnectAsync();
        _js = new(_connection);
        _publisher = _js.CreatePublisher();
        foreach (var name in (string[])[Full, Filling])
        {
            await _js.DeleteStreamAsync(name);
            await _js.CreateStreamAsync(new() { Name = name, MaxMessages = Messages, DuplicateWindow = TimeSpan.FromSeconds(1) });
        }
        await PublishAsync(Full);
    }

    [GlobalCleanup]
    public Task CleanUpAsync() => DisposeAsync().AsTask();

    public async ValueTask DisposeAsync()
    {
        await _publisher.DisposeAsync();
        foreach (var name in (string[])[Full, Filling])
            await _js.DeleteStreamAsync(name);
        await _connection.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Benchmark(OperationsPerInvoke = Messages)]
    public Task Publish() => PublishAsync(Filling);

    // Before the one that disposes: where nobody does, bodies are made to measure.
    [Benchmark(OperationsPerInvoke = Messages)]
    public Task ConsumeAndKeep() => ConsumeAsync(dispose: false);

    [Benchmark(OperationsPerInvoke = Messages)]
    public Task Consume() => ConsumeAsync(dispose: true);

    /// <summary>One array an operation, made by another thread.</summary>
    [Benchmark(OperationsPerInvoke = Messages)]
    public byte[] Control()
    {
        var last = Array.Empty<byte>();
        var other = new Thread(() =>
        {
            for (var i = 0; i < Messages; i++)
                last = new byte[JetStreamRates.Size];
        });
        other.Start();
        other.Join();
        return last;
    }

    private async Task PublishAsync(string stream)
    {
        var acked = Task.Run(async () =>
        {
            for (var i = 0; i < Messages; i++)
                if ((await _publisher.Results.ReadAsync()).Error is { } error)
                    throw error;
        });
        for (var i = 0; i < Messages; i++)
        {
            _headers.Clear();
            _headers.Add("Nats-Msg-Id", ++_lastId);
            await _publisher.PublishAsync(stream, _payload, _headers, i);
        }
        await acked;
    }

    private async Task ConsumeAsync(bool dispose)
    {
        var name = $"c{++_consumers}";
        await _js.CreateConsumerAsync(Full, new() { DurableName = name, MaxAckPending = -1 });
        await using (var consumer = await _js.ConsumeAsync(Full, name))
        {
            for (var left = Messages; left > 0 && await consumer.WaitToReadAsync();)
            {
                while (consumer.TryRead(out var message))
                {
                    await message.AckAsync();
                    left--;
                    if (dispose)
                        message.Dispose();
                }
            }
        }
        await _js.DeleteConsumerAsync(Full, name);
    }
}
