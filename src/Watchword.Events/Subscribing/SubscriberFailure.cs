using Npgsql;

namespace Watchword.Events.Subscribing;

/// <summary>What the failure of a handler means.</summary>
internal static class SubscriberFailure
{
    private const int LongestReason = 1_000;
    private const int MostConflicts = 10;

    /// <summary>Whether a retry would fail the same way.</summary>
    public static bool IsLasting(Exception e) => Causes(e).Any(c => c is EventRefusedException { IsLasting: true });

    /// <summary>Whether a statement failed: in a transaction that several events share, any of them may be the cause.</summary>
    public static bool IsOfAStatement(Exception e) => Causes(e).Any(c => c is NpgsqlException);

    /// <summary>Whether another transaction was in the way (class 40: deadlock, serialization): a retry succeeds.</summary>
    public static bool IsConflict(Exception e) => Causes(e).Any(c => c is PostgresException p && p.SqlState.StartsWith("40", StringComparison.Ordinal));

    /// <summary>Whether there were so many conflicts in a row that the handler must be the cause.</summary>
    /// <param name="e">The failure.</param>
    /// <param name="conflicts">Conflicts in a row; counted here.</param>
    public static bool IsOneConflictTooMany(Exception e, ref int conflicts)
    {
        conflicts = IsConflict(e) ? conflicts + 1 : 0;
        return conflicts > MostConflicts;
    }

    /// <summary>Whether the subscriber's database is the cause, unreachable or busy, and not the event.</summary>
    public static async Task<bool> IsOfTheDatabaseAsync(Exception e, NpgsqlDataSource database, CancellationToken ct)
    {
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

    /// <summary>The failure and its cause, in one line for a person.</summary>
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
            return e.GetType().Name;   // a handler's own exception, whose Message throws
        }
    }

    // Libraries wrap exceptions: DbUpdateException, AggregateException.
    private static IEnumerable<Exception> Causes(Exception e)
    {
        for (Exception? cause = e; cause is not null; cause = cause.InnerException)
            yield return cause;
    }

    /// <summary>A reason as it is stored: one line, at most 1,000 characters.</summary>
    public static string OneLine(string text)
    {
        var line = new string([.. text.ReplaceLineEndings(" ").Where(c => !char.IsControl(c))]);
        return line.Length <= LongestReason ? line : line[..(char.IsHighSurrogate(line[LongestReason - 2]) ? LongestReason - 2 : LongestReason - 1)] + "…";
    }
}
