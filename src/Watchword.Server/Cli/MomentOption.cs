using System.CommandLine;
using Watchword.Server.Configuration;

namespace Watchword.Server.Cli;

/// <summary>An option whose value is a time, or how long ago it was.</summary>
internal static class MomentOption
{
    public static Option<DateTimeOffset?> Create(string name, string description) => new(name)
    {
        Description = description + " A time (2026-11-21T12:00:00Z; UTC unless it names a zone), or how long ago: 90s, 10m, 24h, 7d.",
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
