using Npgsql;

namespace Watchword.Events.Subscribing;

/// <summary>What a failure of a handler means.</summary>
internal static class SubscriberFailure
{
    private const int LongestReason = 1_000;

    /// <summary>Whether another delivery would fail the same.</summary>
    public static bool IsLasting(Exception e) => e is EventRefusedException { IsLasting: true };

    /// <summary>Whether the subscriber's database is away: nothing that the event is to blame for.</summary>
    public static async Task<bool> IsOfTheDatabaseAsync(Exception e, NpgsqlDataSource? database, CancellationToken ct)
    {
        if (database is null || e is not (NpgsqlException { IsTransient: true } or IOException or TimeoutException))
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

    /// <summary>For a person, in one line.</summary>
    public static string Reason(Exception e)
    {
        var text = e switch
        {
            EventRefusedException => e.Message,
            PostgresException p => $"{p.MessageText} ({p.SqlState})",
            _ => $"{e.GetType().Name}: {e.Message}",
        };
        return OneLine(text);
    }

    /// <summary>As a reason is kept, whoever gave it.</summary>
    public static string OneLine(string text)
    {
        var line = new string([.. text.ReplaceLineEndings(" ").Where(c => !char.IsControl(c))]);
        return line.Length <= LongestReason ? line : line[..(char.IsHighSurrogate(line[LongestReason - 2]) ? LongestReason - 2 : LongestReason - 1)] + "…";
    }
}
