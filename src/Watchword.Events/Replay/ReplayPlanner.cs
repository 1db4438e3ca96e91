using System.Globalization;
using NATS.Client.JetStream.Models;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Outbox;

namespace Watchword.Events.Replay;

/// <summary>Checks a replay and fixes its range before anything is read.</summary>
internal sealed class ReplayPlanner(JetStreamClient jetStream, NpgsqlDataSource? database, TimeProvider clock)
{
    /// <summary>Whether the outbox has the stream's events too.</summary>
    internal static bool HasOutbox(string stream) => stream == Streams.AuthEvents.Name || stream == Streams.IdentityChanges.Name;

    /// <exception cref="ReplayRefusedException">The range is empty, reversed or in the future, or the stream or type does not exist.</exception>
    public async Task<ReplayPlan> PlanAsync(ReplayFilter filter, CancellationToken ct)
    {
        var stream = await FindStreamAsync(filter.Stream, ct);
        CheckTimes(filter);
        var (from, to) = Range(filter, stream.State);
        var first = stream.State.FirstSeq;
        var beyond = Beyond(filter, stream.State, from);
        if (beyond && !HasOutbox(filter.Stream))
        {
            // Nothing else keeps the events of a foreign stream: the replay begins where the stream does.
            CheckKept(filter, first);
            (from, beyond) = (first, false);
        }
        if (beyond && database is null)
            throw new ReplayRefusedException("fromSequence", $"must be {first} or more without the database: the stream begins there, and older events are only in the outbox (DATABASE_URL)");
        if (beyond && filter.FromSequence is not null)
            CheckKept(filter, await OldestInOutboxAsync(filter.Stream, ct) is { } oldest ? Math.Min(oldest, first) : first);
        if (from > to)
            throw new ReplayRefusedException("", $"There is nothing to replay: stream {filter.Stream} holds no event.");
        if (filter.Type is not null)
            await KnownTypes.CheckAsync(jetStream, [filter.Stream], filter.Type, ct);
        return new(Guid.CreateVersion7().ToString(), filter, from, to, first, beyond ? await SourceAsync(filter.Stream, ct) : "") { BeyondStream = beyond };
    }

    /// <summary>When the stream stored its oldest message.</summary>
    internal static DateTimeOffset FirstStored(StreamState state) => DateTimeOffset.Parse(state.FirstTs!, CultureInfo.InvariantCulture);

    private async Task<StreamInfo> FindStreamAsync(string name, CancellationToken ct)
    {
        if (SubjectPattern.IsName(name) && await jetStream.FindStreamAsync(name, ct) is { } stream)
            return stream;
        var names = await jetStream.ListStreamNamesAsync(null, ct);
        throw new ReplayRefusedException("stream", names.Count > 0 ? $"is '{name}', which does not exist: choose from {string.Join(", ", names)}" : $"is '{name}', but this server has no streams");
    }

    private void CheckTimes(ReplayFilter filter)
    {
        var now = clock.GetUtcNow();
        foreach (var (field, time) in ((string, DateTimeOffset?)[])[("since", filter.Since), ("until", filter.Until)])
            if (time > now)
                throw new ReplayRefusedException(field, $"is {time:O}, which is in the future: it is {now:O}");
        if (filter.Since > filter.Until)
            throw new ReplayRefusedException("since", "is later than the end of the time range: swap them");
    }

    private static (ulong From, ulong To) Range(ReplayFilter filter, StreamState state)
    {
        foreach (var (field, sequence) in ((string, ulong?)[])[("fromSequence", filter.FromSequence), ("toSequence", filter.ToSequence)])
            if (sequence == 0)
                throw new ReplayRefusedException(field, "is 0: sequences begin at 1");
        if (filter.FromSequence > filter.ToSequence)
            throw new ReplayRefusedException("fromSequence", $"is {filter.FromSequence}, which is after the last sequence, {filter.ToSequence}: swap them");
        if (filter.FromSequence > state.LastSeq)
            throw new ReplayRefusedException("fromSequence", $"is {filter.FromSequence}, but stream {filter.Stream} ends at {state.LastSeq}");
        return (filter.FromSequence ?? 1, Math.Min(filter.ToSequence ?? ulong.MaxValue, state.LastSeq));
    }

    private static bool Beyond(ReplayFilter filter, StreamState state, ulong from) =>
        from < state.FirstSeq && (filter.Since is null || state.Messages == 0 || filter.StoredSince < FirstStored(state));

    private static void CheckKept(ReplayFilter filter, ulong oldest)
    {
        if (filter.FromSequence is { } from && from < oldest)
            throw new ReplayRefusedException("fromSequence", $"is {from}, but what is kept of stream {filter.Stream} begins at {oldest}: begin there, or leave it out");
    }

    private async Task<ulong?> OldestInOutboxAsync(string stream, CancellationToken ct)
    {
        await using var command = database!.CreateCommand("SELECT min(stream_seq) FROM watchword.outbox WHERE published_at IS NOT NULL AND stream = $1");
        command.CommandTimeout = 0;   // it scans a week's rows
        command.Parameters.Add(new() { Value = stream });
        return await command.ExecuteScalarAsync(ct) is long oldest ? (ulong)oldest : null;
    }

    // The publisher's own name, which only its messages tell.
    private async Task<string> SourceAsync(string stream, CancellationToken ct)
    {
        foreach (var name in new[] { stream, Streams.AuthEvents.Name!, Streams.IdentityChanges.Name! }.Distinct(StringComparer.Ordinal))
            if (await jetStream.FindStreamAsync(name, ct) is { State: { Messages: > 0, LastSeq: var last } }
                && (await StoredMessages.FindAsync(jetStream, name, last, ct))?.Headers.Find(EventHeaders.Source) is { } source)
                return source;
        return new RelayOptions().Source;
    }
}
