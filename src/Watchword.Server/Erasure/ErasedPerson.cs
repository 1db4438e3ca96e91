using System.Text.Json;
using System.Text.Json.Serialization;

namespace Watchword.Server.Erasure;

/// <summary>What an erasure did.</summary>
/// <param name="UserId">Whom it erased.</param>
/// <param name="AccountDeleted">Whether it deleted the account too.</param>
/// <param name="Places">Where something was erased, and how much.</param>
internal sealed record ErasedPerson(string UserId, bool AccountDeleted, IReadOnlyList<ErasedPlace> Places)
{
    public long Total => Places.Sum(p => p.Count);
}

/// <summary>A place that an erasure looked into.</summary>
/// <param name="Place">Its name, for people.</param>
/// <param name="Count">How many rows or messages were erased; 0 when there were none.</param>
internal sealed record ErasedPlace(string Place, long Count);

/// <summary>A person cannot be erased as asked; the message says why and what to do. What was erased before stays erased.</summary>
internal sealed class ErasureRefusedException(string message) : Exception(message);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(ErasedPerson))]
internal sealed partial class ErasedPersonJson : JsonSerializerContext;
