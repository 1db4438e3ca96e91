using Watchword.Events;
using Watchword.Events.Contracts;

var builder = Host.CreateApplicationBuilder(args);
builder.Services.AddWatchwordSubscriber("greeter", s => s
    .ParkIn(builder.Configuration["DATABASE_URL"]!)
    .On<UserRegistered>(e => Console.Out.WriteLineAsync($"Welcome, {e.Data.Name}!")));
builder.Build().Run();
