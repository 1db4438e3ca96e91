// A subscriber that is killed: by the test that started it ("effects"), or by an event ("killed").
using System.Diagnostics;
using Dapper;
using Microsoft.Extensions.Hosting;
using Watchword.Events;
using Watchword.Events.Contracts;

var (mode, nats, database) = (args[0], args[1], args[2]);
var builder = Host.CreateEmptyApplicationBuilder(null);
builder.Services.AddWatchwordSubscriber("email-service", s =>
{
    s.Connect(nats).ParkIn(database).ExactlyOnce();
    if (mode == "effects")
        s.On<UserRegistered>((e, context, _) =>
            context.Connection.ExecuteAsync("INSERT INTO effect (who, what) VALUES (@UserId, @Name)", new { e.Data.UserId, e.Data.Name }, context.Transaction));
    else
        s.With(o => o with { AckWait = TimeSpan.FromSeconds(1) }).On<UserRegistered>(async (e, _, ct) =>
        {
            await Task.Delay(50, ct);   // so that others are at work beside it
            if (e.Data.Name == "killer")
                Process.GetCurrentProcess().Kill();
        });
});
await builder.Build().RunAsync();
