using NATS.Client.JetStream.Models;
using Watchword.Events.JetStream;

namespace Watchword.Events.Replay;

/// <summary>Makes a durable consumer that begins where a replay does.</summary>
internal static class ConsumerTarget
{
    private const string Instead = "replay to a subject instead";

    /// <exception cref="ReplayRefusedException">It exists, or cannot express what was asked for.</exception>
    public static async Task<ReplayResult> CreateAsync(JetStreamClient jetStream, ReplayPlan plan, string name, CancellationToken ct)
    {
        var filter = plan.Filter;
        if (!SubjectPattern.IsName(name))
            throw new ReplayRefusedException("toConsumer", $"is '{name}': a consumer's name has no blanks, dots, wildcards or slashes");
        if (filter.User is not null)
            throw new ReplayRefusedException("user", $"cannot choose what a consumer delivers, which goes by subject alone: {Instead}");
        if (filter.ToSequence is not null || filter.Until is not null)
            throw new ReplayRefusedException(filter.ToSequence is not null ? "toSequence" : "until", $"cannot end a consumer, which goes on with what comes: leave it out, or {Instead}");
        if (filter is { Since: not null, FromSequence: not null })
            throw new ReplayRefusedException("since", "cannot go with fromSequence for a consumer, which begins at one place: give one of the two");
        if (plan.BeyondStream)
            throw new ReplayRefusedException("fromSequence", $"must be {plan.StreamFirst} or more for a consumer: stream {filter.Stream} begins there. For what is older, {Instead}");
        if (filter.Type is not null && plan.FilterSubject is null)
            throw new ReplayRefusedException("type", $"is '{filter.Type}', and the stream has finer subjects too: a consumer takes one filter, so give '{filter.Type}.>' or {Instead}");
        if (await jetStream.FindConsumerAsync(filter.Stream, name, ct) is not null)
            throw new ReplayRefusedException("toConsumer", $"is '{name}', which stream {filter.Stream} has already: choose another name, or delete that one first");

        var byTime = filter.Since is not null;
        var made = await jetStream.CreateConsumerAsync(filter.Stream, new()
        {
            DurableName = name,
            Description = $"Replay {plan.Id}",
            FilterSubject = plan.FilterSubject,
            DeliverPolicy = byTime ? ConsumerConfigDeliverPolicy.ByStartTime : ConsumerConfigDeliverPolicy.ByStartSequence,
            OptStartTime = byTime ? filter.Since!.Value : default,
            OptStartSeq = byTime ? 0 : Math.Max(plan.From, plan.StreamFirst),
        }, ct);
        return new(plan.Id, (long)made.NumPending, (long)made.NumPending, 0, made.Delivered.StreamSeq + 1, plan.To);
    }
}
