using System.CommandLine;
using System.Globalization;
using Watchword.Bench;

// Figures must not depend on the machine's locale.
CultureInfo.CurrentCulture = CultureInfo.DefaultThreadCurrentCulture = CultureInfo.InvariantCulture;

var scrypt = new Command("scrypt", "Password hashing against OpenSSL, alone.");
scrypt.SetAction(_ => ScryptBench.Print());

return await new RootCommand("""
    Measures Watchword on this machine: real PostgreSQL with its default durability, real nats-server.

    Figures are figures: the exit code is 0 also when a goal is missed.
    """)
{
    FigureCommand.Create("main", "Every figure with its goal, in one table; some five minutes.", MainBench.Parts, MainBench.RunAsync),
    FigureCommand.Create("nats", """
        The NATS client beside the official JavaScript client, on one nats-server; some two minutes.

        Examples:
          bench/run nats                          every figure, with its goal
          bench/run nats --only publish,consume   JetStream's rates alone
          bench/run nats --only memory            bytes allocated per message, as BenchmarkDotNet counts them
          bench/run nats --json | jq '.figures[] | {name, values}'
        """, NatsBench.Parts, NatsBench.RunAsync),
    FigureCommand.Create("events", """
        The event backbone: subscribers, dead letters, replay, the audit of the stream; some three minutes.

        Examples:
          bench/run events                     every figure, with its goal
          bench/run events --only subscriber   subscribers alone
          bench/run events --only replay       100,000 events to a file, a subject and a stream
          bench/run events --only audit        a million rows of the outbox against their stream
        """, EventsBench.Parts, EventsBench.RunAsync),
    scrypt,
}.Parse(args is [] ? ["--help"] : args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
