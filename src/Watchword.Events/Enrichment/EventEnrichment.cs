using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Watchword.Events.Outbox;

namespace Watchword.Events.Enrichment;

/// <summary>Adds <c>data.context</c> to auth events.</summary>
/// <remarks>
/// Only the published message changes; the outbox keeps the event as it was written. Enrichment never fails a publish,
/// and delays it by at most <see cref="EnrichmentOptions.TimeLimit"/> for each enricher.
/// </remarks>
public sealed class EventEnrichment : IDisposable
{
    private readonly EnrichmentOptions _options;
    private readonly GuardedEnricher[] _enrichers;
    private readonly CountryFile? _countries;
    private readonly bool _addsContext;

    /// <param name="options">The relay's options.</param>
    /// <param name="enrichers">The operator's, called in this order.</param>
    /// <param name="logger">Told of enrichers that fail, and of reloads of the country file.</param>
    /// <exception cref="FormatException">The country file is not a database of countries.</exception>
    /// <exception cref="IOException">The country file cannot be read.</exception>
    public EventEnrichment(RelayOptions options, IEnumerable<IEventEnricher> enrichers, ILogger<EventEnrichment> logger)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options.Enrichment;
        _enrichers = [.. enrichers.Select(e => new GuardedEnricher(e, _options, logger))];
        _countries = _options is { CountryFile: { } file, Country: true } ? new(file, _options.ReloadInterval, logger) : null;
        _addsContext = _options.Country || _options.Device || _enrichers.Length > 0;
    }

    /// <summary>Whether every event is published as it was written.</summary>
    public bool IsOff => !_addsContext;

    /// <inheritdoc/>
    public void Dispose() => _countries?.Dispose();

    /// <summary>The body to publish for an auth event. A body that cannot be parsed is not changed.</summary>
    internal async ValueTask<byte[]> ApplyAsync(OutboxRow row)
    {
        try
        {
            return await EnrichAsync(row);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return row.Payload;
        }
    }

    private async ValueTask<byte[]> EnrichAsync(OutboxRow row)
    {
        var body = AuthEventBody.Read(row.Payload);
        var (ip, userAgent) = (body.Ip, body.UserAgent);
        if (row.Context is not null && (ip is null || userAgent is null))
        {
            using var context = JsonDocument.Parse(row.Context);
            ip ??= Text(context.RootElement, "ip");
            userAgent ??= Text(context.RootElement, "userAgent");
        }
        var country = IPAddress.TryParse(ip, out var address) ? _countries?.Find(address) : null;

        var added = new SortedDictionary<string, string>(StringComparer.Ordinal);
        if (_options.Country && country is not null)
            added["country"] = country;
        if (_options.Device && userAgent is not null)
            added["deviceFamily"] = DeviceFamily.Of(userAgent);
        var facts = _enrichers.Length > 0 ? new EventFacts(row.Subject, row.Key, ip, userAgent) : null;
        foreach (var enricher in _enrichers)
            foreach (var (name, value) in await enricher.EnrichAsync(facts!))
                added[name] = value;
        return added.Count > 0 ? body.WithContext(row.Payload, added) : row.Payload;
    }

    private static string? Text(JsonElement context, string name) =>
        context.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
