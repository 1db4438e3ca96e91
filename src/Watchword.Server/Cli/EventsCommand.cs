using System.CommandLine;

namespace Watchword.Server.Cli;

/// <summary><c>./run events …</c></summary>
internal static class EventsCommand
{
    public static Command Create() => new("events", "Watch events pass, play them again, and list what kinds there are.")
    {
        EventsTail.Create(),
        EventsReplay.Create(),
        EventsCatalogue.Create(),
    };
}
