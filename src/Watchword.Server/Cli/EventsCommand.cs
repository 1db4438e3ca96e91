using System.CommandLine;

namespace Watchword.Server.Cli;

/// <summary><c>./run events …</c></summary>
internal static class EventsCommand
{
    public static Command Create() => new("events", "Watch events pass, and play them again.")
    {
        EventsTail.Create(),
        EventsReplay.Create(),
    };
}
