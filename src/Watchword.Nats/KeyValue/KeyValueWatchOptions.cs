namespace Watchword.Nats;

/// <summary>What a watch tells of.</summary>
public sealed record KeyValueWatchOptions
{
    /// <summary>Begins with all kept revisions of each key rather than the newest.</summary>
    public bool IncludeHistory { get; init; }

    /// <summary>Begins with nothing: only what happens from now on. Not together with <see cref="IncludeHistory"/>.</summary>
    public bool UpdatesOnly { get; init; }

    /// <summary>Leaves deletions out.</summary>
    public bool IgnoreDeletes { get; init; }

    /// <summary>Leaves the values out.</summary>
    public bool MetaOnly { get; init; }

    internal DeliverPolicy DeliverPolicy
        => UpdatesOnly ? DeliverPolicy.New : IncludeHistory ? DeliverPolicy.All : DeliverPolicy.LastPerSubject;

    internal void Validate()
    {
        var errors = new OptionErrors();
        if (IncludeHistory && UpdatesOnly)
            errors.Add($"{nameof(IncludeHistory)} and {nameof(UpdatesOnly)} exclude each other.");
        errors.ThrowIfAny("options");
    }
}
