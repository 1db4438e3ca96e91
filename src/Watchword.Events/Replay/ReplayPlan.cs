using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.Outbox;
using Watchword.Nats;

namespace Watchword.Events.Replay;

/// <summary>A replay whose ends are fixed: what is published from now on is no part of it.</summary>
/// <param name="Id">Its id, a UUIDv7.</param>
/// <param name="Filter">What was asked for.</param>
/// <param name="From">The first sequence.</param>
/// <param name="To">The last sequence.</param>
/// <param name="StreamFirst">The oldest sequence that the stream holds; what is older comes from the outbox.</param>
/// <param name="Source">The <c>ce-source</c> of what comes from the outbox.</param>
public sealed record ReplayPlan(string Id, ReplayFilter Filter, ulong From, ulong To, ulong StreamFirst, string Source)
{
    /// <summary>The one subject to ask the server for; null when all must be read.</summary>
    internal string? FilterSubject { get; init; }

    /// <summary>
    /// What to ask for when reading. Of streams with an outbox all, and the rest is passed over: a filter's gaps would hide
    /// what the stream lets go of meanwhile, which the outbox has.
    /// </summary>
    internal string? ReadSubject => ReplayPlanner.HasOutbox(Filter.Stream) ? null : FilterSubject;

    /// <summary>Whether the stream no longer holds all that was asked for.</summary>
    internal bool BeyondStream { get; init; }
}

/// <summary>Looks at a replay before anything is done, and refuses what makes no sense.</summary>
internal sealed class ReplayPlanner(JetStream jetStream, NpgsqlDataSource? database, TimeProvider clock)
{
    // auth.user.registered; the outbox keeps events under these.
    private const int AuthEventTokens = 3;

    // The outbox knows the events of these alone.
    internal static bool HasOutbox(string stream) => stream == Streams.AuthEvents.Name || stream == Streams.IdentityChanges.Name;

    /// <exception cref="ReplayRefusedException">The range is empty, reversed or in the future, or names what is not there.</exception>
    public async Task<ReplayPlan> PlanAsync(ReplayFilter filter, CancellationToken ct)
    {
        var stream = await FindStreamAsync(filter.Stream, ct);
        CheckTimes(filter);
        var (from, to) = Range(filter, stream.State);
        var beyond = Beyond(filter, stream.State, from);
        if (beyond && !HasOutbox(filter.Stream))
        {
            // Nobody else keeps a foreign stream: all there is begins where the stream does.
            CheckKept(filter, stream.State.FirstSequence);
            (from, beyond) = (stream.State.FirstSequence, false);
        }
        if (beyond && database is null)
            throw new ReplayRefusedException("fromSequence", $"must be {stream.State.FirstSequence} or more without the database: the stream begins there, and what is older lies in the outbox (DATABASE_URL)");
        if (beyond && filter.FromSequence is not null)
            CheckKept(filter, await OldestInOutboxAsync(filter.Stream, ct) is { } oldest ? Math.Min(oldest, stream.State.FirstSequence) : stream.State.FirstSequence);
        if (from > to)
            throw new ReplayRefusedException("", $"There is nothing to replay: stream {filter.Stream} holds no event.");
        var subject = filter.Type is null ? null : await CheckTypeAsync(filter.Stream, filter.Type, ct);
        if (beyond && filter.Stream == Streams.AuthEvents.Name && filter.Type?.Split('.') is { Length: > AuthEventTokens } tokens)
            throw new ReplayRefusedException("type", $"is '{filter.Type}', a finer subject that only the stream knows, and it begins at {stream.State.FirstSequence}: begin there, or ask for {string.Join('.', tokens[..AuthEventTokens])}");
        return new(Guid.CreateVersion7().ToString(), filter, from, to, stream.State.FirstSequence, beyond ? await SourceAsync(filter.Stream, ct) : "")
        {
            FilterSubject = subject,
            BeyondStream = beyond,
        };
    }

    private async Task<StreamInfo> FindStreamAsync(string name, CancellationToken ct)
    {
        var valid = SubjectPattern.IsName(name);
        if (valid && await jetStream.FindStreamAsync(name, ct) is { } stream)
            return stream;
        var names = new List<string>();
        await foreach (var other in jetStream.ListStreamNamesAsync(ct: ct))
            names.Add(other);
        throw new ReplayRefusedException("stream", names.Count > 0 ? $"is '{name}', which is not there: choose from {string.Join(", ", names)}" : $"is '{name}', and this server has no stream at all");
    }

    private void CheckTimes(ReplayFilter filter)
    {
        var now = clock.GetUtcNow();
        foreach (var (field, time) in ((string, DateTimeOffset?)[])[("since", filter.Since), ("until", filter.Until)])
            if (time > now)
                throw new ReplayRefusedException(field, $"is {time:O}, which lies in the future: it is {now:O}");
        if (filter.Since > filter.Until)
            throw new ReplayRefusedException("since", "is later than the time that it should end at: exchange them");
    }

    private static (ulong From, ulong To) Range(ReplayFilter filter, StreamState state)
    {
        foreach (var (field, sequence) in ((string, ulong?)[])[("fromSequence", filter.FromSequence), ("toSequence", filter.ToSequence)])
            if (sequence == 0)
                throw new ReplayRefusedException(field, "is 0: sequences begin at 1");
        if (filter.FromSequence > filter.ToSequence)
            throw new ReplayRefusedException("fromSequence", $"is {filter.FromSequence}, which lies behind the last one, {filter.ToSequence}: exchange them");
        if (filter.FromSequence > state.LastSequence)
            throw new ReplayRefusedException("fromSequence", $"is {filter.FromSequence}, and stream {filter.Stream} ends at {state.LastSequence}");
        return (filter.FromSequence ?? 1, Math.Min(filter.ToSequence ?? ulong.MaxValue, state.LastSequence));
    }

    private static bool Beyond(ReplayFilter filter, StreamState state, ulong from) =>
        from < state.FirstSequence && (filter.Since is null || state.Messages == 0 || filter.StoredSince < state.FirstTimestamp);

    private static void CheckKept(ReplayFilter filter, ulong oldest)
    {
        if (filter.FromSequence is { } from && from < oldest)
            throw new ReplayRefusedException("fromSequence", $"is {from}, and what is kept of stream {filter.Stream} begins at {oldest}: begin there, or leave it out");
    }

    private async Task<ulong?> OldestInOutboxAsync(string stream, CancellationToken ct)
    {
        await using var command = database!.CreateCommand("SELECT min(stream_seq) FROM watchword.outbox WHERE published_at IS NOT NULL AND stream = $1");
        command.Parameters.Add(new() { Value = stream });
        return await command.ExecuteScalarAsync(ct) is long oldest ? (ulong)oldest : null;
    }

    private async Task<string?> CheckTypeAsync(string stream, string type, CancellationToken ct)
    {
        if (SubjectPattern.Fault(type) is { } fault)
            throw new ReplayRefusedException("type", fault);
        var (own, finer) = await KnownTypes.FindAsync(jetStream, stream, type, ct);
        if (!own && !finer && !KnownTypes.IsDescribed(stream, type))
            throw new ReplayRefusedException("type", $"is '{type}', and stream {stream} knows none such: choose from {string.Join(", ", await KnownTypes.ListAsync(jetStream, stream, ct))}");
        // One filter is all that nats-server 2.9 takes; where two are needed, all is read.
        return finer ? own ? null : type + ".>" : type;
    }

    // The publisher's own name for itself, which only its messages tell.
    private async Task<string> SourceAsync(string stream, CancellationToken ct)
    {
        foreach (var name in new[] { stream, Streams.AuthEvents.Name, Streams.IdentityChanges.Name }.Distinct(StringComparer.Ordinal))
            if (await jetStream.FindStreamAsync(name, ct) is { State: { Messages: > 0, LastSequence: var last } }
                && (await jetStream.GetMessageAsync(name, last, ct))?.Headers?["ce-source"] is { } source)
                return source;
        return new RelayOptions().Source;
    }
}
