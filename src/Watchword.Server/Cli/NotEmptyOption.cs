using System.CommandLine;

namespace Watchword.Server.Cli;

/// <summary>
/// Options that refuse an empty value. A script passes one when its variable is not set, and an empty filter would silently
/// select everything.
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
