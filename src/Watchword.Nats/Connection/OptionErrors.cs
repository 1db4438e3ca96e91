namespace Watchword.Nats;

/// <summary>Collects everything wrong with an options record, so that it can be said at once.</summary>
internal sealed class OptionErrors
{
    private readonly List<string> _errors = [];

    public IReadOnlyList<string> All => _errors;

    public void Add(string error) => _errors.Add(error);

    /// <summary>Adds what the parser of a value says of it.</summary>
    public void AddIfRefused(Action parse)
    {
        try
        {
            parse();
        }
        catch (FormatException e)
        {
            Add(e.Message);
        }
    }

    public void Between<T>(T value, T least, T most, string name)
        where T : IComparable<T>
    {
        if (value.CompareTo(least) < 0 || value.CompareTo(most) > 0)
            Add(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{name} must be from {least} to {most}; it is {value}."));
    }

    /// <exception cref="ArgumentException">There are errors; the message holds them all.</exception>
    public void ThrowIfAny(string parameter)
    {
        if (_errors.Count > 0)
            throw new ArgumentException(string.Join(" ", _errors), parameter);
    }
}
