using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Watchword.Events.Outbox;

/// <summary>
/// An operator's enricher, on a thread of its own, within a time for each event, a share of each second and a size: its
/// faults are not the relay's.
/// </summary>
internal sealed class GuardedEnricher : IDisposable
{
    private static readonly IReadOnlyDictionary<string, string> Nothing = new Dictionary<string, string>();

    private const int MostAdded = 4_096;   // characters: no event may become too large for its stream

    private static readonly TimeSpan Turn = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ShareOfTurn = Turn / 2;

    private sealed record Job(EventFacts Facts, TaskCompletionSource<IReadOnlyDictionary<string, string>> Result);

    private readonly IEventEnricher _enricher;
    private readonly EnrichmentOptions _options;
    private readonly ILogger _logger;
    private readonly BlockingCollection<Job> _jobs = [];
    private Task _last = Task.CompletedTask;
    private long _restUntil = long.MinValue;
    private bool _failing;
    private long _turnBegan = Stopwatch.GetTimestamp();
    private TimeSpan _spent;
    private long _toldOfShare = long.MinValue;

    public GuardedEnricher(IEventEnricher enricher, EnrichmentOptions options, ILogger logger)
    {
        (_enricher, _options, _logger) = (enricher, options, logger);
        new Thread(Work) { IsBackground = true, Name = "enricher " + enricher.GetType().Name }.Start();
    }

    /// <summary>What it adds; nothing when it fails, overruns, or is being left out. For one caller at a time.</summary>
    public async ValueTask<IReadOnlyDictionary<string, string>> EnrichAsync(EventFacts facts)
    {
        // One that hangs stays out until it comes back.
        if (Environment.TickCount64 < _restUntil || !_last.IsCompleted || !HasTimeLeft())
            return Nothing;
        var since = Stopwatch.GetTimestamp();
        var job = new Job(facts, new(TaskCreationOptions.RunContinuationsAsynchronously));
        _last = job.Result.Task;
        _jobs.Add(job);
        try
        {
            var added = await job.Result.Task.WaitAsync(_options.TimeLimit);
            if (added.Sum(a => a.Key.Length + a.Value.Length) is > MostAdded and var length)
                throw new InvalidOperationException($"it adds {length:#,0} characters, of {MostAdded:#,0} that an event may have more");
            _failing = false;
            return added;
        }
        catch (TimeoutException) when (!job.Result.Task.IsCompleted)
        {
            _restUntil = Environment.TickCount64 + (long)_options.RestAfterOverrun.TotalMilliseconds;
            _logger.EnricherOverran(Name, (int)_options.TimeLimit.TotalMilliseconds, (int)_options.RestAfterOverrun.TotalSeconds);
        }
        catch (Exception e)
        {
            if (!_failing)
                _logger.EnricherFailed(Name, e.Message);
            _failing = true;
        }
        finally
        {
            _spent += Stopwatch.GetElapsedTime(since);
        }
        return Nothing;
    }

    // Each event waits little, and a thousand in a row would wait a thousand times that: what comes behind them too.
    private bool HasTimeLeft()
    {
        if (Stopwatch.GetElapsedTime(_turnBegan) >= Turn)
            (_turnBegan, _spent) = (Stopwatch.GetTimestamp(), TimeSpan.Zero);
        if (_spent < ShareOfTurn)
            return true;
        if (Environment.TickCount64 >= _toldOfShare)
        {
            _toldOfShare = Environment.TickCount64 + (long)_options.RestAfterOverrun.TotalMilliseconds;
            _logger.EnricherUsedItsShare(Name, (int)ShareOfTurn.TotalMilliseconds);
        }
        return false;
    }

    public void Dispose() => _jobs.CompleteAdding();

    private string Name => _enricher.GetType().Name;

    private void Work()
    {
        foreach (var job in _jobs.GetConsumingEnumerable())
        {
            try
            {
                var context = new Dictionary<string, string>(StringComparer.Ordinal);
                _enricher.Enrich(job.Facts, context);
                job.Result.SetResult(context);
            }
            catch (Exception e)
            {
                job.Result.SetException(e);
                _ = job.Result.Task.Exception;   // seen, also when nobody waits any more
            }
        }
    }
}
