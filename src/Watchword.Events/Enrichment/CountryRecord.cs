using MaxMind.Db;

namespace Watchword.Events.Enrichment;

/// <summary>What is read of a network's record in a MaxMind DB; other members are skipped.</summary>
internal sealed class CountryRecord
{
    /// <summary>Where the network is.</summary>
    [MapKey("country")]
    public Place? Country { get; init; }

    /// <summary>Where its operator registered it: for networks of no known place, such as those of satellites.</summary>
    [MapKey("registered_country")]
    public Place? RegisteredCountry { get; init; }

    /// <summary>ISO 3166-1 alpha-2, as the file has it; null when unknown.</summary>
    public string? Code => Country?.IsoCode ?? RegisteredCountry?.IsoCode;

    internal sealed class Place
    {
        [MapKey("iso_code")]
        public string? IsoCode { get; init; }
    }
}
