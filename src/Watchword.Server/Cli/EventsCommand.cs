using System.CommandLine;

namespace Watchword.Server.Cli;

/// <summary><c>./run events …</c>: commands about events.</summary>
internal static class EventsCommand
{
    public static Command Create() => new("events", "Watch events pass, replay them, and list their types.")
    {
        EventsTail.Create(),
        EventsReplay.Create(),
        EventsCatalogue.Create(),
    };
}
