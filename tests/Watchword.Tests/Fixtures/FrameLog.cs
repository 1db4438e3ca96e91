namespace Watchword.Tests;

/// <summary>What was seen so far, and whoever waits for something to come.</summary>
internal sealed class FrameLog
{
    private readonly Lock _gate = new();
    private readonly List<WireFrame> _frames = [];
    private readonly List<(Func<WireFrame, bool> Such, TaskCompletionSource<WireFrame> Found)> _waiting = [];

    public IReadOnlyList<WireFrame> All
    {
        get
        {
            lock (_gate)
                return [.. _frames];
        }
    }

    public void Add(WireFrame frame)
    {
        lock (_gate)
        {
            _frames.Add(frame);
            foreach (var (such, found) in _waiting)
                if (such(frame))
                    found.TrySetResult(frame);
            _waiting.RemoveAll(w => w.Found.Task.IsCompleted);
        }
    }

    /// <summary>The first that is such, past or to come. Fails after 30 s, and says what was seen instead.</summary>
    public async Task<WireFrame> FirstAsync(Func<WireFrame, bool> such)
    {
        var found = new TaskCompletionSource<WireFrame>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_frames.Find(f => such(f)) is { } past)
                return past;
            _waiting.Add((such, found));
        }

        try
        {
            return await found.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"No such frame within 30 s. The last ones: {string.Join(" | ", All.TakeLast(20))}", e);
        }
    }
}
