using Microsoft.Extensions.Logging;

namespace Watchword.Events.Enrichment;

/// <summary>Runs an operator's enricher so that its faults stay its own: it is limited in time and in size.</summary>
internal sealed class GuardedEnricher(IEventEnricher enricher, EnrichmentOptions options, ILogger logger)
{
    // Characters. An event must not become too large for its stream.
    private const int MostAdded = 4_096;

    private static readonly IReadOnlyDictionary<string, string> Nothing = new Dictionary<string, string>();

    private readonly string _name = enricher.GetType().Name;
    private Task _last = Task.CompletedTask;
    private long _restUntil = long.MinValue;
    private bool _isFailing;

    /// <summary>What the enricher adds; nothing when it fails, overruns or rests. For one caller at a time.</summary>
    public async ValueTask<IReadOnlyDictionary<string, string>> EnrichAsync(EventFacts facts)
    {
        // A call that still hangs keeps the enricher out, however long.
        if (Environment.TickCount64 < _restUntil || !_last.IsCompleted)
            return Nothing;
        var call = Task.Run(() =>
        {
            var context = new Dictionary<string, string>(StringComparer.Ordinal);
            enricher.Enrich(facts, context);
            return context;
        });
        _last = call;
        try
        {
            var added = await call.WaitAsync(options.TimeLimit);
            if (added.Sum(a => a.Key.Length + a.Value.Length) is > MostAdded and var length)
                throw new InvalidOperationException($"it added {length:#,0} characters; the limit is {MostAdded:#,0}");
            _isFailing = false;
            return added;
        }
        catch (TimeoutException) when (!call.IsCompleted)
        {
            _restUntil = Environment.TickCount64 + (long)options.RestAfterOverrun.TotalMilliseconds;
            logger.EnricherOverran(_name, (int)options.TimeLimit.TotalMilliseconds, (int)options.RestAfterOverrun.TotalSeconds);
        }
        catch (Exception e)
        {
            if (!_isFailing)
                logger.EnricherFailed(_name, e.Message);
            _isFailing = true;
        }
        return Nothing;
    }
}
