using System.Diagnostics;
using Watchword.Server.Passwords;

namespace Watchword.Bench;

/// <summary>Hashes per second as a multiple of OpenSSL's in the same run; above 1 is faster than OpenSSL.</summary>
/// <param name="Threads">Threads that hash, of each contender.</param>
/// <param name="Single">One hash after the other on each thread.</param>
/// <param name="Batched">With hashes waiting: as many side by side as the machine allows.</param>
/// <param name="OpenSslPerSecond">OpenSSL's hashes per second on all threads together.</param>
internal sealed record ScryptRatios(int Threads, double Single, double Batched, double OpenSslPerSecond);

/// <summary>Password hashing against OpenSSL's EVP_PBE_scrypt, at N = 16384, r = 16, p = 1.</summary>
/// <remarks>The contenders alternate, so that a change of the machine's speed hits them alike; a figure is the median.</remarks>
internal static class ScryptBench
{
    private const int Rounds = 9;
    private static readonly ScryptParameters Cost = ScryptParameters.BetterAuth;

    /// <summary>Measures with one thread, and with as many as there are processors; some 20 seconds.</summary>
    public static IReadOnlyList<ScryptRatios> Run() =>
        [.. new[] { 1, Environment.ProcessorCount }.Distinct().Select(Measure)];

    /// <summary>Runs, and prints a table.</summary>
    public static void Print()
    {
        Console.WriteLine($"scrypt N=16384 r=16 p=1, {ScryptKernel.MaxLanes} lanes ({ScryptKernel.Supported[^1].Name}), medians of {Rounds} rounds");
        Console.WriteLine("threads  OpenSSL/s  single/s  batched/s  single:OpenSSL  batched:OpenSSL");
        foreach (var r in Run())
            Console.WriteLine(
                $"{r.Threads,7}  {r.OpenSslPerSecond,9:F1}  {r.Single * r.OpenSslPerSecond,8:F1}  {r.Batched * r.OpenSslPerSecond,9:F1}"
                + $"  {r.Single,14:F2}  {r.Batched,15:F2}");
    }

    private static ScryptRatios Measure(int threads)
    {
        var memories = Enumerable.Range(0, threads).Select(_ => new ScryptMemory(ScryptKernel.MaxLanes * Cost.Memory)).ToArray();
        double openSsl() => PerSecond(threads, 4, (_, hashes) =>
        {
            foreach (var job in hashes)
                OpenSsl.Scrypt(job.Password, job.Salt, Cost.N, Cost.R, Cost.P, job.Key);
        });
        double single() => PerSecond(threads, 4, (thread, hashes) =>
        {
            foreach (var job in hashes)
                Scrypt.DeriveKeys([job], Cost, memories[thread]);
        });
        double batched() => PerSecond(threads, 4 * ScryptKernel.MaxLanes, (thread, hashes) =>
        {
            foreach (var batch in hashes.Chunk(ScryptKernel.MaxLanes))
                Scrypt.DeriveKeys(batch, Cost, memories[thread]);
        });

        // The first round warms up and does not count.
        var rounds = Enumerable.Range(0, Rounds + 1).Select(_ => (Peer: openSsl(), Single: single(), Batched: batched())).Skip(1).ToList();
        foreach (var memory in memories)
            memory.Dispose();
        return new ScryptRatios(
            threads,
            Median(rounds.Select(r => r.Single / r.Peer)),
            Median(rounds.Select(r => r.Batched / r.Peer)),
            Median(rounds.Select(r => r.Peer)));
    }

    private static double PerSecond(int threads, int hashes, Action<int, ScryptJob[]> work)
    {
        var workers = Enumerable.Range(0, threads).Select(thread =>
        {
            var jobs = Enumerable.Range(0, hashes)
                .Select(i => new ScryptJob([(byte)i, (byte)thread, 1], [.. Enumerable.Repeat((byte)i, 32)], new byte[64])).ToArray();
            return new Thread(() => work(thread, jobs));
        }).ToList();
        var started = Stopwatch.GetTimestamp();
        workers.ForEach(w => w.Start());
        workers.ForEach(w => w.Join());
        return threads * hashes / Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        return sorted[sorted.Count / 2];
    }
}
