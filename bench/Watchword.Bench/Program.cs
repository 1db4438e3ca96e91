using System.CommandLine;
using System.Globalization;
using Watchword.Bench;

// Figures must not depend on the machine's locale.
CultureInfo.CurrentCulture = CultureInfo.DefaultThreadCurrentCulture = CultureInfo.InvariantCulture;

var scrypt = new Command("scrypt", "Password hashing against OpenSSL, alone.");
scrypt.SetAction(_ => ScryptBench.Print());

return await new RootCommand("""
    Measures Watchword on this machine, with a real PostgreSQL at its default durability and a real nats-server.

    The exit code is 0 even when a goal is missed.
    """)
{
    FigureCommand.Create("main", "Every figure with its goal, in one table; about five minutes.", MainBench.Parts, MainBench.RunAsync),
    FigureCommand.Create("events", """
        Subscribers, dead letters, replay and the audit of the stream; about three minutes.

        Examples:
          bench/run events                     every figure, with its goal
          bench/run events --only subscriber   subscribers alone
          bench/run events --only replay       100,000 events to a file, a subject and a stream
          bench/run events --only audit        a million rows of the outbox against their stream
        """, EventsBench.Parts, EventsBench.RunAsync),
    FigureCommand.Create("capture", """
        What the triggers add to a statement, and the relay behind a large backlog; about five minutes.

        Examples:
          bench/run capture                every figure, with its goal
          bench/run capture --only bulk    an UPDATE and an INSERT of 100,000 users, beside the same without triggers
          bench/run capture --only single  an UPDATE of one user
          bench/run capture --only backlog the relay behind 5,000,000 events, beside 50,000
        """, CaptureBench.Parts, CaptureBench.RunAsync),
    scrypt,
}.Parse(args is [] ? ["--help"] : args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
