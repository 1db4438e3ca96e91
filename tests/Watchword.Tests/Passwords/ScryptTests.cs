using FsCheck;
using FsCheck.Fluent;
using Watchword.Server.Passwords;

namespace Watchword.Tests.Passwords;

public class ScryptTests
{
    public static TheoryData<string> Kernels => [.. All.Select(k => k.Name)];

    private static IEnumerable<ScryptKernel> All => ScryptKernel.Supported.Append(ScryptKernel.Scalar).Distinct();

    // RFC 7914, section 12.
    [Theory]
    [InlineData("", "", 16, 1, 1,
        "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906")]
    [InlineData("password", "NaCl", 1024, 8, 16,
        "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640")]
    [InlineData("pleaseletmein", "SodiumChloride", 16384, 8, 1,
        "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887")]
    [InlineData("pleaseletmein", "SodiumChloride", 1048576, 8, 1,
        "2101cb9b6a511aaeaddbbe09cf70f881ec568d574a2ffd4dabe5ee9820adaa478e56fd8f4ba5d09ffa1c6d927c40f4c337304049e8a952fbcbf45c6fa77a41a4")]
    public void The_test_vectors_of_the_RFC_are_met(string password, string salt, int n, int r, int p, string expected)
    {
        var key = new byte[64];

        Scrypt.DeriveKey(Bytes(password), Bytes(salt), ScryptParameters.Create(n, r, p), key);

        Assert.Equal(expected, Convert.ToHexStringLower(key));
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Every_kernel_agrees_with_OpenSSL_in_every_lane(string name)
    {
        var kernel = All.Single(k => k.Name == name);
        using var memory = new ScryptMemory(ScryptParameters.MaxMemory);
        foreach (var (n, r, p) in new[] { (2, 1, 1), (16, 1, 3), (64, 3, 1), (1024, 8, 2), (256, 16, 5) })
        {
            // One more than fits, so that a call with empty lanes follows a full one.
            var jobs = Enumerable.Range(0, kernel.Lanes + 1)
                .Select(i => new ScryptJob(Bytes("password " + i), Bytes("salt " + i * i), new byte[40])).ToList();

            Scrypt.DeriveKeys(jobs, ScryptParameters.Create(n, r, p), memory, kernel);

            Assert.All(jobs, job => Assert.Equal(OpenSsl.Scrypt(job.Password, job.Salt, n, r, p, 40), job.Key));
        }
    }

    [Fact]
    public void Any_number_of_random_jobs_agrees_with_OpenSSL()
    {
        using var memory = new ScryptMemory(ScryptParameters.MaxMemory);
        var bytes = Gen.Choose(0, 255).Select(i => (byte)i).ArrayOf();
        var cases =
            from logN in Gen.Choose(1, 9)
            from r in Gen.Choose(1, 9)
            from p in Gen.Choose(1, 3)
            from length in Gen.Choose(1, 100)
            from count in Gen.Choose(0, 11)
            from inputs in Gen.ArrayOf(Gen.Zip(bytes, bytes), count)
            select (logN, r, p, length, inputs);

        Prop.ForAll(cases.ToArbitrary(), c =>
        {
            var parameters = new ScryptParameters(c.logN, c.r, c.p);
            var jobs = c.inputs.Select(i => new ScryptJob(i.Item1, i.Item2, new byte[c.length])).ToList();
            Scrypt.DeriveKeys(jobs, parameters, memory);
            return jobs.TrueForAll(job => job.Key.AsSpan().SequenceEqual(
                OpenSsl.Scrypt(job.Password, job.Salt, parameters.N, c.r, c.p, c.length)));
        }).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData(1, "N must be")]
    [InlineData(0, "N must be")]
    [InlineData(-16, "N must be")]
    [InlineData(1000, "N must be")]
    [InlineData(1L << 40, "within 1..24")]
    [InlineData(1 << 24, "1 GiB")]
    public void An_impossible_cost_is_refused(long n, string reason)
    {
        var error = Assert.Throws<ArgumentException>(() => ScryptParameters.Create(n, 8, 1));

        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(14, 0, 1)]
    [InlineData(14, 8, 0)]
    [InlineData(14, -8, 1)]
    [InlineData(14, 1 << 15, 1 << 15)]
    [InlineData(1, 1 << 29, 1)]
    [InlineData(16, 1, 1)]
    [InlineData(20, 9, 1)]
    [InlineData(-1, 8, 1)]
    [InlineData(77, 8, 1)]
    public void Parameters_out_of_range_are_refused(int logN, int r, int p) =>
        Assert.NotNull(new ScryptParameters(logN, r, p).Fault());

    [Fact]
    public void Scarce_memory_means_fewer_lanes_and_the_same_results()
    {
        var parameters = new ScryptParameters(8, 4, 1);
        using var memory = new ScryptMemory(2 * parameters.Memory);
        var jobs = Enumerable.Range(0, 7).Select(i => new ScryptJob([(byte)i], [7], new byte[32])).ToList();

        Scrypt.DeriveKeys(jobs, parameters, memory);

        Assert.Equal(Math.Min(2, ScryptKernel.MaxLanes), memory.LanesFor(parameters));
        Assert.All(jobs, job => Assert.Equal(OpenSsl.Scrypt(job.Password, job.Salt, 256, 4, 1, 32), job.Key));
    }

    [Fact]
    public void Memory_is_kept_for_the_next_hash_until_it_is_released()
    {
        using var memory = new ScryptMemory(1 << 20);
        Scrypt.DeriveKeys([new ScryptJob([1], [2], new byte[32])], new ScryptParameters(4, 1, 1), memory);
        Assert.True(memory.IsHeld);

        memory.Release();
        memory.Release();

        Assert.False(memory.IsHeld);
    }

    private static byte[] Bytes(string text) => System.Text.Encoding.UTF8.GetBytes(text);
}
