using Microsoft.Extensions.Logging;
using Npgsql;

namespace Watchword.Events.Subscribing;

/// <summary>What one subscriber's lanes share.</summary>
/// <param name="Name">The subscriber.</param>
/// <param name="Options">How it works.</param>
/// <param name="Services">The host's.</param>
/// <param name="Lot">Where events go that cannot be handled.</param>
/// <param name="Database">The subscriber's own.</param>
/// <param name="Handled">Counts the events that were handled.</param>
/// <param name="Logger">The subscriber's.</param>
internal sealed record LaneSetting(
    string Name, SubscriberOptions Options, IServiceProvider Services, ParkingLot Lot, NpgsqlDataSource Database, Action<int> Handled, ILogger Logger);
