using System.Security.Cryptography;
using System.Text;

namespace Watchword.Server.Passwords;

/// <summary>Hashes and verifies passwords, in Better Auth's format and off the threads that serve requests.</summary>
/// <remarks>
/// A password is normalized (<see cref="PasswordText"/>) and encoded as UTF-8, as Better Auth does. No password and no
/// hash is ever logged or part of an exception.
/// </remarks>
internal sealed class PasswordHasher : IDisposable
{
    private static readonly TimeSpan KeepMemory = TimeSpan.FromSeconds(2);

    private readonly ScryptParameters _cost;

    /// <param name="options">The cost of new hashes, and the threads.</param>
    /// <exception cref="ArgumentException">The options are not valid; the message lists every fault.</exception>
    public PasswordHasher(PasswordOptions options)
        : this(options, KeepMemory)
    {
    }

    /// <param name="options">The cost of new hashes, and the threads.</param>
    /// <param name="idle">How long a thread without work keeps its memory.</param>
    internal PasswordHasher(PasswordOptions options, TimeSpan idle)
    {
        var errors = options.Validate();
        if (errors.Count > 0)
            throw new ArgumentException(string.Join("; ", errors), nameof(options));
        _cost = options.Cost;
        Pool = new HashingPool(options.Threads, options.Threads * options.QueueLength, options.MemoryPerThread, idle);
    }

    /// <summary>The hashing threads and their queue.</summary>
    public HashingPool Pool { get; }

    /// <summary>A new hash of the password with a random salt, ready to store.</summary>
    /// <exception cref="HashingBusyException">The queue is full: answer 503.</exception>
    /// <exception cref="OperationCanceledException">Cancelled before hashing began.</exception>
    public async Task<string> HashAsync(string password, CancellationToken cancellation)
    {
        var hash = PasswordHash.Prepare(_cost);
        await DeriveAsync(password, hash, hash.Key, cancellation);
        return hash.ToString();
    }

    /// <summary>
    /// Whether the password is the one that was hashed. Without a stored hash (no such user), or with a malformed one,
    /// the result is false after the same work, so that the time taken reveals nothing.
    /// </summary>
    /// <exception cref="HashingBusyException">The queue is full: answer 503.</exception>
    /// <exception cref="OperationCanceledException">Cancelled before hashing began.</exception>
    public async Task<bool> VerifyAsync(string password, string? storedHash, CancellationToken cancellation)
    {
        var stored = PasswordHash.TryParse(storedHash);
        var hash = stored ?? PasswordHash.Prepare(_cost);
        var key = new byte[hash.Key.Length];
        await DeriveAsync(password, hash, key, cancellation);
        return CryptographicOperations.FixedTimeEquals(key, hash.Key) && stored is not null;
    }

    /// <summary>Stops the threads. Safe to call twice.</summary>
    public void Dispose() => Pool.Dispose();

    private async Task DeriveAsync(string password, PasswordHash hash, byte[] key, CancellationToken cancellation)
    {
        var bytes = Encoding.UTF8.GetBytes(PasswordText.Normalize(password));
        try
        {
            await Pool.DeriveAsync(new ScryptJob(bytes, hash.Salt, key), hash.Cost, cancellation);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }
}
