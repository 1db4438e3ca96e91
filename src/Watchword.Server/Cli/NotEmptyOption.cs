using System.CommandLine;

namespace Watchword.Server.Cli;

/// <summary>
/// Options whose value is a text that is not empty. Empty is what a script passes whose variable is unset: it would choose
/// nothing, silently, where something was meant.
/// </summary>
internal static class NotEmptyOption
{
    public static Option<T> NotEmpty<T>(this Option<T> option)
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens.Any(t => string.IsNullOrWhiteSpace(t.Value)))
                result.AddError($"{option.Name} is empty: give one{(option.Required ? "" : ", or leave it out")}.");
        });
        return option;
    }
}
