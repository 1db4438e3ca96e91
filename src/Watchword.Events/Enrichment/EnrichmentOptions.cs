namespace Watchword.Events.Enrichment;

/// <summary>What is added to auth events on their way to the stream.</summary>
public sealed record EnrichmentOptions
{
    /// <summary>Path of a MaxMind DB file (<c>.mmdb</c>) with <c>country.iso_code</c>; null: no country is known.</summary>
    public string? CountryFile { get; init; }

    /// <summary>Whether <c>data.context.country</c> is added.</summary>
    public bool Country { get; init; }

    /// <summary>Whether <c>data.context.deviceFamily</c> is added.</summary>
    public bool Device { get; init; }

    /// <summary>How often <see cref="CountryFile"/> is checked for a change.</summary>
    public TimeSpan ReloadInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the relay waits for an enricher, for each event.</summary>
    public TimeSpan TimeLimit { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>How long an enricher that exceeded <see cref="TimeLimit"/> is left out.</summary>
    public TimeSpan RestAfterOverrun { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Why <see cref="CountryFile"/> cannot be used, as the end of a sentence about it; null if it can.</summary>
    public string? CountryFileFault()
    {
        try
        {
            if (CountryFile is not null)
                using (Enrichment.CountryFile.Open(CountryFile))
                    return null;
            return null;
        }
        catch (FormatException e)
        {
            return e.Message;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return $"cannot be read: {e.Message}";
        }
    }
}
