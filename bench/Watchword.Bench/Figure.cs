using System.Globalization;

namespace Watchword.Bench;

/// <summary>One number of a figure.</summary>
/// <param name="Name">Such as p50, median, single.</param>
/// <param name="Number">In the figure's unit.</param>
/// <param name="AtMost">The goal, when it is an upper bound.</param>
/// <param name="AtLeast">The goal, when it is a lower bound.</param>
internal sealed record Value(string Name, double Number, double? AtMost = null, double? AtLeast = null)
{
    public bool HasGoal => AtMost is not null || AtLeast is not null;

    public bool IsMet => (AtMost is null || Number <= AtMost) && (AtLeast is null || Number >= AtLeast);

    public string Goal => AtMost is { } most ? $"{Name} ≤ {Format(most)}" : $"{Name} ≥ {Format(AtLeast!.Value)}";

    public static string Format(double number) => number.ToString(
        number >= 1000 ? "#,0" : number >= 100 ? "0" : "0.##", CultureInfo.InvariantCulture);
}

/// <summary>A measurement and its goals.</summary>
/// <param name="Name">Its name for people.</param>
/// <param name="Unit">The unit of all its numbers.</param>
/// <param name="Values">At least one.</param>
/// <param name="Method">How it was measured, in one line.</param>
internal sealed record Figure(string Name, string Unit, IReadOnlyList<Value> Values, string Method)
{
    /// <summary>Null when no number has a goal.</summary>
    public bool? IsMet => Values.Any(v => v.HasGoal) ? Values.All(v => v.IsMet) : null;

    public string Goal => string.Join(", ", Values.Where(v => v.HasGoal).Select(v => v.Goal));
}

/// <summary>Condenses lists of numbers.</summary>
internal static class Statistics
{
    /// <summary>The number that a share of all numbers do not exceed (nearest rank).</summary>
    public static double Percentile(this IReadOnlyCollection<double> numbers, double share) =>
        numbers.Order().ElementAt(Math.Clamp((int)Math.Ceiling(share * numbers.Count) - 1, 0, numbers.Count - 1));

    public static IReadOnlyList<Value> Percentiles(this IReadOnlyCollection<double> numbers, double? p50 = null, double? p99 = null) =>
        [new("p50", numbers.Percentile(0.5), AtMost: p50), new("p95", numbers.Percentile(0.95)), new("p99", numbers.Percentile(0.99), AtMost: p99)];

    /// <summary>Median, minimum and maximum of several rounds; the goal is for the median.</summary>
    public static IReadOnlyList<Value> Rounds(this IReadOnlyCollection<double> numbers, double? atLeast = null) =>
        [new("median", numbers.Percentile(0.5), AtLeast: atLeast), new("min", numbers.Min()), new("max", numbers.Max())];
}
