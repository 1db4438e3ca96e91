using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Watchword.Auditing;

/// <summary>What a verification found.</summary>
/// <param name="Rows">How many rows were read and found intact.</param>
/// <param name="Head">The last row's position and hash: note it elsewhere, and a later verification shows whether the log up to there was rewritten. Null when the log is broken.</param>
/// <param name="Fault">The first broken link; null when the log is intact.</param>
/// <param name="Erasures">What was erased from the rows that were read, the oldest erasure first.</param>
public sealed record AuditReport(long Rows, AuditHead? Head, AuditFault? Fault, IReadOnlyList<AuditErasure> Erasures)
{
    /// <summary>Whether every row is as it was written or its erasure is recorded, none is missing, and none was added past the log.</summary>
    [MemberNotNullWhen(true, nameof(Head))]
    [MemberNotNullWhen(false, nameof(Fault))]
    public bool IsWhole => Fault is null;
}

/// <summary>An erasure: the rows about a person lost their content, and the chain is intact.</summary>
/// <param name="UserId">The person.</param>
/// <param name="Events">How many rows.</param>
/// <param name="At">When.</param>
/// <param name="By">Who did it.</param>
/// <param name="Reason">Why, in that person's words.</param>
public sealed record AuditErasure(string UserId, long Events, DateTimeOffset At, string By, string Reason);

/// <summary>The first broken link of an audit log.</summary>
/// <param name="Kind">What is wrong.</param>
/// <param name="Position">Where.</param>
/// <param name="EventId">Of the row that shows it; null when that is missing.</param>
/// <param name="Problem">In words.</param>
public sealed record AuditFault(AuditFaultKind Kind, long Position, string? EventId, string Problem);

/// <summary>What can be wrong with a row of the audit log.</summary>
public enum AuditFaultKind
{
    /// <summary>Its content does not match its hash.</summary>
    Changed,

    /// <summary>It does not continue the row before it.</summary>
    OutOfChain,

    /// <summary>There is none at this position, though there are later ones.</summary>
    Missing,

    /// <summary>The rows from here to the head are missing.</summary>
    EndMissing,

    /// <summary>It lies behind the head: it was not appended by the log.</summary>
    BeyondHead,

    /// <summary>The head row does not name the last row.</summary>
    Head,

    /// <summary>Its content is gone, and no row records the erasure.</summary>
    Unrecorded,

    /// <summary>The log is intact in itself, but not the one whose head was noted.</summary>
    Rewritten,
}

/// <summary>How far an audit log reached at some time, written <c>HASH@POSITION</c>.</summary>
/// <param name="Position">Of the last row; 0 for an empty log.</param>
/// <param name="Hash">Of that row: 64 hexadecimal digits.</param>
public sealed record AuditHead(long Position, string Hash)
{
    private const int HashDigits = 64;

    /// <exception cref="FormatException">It is not a head; says what one looks like.</exception>
    public static AuditHead Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Trim().Split('@') is [{ Length: HashDigits } hash, var number] && hash.All(char.IsAsciiHexDigit)
            && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var position)
            ? new(position, hash.ToLowerInvariant())
            : throw new FormatException($"'{text}' is not an audit-log head: expected 64 hexadecimal digits, @ and the position, as an earlier verification printed it");
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Hash}@{Position}");
}
