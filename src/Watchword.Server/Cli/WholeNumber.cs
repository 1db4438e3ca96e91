using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Watchword.Server.Cli;

/// <summary>Options and arguments whose value is a whole number; the error for anything else names the range.</summary>
internal static class WholeNumber
{
    public static Option<long?> Option(string name, string description, string helpName, long least = 1) =>
        new(name) { Description = description, HelpName = helpName, CustomParser = result => Parse(result, name, least) };

    public static Argument<long?> Argument(string name, string description, ArgumentArity arity) =>
        new(name) { Description = description, Arity = arity, CustomParser = result => Parse(result, name, 1) };

    private static long? Parse(ArgumentResult result, string name, long least)
    {
        if (result.Tokens is not [var token])
            return null;
        if (long.TryParse(token.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least)
            return number;
        result.AddError($"{name} is '{token.Value}': expected a whole number from {least} to {long.MaxValue}.");
        return null;
    }
}
