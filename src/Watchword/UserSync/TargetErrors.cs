using Npgsql;

namespace Watchword.UserSync;

/// <summary>What an error of the target database means.</summary>
internal static class TargetErrors
{
    /// <summary>Whether the table refuses the row: classes 21, 22 and 23, the data's fault; 44, a view's check option; 54, too large for an index; P0, raised by a trigger.</summary>
    public static bool IsObjection(this Exception e) => e is PostgresException p && p.SqlState[..2] is "21" or "22" or "23" or "44" or "54" or "P0";

    /// <summary>Whether it took too long: a table with slow triggers takes half of the rows in the time that it has, or one.</summary>
    public static bool IsTooSlow(this Exception e) => e is PostgresException { SqlState: PostgresErrorCodes.QueryCanceled } or NpgsqlException { InnerException: TimeoutException };

    /// <summary>Whether the database failed, and not the row: a later attempt may succeed.</summary>
    public static bool IsOutage(this Exception e) => e is (NpgsqlException or IOException or TimeoutException) && !e.IsObjection();
}
