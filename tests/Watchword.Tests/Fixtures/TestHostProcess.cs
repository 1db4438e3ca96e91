using System.Diagnostics;
using Watchword.Tests.Events.Subscribing;

namespace Watchword.Tests;

/// <summary>A subscriber in a process of its own (tests/TestHost), to be killed.</summary>
internal static class TestHostProcess
{
    public static Task<Process> StartAsync(string mode, SubscriberHost host) => ChildProcess.StartAsync(
        ChildProcess.Find("dotnet")!, Path.Combine(AppContext.BaseDirectory, "Watchword.TestHost.dll"), mode, host.Account.Url, host.Database.ConnectionString);
}
