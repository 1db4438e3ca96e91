using Npgsql;

namespace Watchword.Events.Subscribing;

/// <summary>What a failure of a handler means.</summary>
internal static class SubscriberFailure
{
    private const int LongestReason = 1_000;
    private const int MostConflicts = 10;

    /// <summary>Whether another delivery would fail the same.</summary>
    public static bool IsLasting(Exception e) => Causes(e).Any(c => c is EventRefusedException { IsLasting: true });

    /// <summary>Whether a statement failed, by whatever hand: in a transaction that several events share, any of them may be to blame.</summary>
    public static bool IsOfAStatement(Exception e) => Causes(e).Any(c => c is NpgsqlException);

    /// <summary>Whether another transaction was in the way (class 40: deadlocks, conflicts): alone, and a moment later, it succeeds.</summary>
    public static bool IsConflict(Exception e) => Causes(e).Any(c => c is PostgresException p && p.SqlState.StartsWith("40", StringComparison.Ordinal));

    /// <summary>Whether it is one conflict too many: no other transaction is to blame any more, but the handler.</summary>
    /// <param name="e">What failed.</param>
    /// <param name="conflicts">How often in a row there was a conflict; counted here.</param>
    public static bool IsOneConflictTooMany(Exception e, ref int conflicts)
    {
        conflicts = IsConflict(e) ? conflicts + 1 : 0;
        return conflicts > MostConflicts;
    }

    /// <summary>Whether it is the doing of the subscriber's database, away or busy: nothing that the event is to blame for.</summary>
    public static async Task<bool> IsOfTheDatabaseAsync(Exception e, NpgsqlDataSource? database, CancellationToken ct)
    {
        if (database is null)
            return false;
        if (IsConflict(e))
            return true;
        if (!Causes(e).Any(c => c is NpgsqlException { IsTransient: true } or IOException or TimeoutException))
            return false;
        try
        {
            await using var command = database.CreateCommand("SELECT");
            await command.ExecuteNonQueryAsync(ct);
            return false;
        }
        catch (Exception away) when (away is NpgsqlException or IOException or TimeoutException)
        {
            return true;
        }
    }

    /// <summary>For a person, in one line: what failed, and by what.</summary>
    public static string Reason(Exception e)
    {
        var causes = Causes(e).ToList();
        var text = causes.FirstOrDefault(c => c is EventRefusedException) is { } refusal ? refusal.Message
            : causes.Count == 1 || e is TimeoutException or PostgresException ? Said(e)
            : $"{Said(e)} ({Said(causes[^1])})";
        return OneLine(text);
    }

    private static string Said(Exception e)
    {
        try
        {
            return e is PostgresException p ? $"{p.MessageText} ({p.SqlState})" : $"{e.GetType().Name}: {e.Message}";
        }
        catch (Exception)
        {
            return e.GetType().Name;   // a handler's own, which cannot say what it is
        }
    }

    // Libraries wrap what a handler is told: DbUpdateException, AggregateException.
    private static IEnumerable<Exception> Causes(Exception e)
    {
        for (Exception? cause = e; cause is not null; cause = cause.InnerException)
            yield return cause;
    }

    /// <summary>As a reason is kept, whoever gave it.</summary>
    public static string OneLine(string text)
    {
        var line = new string([.. text.ReplaceLineEndings(" ").Where(c => !char.IsControl(c))]);
        return line.Length <= LongestReason ? line : line[..(char.IsHighSurrogate(line[LongestReason - 2]) ? LongestReason - 2 : LongestReason - 1)] + "…";
    }
}
