using System.Text.Json.Serialization.Metadata;

namespace Watchword.Events.Contracts;

/// <summary>One kind of event that Watchword publishes: where, in which form, in which version of that form.</summary>
/// <param name="Subject">The subject that it is published to.</param>
/// <param name="Stream">The stream that keeps it.</param>
/// <param name="SchemaVersion">Of the form; raised only by a change that old readers cannot read.</param>
/// <param name="Json">How its record is read and written.</param>
public sealed record EventType(string Subject, string Stream, int SchemaVersion, JsonTypeInfo Json)
{
    /// <summary>The record.</summary>
    public Type Record => Json.Type;

    /// <summary>The oldest version that is still read, brought up to this one.</summary>
    public int OldestVersion { get; } = Upcasts.Oldest(Subject, SchemaVersion);
}
