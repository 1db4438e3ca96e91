namespace Watchword.Nats;

/// <content>Streams as such.</content>
public sealed partial class JetStream
{
    /// <summary>Creates a stream. One that exists with the very same configuration is success.</summary>
    public Task<StreamInfo> CreateStreamAsync(StreamConfig config, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        return AskAsync($"STREAM.CREATE.{Name(config.Name)}", Json(config, JetStreamJson.Default.StreamConfig), JetStreamJson.Default.StreamInfo, ct);
    }

    /// <summary>Changes a stream's configuration to this one.</summary>
    public Task<StreamInfo> UpdateStreamAsync(StreamConfig config, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        return AskAsync($"STREAM.UPDATE.{Name(config.Name)}", Json(config, JetStreamJson.Default.StreamConfig), JetStreamJson.Default.StreamInfo, ct);
    }

    /// <summary>A stream as it stands; null when there is none of that name.</summary>
    public Task<StreamInfo?> FindStreamAsync(string name, CancellationToken ct = default)
        => JetStreamApi.FindAsync(Connection, $"STREAM.INFO.{Name(name)}", default, JetStreamJson.Default.StreamInfo, ct);

    /// <summary>Deletes a stream with all its messages and consumers; false when there is none of that name.</summary>
    public async Task<bool> DeleteStreamAsync(string name, CancellationToken ct = default)
        => await JetStreamApi.FindAsync(Connection, $"STREAM.DELETE.{Name(name)}", default, JetStreamJson.Default.ErrorResponse, ct) is not null;

    /// <summary>All streams as they stand, in the order of their names.</summary>
    /// <param name="subject">Only streams that take this subject; it may hold wildcards.</param>
    /// <param name="ct">Stops asking for more.</param>
    public IAsyncEnumerable<StreamInfo> ListStreamsAsync(string? subject = null, CancellationToken ct = default)
        => PagesAsync("STREAM.LIST", subject, JetStreamJson.Default.StreamPage, static page => page.Streams, ct);

    /// <summary>The names of all streams.</summary>
    /// <inheritdoc cref="ListStreamsAsync"/>
    public IAsyncEnumerable<string> ListStreamNamesAsync(string? subject = null, CancellationToken ct = default)
        => PagesAsync("STREAM.NAMES", subject, JetStreamJson.Default.StreamNamePage, static page => page.Streams, ct);

    /// <summary>
    /// The subjects of which a stream holds messages, with their numbers; null when there is no stream of that name.
    /// The server gives 100,000 subjects at a time, so what is published meanwhile may be counted or not.
    /// </summary>
    /// <param name="name">The stream.</param>
    /// <param name="filter">Only subjects that this one covers; it may hold wildcards.</param>
    /// <param name="ct">Gives up.</param>
    public async Task<IReadOnlyDictionary<string, ulong>?> GetSubjectCountsAsync(string name, string filter = ">", CancellationToken ct = default)
    {
        SubjectText.Check(filter, nameof(filter));
        var counts = new Dictionary<string, ulong>(StringComparer.Ordinal);
        for (var offset = 0L; ;)
        {
            var body = Json(new SubjectsRequest(filter, offset), JetStreamJson.Default.SubjectsRequest);
            var page = await JetStreamApi.FindAsync(Connection, $"STREAM.INFO.{Name(name)}", body, JetStreamJson.Default.SubjectsPage, ct);
            if (page is null)
                return null;
            var found = page.State.Subjects ?? [];
            foreach (var (subject, count) in found)
                counts[subject] = count;
            offset += found.Count;
            if (found.Count == 0 || offset >= page.Total)
                return counts;
        }
    }

    /// <summary>Deletes a stream's messages; gives how many.</summary>
    /// <param name="name">The stream.</param>
    /// <param name="subject">Only those of this subject; it may hold wildcards.</param>
    /// <param name="before">Only those with a smaller sequence. Not together with <paramref name="keep"/>.</param>
    /// <param name="keep">All but so many of the newest. Not together with <paramref name="before"/>.</param>
    /// <param name="ct">Gives up waiting for the answer.</param>
    /// <exception cref="ArgumentException">Both <paramref name="before"/> and <paramref name="keep"/> are given.</exception>
    public async Task<ulong> PurgeStreamAsync(
        string name, string? subject = null, ulong? before = null, ulong? keep = null, CancellationToken ct = default)
    {
        if (before is not null && keep is not null)
            throw new ArgumentException("A purge goes up to a sequence or keeps a number of messages, not both.", nameof(keep));
        var body = Json(new PurgeRequest(subject, before, keep), JetStreamJson.Default.PurgeRequest);
        return (await AskAsync($"STREAM.PURGE.{Name(name)}", body, JetStreamJson.Default.PurgeResponse, ct)).Purged;
    }
}
