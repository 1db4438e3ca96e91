using System.Net.Sockets;

namespace Watchword.Nats;

/// <summary>One round of attempts: each known server once, until one accepts us.</summary>
internal sealed class Connector(NatsConnection connection, ServerPool servers)
{
    /// <exception cref="NatsConnectException">None did; the message says of each why.</exception>
    public async Task<Session> ConnectAsync(CancellationToken ct)
    {
        var problems = new List<NatsConnectException>();
        foreach (var server in servers.InOrder())
        {
            try
            {
                return await TryAsync(server, ct);
            }
            catch (NatsConnectException e)
            {
                problems.Add(e);
            }
        }

        throw problems is [var only]
            ? only
            : new NatsConnectException(string.Join(" ", problems.Select(p => p.Message)), problems.Exists(p => p.IsTransient), problems[^1])
            {
                IsAuthentication = problems.TrueForAll(p => p.IsAuthentication),
            };
    }

    private async Task<Session> TryAsync(ServerAddress server, CancellationToken ct)
    {
        var timeout = connection.Options.ConnectTimeout;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(timeout);
        try
        {
            return await Session.OpenAsync(connection, server, limit.Token);
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            var hint = connection.Options.Tls.Mode == NatsTlsMode.First ? "" : $" (One that speaks TLS from the first byte needs Tls.Mode = {NatsTlsMode.First}.)";
            throw new NatsConnectException($"{server} did not answer within {timeout.TotalSeconds:0.###} s.{hint}", isTransient: true, e);
        }
        catch (Exception e) when (e is IOException or SocketException or NatsException and not NatsConnectException)
        {
            throw new NatsConnectException($"{server} cannot be reached: {e.Message}", isTransient: true, e);
        }
    }
}
