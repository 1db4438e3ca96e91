namespace Watchword.Server.Passwords;

/// <summary>A key to derive: queued in a <see cref="HashingPool"/>, or being computed.</summary>
internal sealed class HashingRequest(ScryptJob job, ScryptParameters cost)
{
    // Continuations must not run on, or hold up, a hashing thread.
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ScryptJob Job { get; } = job;

    public ScryptParameters Cost { get; } = cost;

    public Task Completion => _done.Task;

    public void Complete() => _done.TrySetResult();

    public void Fail(Exception error) => _done.TrySetException(error);

    public void Cancel(CancellationToken cancellation) => _done.TrySetCanceled(cancellation);
}
