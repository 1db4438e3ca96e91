using System.CommandLine;
using Watchword.Server.Configuration;

namespace Watchword.Server.Cli;

/// <summary>An option that takes a time, or how long ago.</summary>
internal static class MomentOption
{
    public static Option<DateTimeOffset?> Create(string name, string description) => new(name)
    {
        Description = description + " A time (2026-11-21T12:00:00Z; without a zone it is UTC), or how long ago: 90s, 10m, 24h, 7d.",
        HelpName = "time",
        CustomParser = result =>
        {
            if (Moments.TryParse(result.Tokens[0].Value, out var moment))
                return moment;
            result.AddError($"{name} is '{result.Tokens[0].Value}': {Moments.Expected}.");
            return null;
        },
    };
}
