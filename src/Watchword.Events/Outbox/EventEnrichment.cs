using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Watchword.Events.Outbox;

/// <summary>
/// Adds <c>data.context</c> to auth events. The outbox keeps each event as it was
/// written: what is added belongs to the message alone, and never fails or holds up a publish.
/// </summary>
public sealed class EventEnrichment : IDisposable
{
    private readonly EnrichmentOptions _options;
    private readonly GuardedEnricher[] _enrichers;
    private readonly CountryFile? _countries;
    private readonly bool _addsContext;

    /// <exception cref="FormatException">The country file has bad lines.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public EventEnrichment(RelayOptions options, IEnumerable<IEventEnricher> enrichers, ILogger<EventEnrichment> logger)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options.Enrichment;
        _enrichers = [.. enrichers.Select(e => new GuardedEnricher(e, _options, logger))];
        _countries = _options is { CountryFile: { } file, Country: true } ? new(file, _options.ReloadInterval, logger) : null;
        _addsContext = _options.Country || _options.Device || _enrichers.Length > 0;
    }

    /// <summary>Whether events stay as they are.</summary>
    public bool IsOff => !_addsContext;

    /// <inheritdoc/>
    public void Dispose()
    {
        _countries?.Dispose();
        foreach (var enricher in _enrichers)
            enricher.Dispose();
    }

    /// <summary>An auth event's body as it is published; unchanged where it cannot be read.</summary>
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
        var country = IPAddress.TryParse(ip, out var address) ? _countries?.Current.Find(address) : null;

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
