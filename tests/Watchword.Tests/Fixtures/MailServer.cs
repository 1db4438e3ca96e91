using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using SmtpServer;
using SmtpServer.Authentication;
using SmtpServer.IO;
using SmtpServer.Mail;
using SmtpServer.Net;
using SmtpServer.Protocol;
using SmtpServer.Storage;

namespace Watchword.Tests;

/// <summary>A mail server that accepts every password, and refuses recipients whose names begin with "bad" permanently.</summary>
internal sealed class MailServer : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly X509Certificate2? _certificate;
    private readonly int _turnsAway;
    private Task _running = Task.CompletedTask;
    private int _senders;

    private MailServer(X509Certificate2? certificate, int turnsAway) => (_certificate, _turnsAway) = (certificate, turnsAway);

    /// <summary>Returns when it listens, on a free port of 127.0.0.1.</summary>
    /// <param name="certificate">Offers STARTTLS with it; null: no TLS.</param>
    /// <param name="implicitTls">TLS from the first byte, instead of STARTTLS.</param>
    /// <param name="isSilentAtFirst">The first session hears no greeting.</param>
    /// <param name="turnsAway">How many mails are turned away with 421 at first.</param>
    public static async Task<MailServer> StartAsync(X509Certificate2? certificate = null, bool implicitTls = false, bool isSilentAtFirst = false, int turnsAway = 0)
    {
        var server = new MailServer(certificate, turnsAway);
        var listening = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        var listeners = isSilentAtFirst ? new SilentAtFirst() : new EndpointListenerFactory();
        listeners.EndpointStarted += (_, e) => listening.TrySetResult(((IPEndPoint)e.LocalEndPoint).Port);
        var services = new SmtpServer.ComponentModel.ServiceProvider();
        services.Add((IEndpointListenerFactory)listeners);
        services.Add((IMailboxFilter)new Mailboxes(server));
        services.Add((IMessageStore)new Store(server));
        services.Add((IUserAuthenticator)new DelegatingUserAuthenticator((user, password) => server.Logins.Enqueue((user, password))));
        var options = new SmtpServerOptionsBuilder().ServerName("localhost").Endpoint(endpoint =>
        {
            endpoint.Endpoint(new(IPAddress.Loopback, 0)).AllowUnsecureAuthentication().IsSecure(implicitTls);
            if (certificate is not null)
                endpoint.Certificate(certificate);
        }).Build();
        server._running = new SmtpServer.SmtpServer(options, services).StartAsync(server._stop.Token);
        server.Port = await listening.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        return server;
    }

    public int Port { get; private set; }

    /// <summary>Names and passwords that clients gave.</summary>
    public ConcurrentQueue<(string User, string Password)> Logins { get; } = [];

    /// <summary>Accepted mails with their envelope.</summary>
    public ConcurrentQueue<(string From, string[] To, string Text, bool IsSecure)> Mails { get; } = [];

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
        _certificate?.Dispose();
    }

    private static string Text(IMailbox mailbox) => $"{mailbox.User}@{mailbox.Host}";

    private sealed class Mailboxes(MailServer server) : MailboxFilter
    {
        public override Task<bool> CanAcceptFromAsync(ISessionContext context, IMailbox from, int size, CancellationToken cancellationToken) =>
            Interlocked.Increment(ref server._senders) > server._turnsAway
                ? Task.FromResult(true)
                : throw new SmtpResponseException(new(SmtpReplyCode.ServiceClosingTransmissionChannel, "not now"), quit: true);

        public override Task<bool> CanDeliverToAsync(ISessionContext context, IMailbox to, IMailbox from, CancellationToken cancellationToken) =>
            !to.User.StartsWith("bad", StringComparison.Ordinal)
                ? Task.FromResult(true)
                : throw new SmtpResponseException(new(SmtpReplyCode.MailboxUnavailable, "nobody here of that name"));
    }

    /// <summary>Takes the first connection, and keeps it from the server.</summary>
    private sealed class SilentAtFirst : EndpointListenerFactory
    {
        public override IEndpointListener CreateListener(IEndpointDefinition endpointDefinition) => new Listener(base.CreateListener(endpointDefinition));

        private sealed class Listener(IEndpointListener listener) : IEndpointListener
        {
            private ISecurableDuplexPipe? _silent;

            public async Task<ISecurableDuplexPipe> GetPipeAsync(ISessionContext context, CancellationToken cancellationToken)
            {
                if (_silent is null)
                {
                    _silent = await listener.GetPipeAsync(context, cancellationToken);
                    context.Properties.Clear();   // the listener adds the addresses of each connection
                }
                return await listener.GetPipeAsync(context, cancellationToken);
            }

            public void Dispose()
            {
                _silent?.Dispose();
                listener.Dispose();
            }
        }
    }

    private sealed class Store(MailServer server) : MessageStore
    {
        public override Task<SmtpResponse> SaveAsync(ISessionContext context, IMessageTransaction transaction, ReadOnlySequence<byte> buffer, CancellationToken cancellationToken)
        {
            server.Mails.Enqueue((Text(transaction.From), [.. transaction.To.Select(Text)], Encoding.ASCII.GetString(buffer), context.Pipe.IsSecure));
            return Task.FromResult(SmtpResponse.Ok);
        }
    }
}
