using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using MailKit.Security;
using MimeKit;
using Watchword.Events.Subscribing;
using Watchword.Samples.Subscribers;

namespace Watchword.Tests.Samples;

/// <summary>A welcome mail is one mail to one recipient, whatever somebody typed as a name or an address.</summary>
public sealed class MailerTests(PostgresFixture postgres, NatsFixture nats) : IDisposable
{
    private static readonly string[] Headers =
        ["MIME-Version", "From", "To", "Date", "Subject", "Message-ID", "Content-Type"];

    private readonly string _folder = Directory.CreateTempSubdirectory("watchword-mail-").FullName;

    [Fact]
    public async Task A_mail_is_written_once_for_an_event()
    {
        for (var i = 0; i < 2; i++)
            await WriteAsync("0197-a", "Zoë Müller");
        var mail = await File.ReadAllTextAsync(Path.Combine(_folder, "0197-a.eml"), TestContext.Current.CancellationToken);
        Assert.Equal([Path.Combine(_folder, "0197-a.eml")], Directory.GetFileSystemEntries(_folder));
        Assert.Contains("\r\nMessage-ID: <0197-a@example.com>\r\n", mail, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("\r\nTo: ada@example.com\r\n", mail, StringComparison.Ordinal);
        Assert.True(Encoding.UTF8.GetByteCount(mail) == mail.Length, "a mail is ASCII");
        var parsed = await MimeMessage.LoadAsync(Path.Combine(_folder, "0197-a.eml"), TestContext.Current.CancellationToken);
        Assert.Equal("Welcome, Zoë Müller", parsed.Subject);
        Assert.StartsWith("Hello Zoë Müller,", parsed.TextBody, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Ada\r\nBcc: mallory@example.com")]
    [InlineData("Ada\nBcc: mallory@example.com")]
    [InlineData("Ada\r\n\r\n<html>")]
    [InlineData("Ada\u0085Bcc: mallory@example.com")]
    [InlineData("Ada\u2028Bcc: mallory@example.com")]
    [InlineData("\" <mallory@example.com>, \"Ada")]
    [InlineData("=?utf-8?Q?=0D=0ABcc:_mallory@example.com?=")]
    [InlineData("\0\u0001")]
    [InlineData("")]
    public async Task No_name_adds_a_header_or_a_recipient(string name) => await WriteOneAsync(name);

    [Fact]
    public void No_name_whatsoever_adds_a_header()
    {
        var names = Gen.Elements('\r', '\n', '\0', '\t', ' ', ':', '<', '>', '"', '\\', ',', '=', '?', 'B', 'ß', '語', '\u2028', '\u0085', '\ud83d', '\ude00').ArrayOf();
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(300), Prop.ForAll(names.ToArbitrary(), name => WriteOneAsync(new string(name))));
    }

    [Fact]
    public async Task An_id_that_is_not_a_file_name_cannot_escape_the_folder()
    {
        await WriteAsync("../../evil", "Ada");
        Assert.Matches("^[0-9a-f]{64}\\.eml$", Path.GetFileName(Assert.Single(Directory.GetFileSystemEntries(_folder))));
    }

    [Fact]
    public async Task With_a_mail_server_the_mail_is_sent_there_and_no_file_is_written()
    {
        await using var server = await MailServer.StartAsync();
        await SendAsync(server, "smtp");

        Assert.Equal(("user", "p@ss"), Assert.Single(server.Logins));
        var mail = Assert.Single(server.Mails);
        Assert.Equal(("welcome@example.com", "ada@example.com", false), (mail.From, Assert.Single(mail.To), mail.IsSecure));
        Assert.Contains("\r\nMessage-Id: <0197-a@example.com>\r\n", mail.Text, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("Subject: Welcome, Ada\r\n", mail.Text, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }

    [Theory]
    [InlineData("smtp", false)]
    [InlineData("smtps", true)]
    public async Task A_mail_is_sent_by_STARTTLS_and_by_implicit_TLS(string scheme, bool implicitTls)
    {
        using var certificates = new TestCertificates();
        await using var server = await MailServer.StartAsync(Certificate(certificates), implicitTls);
        await SendAsync(server, scheme, (_, certificate, _, _) => certificate!.Subject == "CN=127.0.0.1");

        Assert.True(Assert.Single(server.Mails).IsSecure);
    }

    [Theory]
    [InlineData("smtp", false)]
    [InlineData("smtps", true)]
    public async Task Nothing_is_said_to_a_server_whose_certificate_nobody_trusts(string scheme, bool implicitTls)
    {
        using var certificates = new TestCertificates();
        await using var server = await MailServer.StartAsync(Certificate(certificates), implicitTls);

        await Assert.ThrowsAsync<SslHandshakeException>(() => SendAsync(server, scheme));

        Assert.Empty(server.Logins);
        Assert.Empty(server.Mails);
    }

    [Fact]
    public async Task Smtps_sends_nothing_in_the_clear()
    {
        await using var server = await MailServer.StartAsync();
        await Assert.ThrowsAsync<SslHandshakeException>(() => SendAsync(server, "smtps"));
        Assert.Empty(server.Logins);
    }

    [Fact]
    public async Task A_refused_recipient_causes_no_second_mail_to_the_others()
    {
        await using var server = await MailServer.StartAsync();
        await using var host = await WelcomingAsync(server);
        for (var i = 0; i < 40; i++)
            await host.PublishAsync("registered", i % 8 == 7 ? $"bad{i}" : $"good{i}");
        await Eventually.TrueAsync(async () => await new DeadLetters(host.Database.Source).CountAsync(EmailService.Name) == 5);
        await host.SettledAsync(EmailService.Name);
        Assert.Equal(35, server.Mails.Select(m => Assert.Single(m.To)).Distinct().Count());
        Assert.Equal(35, server.Mails.Count);
    }

    [Fact]
    public async Task A_mail_server_that_is_away_for_a_while_loses_no_mail()
    {
        await using var server = await MailServer.StartAsync(turnsAway: 3);
        await WelcomeOneAsync(server);
    }

    [Fact]
    public async Task A_mail_server_that_never_greets_is_asked_again_before_long()
    {
        await using var server = await MailServer.StartAsync(isSilentAtFirst: true);
        await WelcomeOneAsync(server);
    }

    [Theory]
    [InlineData("ada@example.com, mallory@example.com")]
    [InlineData("ada@example.com,mallory@example.com")]
    [InlineData("Ada <mallory@example.com>")]
    [InlineData("\"ada@example.com\" mallory@example.com")]
    [InlineData("<ada@example.com>")]
    [InlineData(" ada@example.com")]
    [InlineData("ada@example.com (Ada)")]
    [InlineData("ada")]
    [InlineData("ada@example.com\r\nBcc: mallory@example.com")]
    [InlineData("team: ada@example.com;")]
    [InlineData("")]
    public async Task Only_one_plain_address_is_written_to(string address)
    {
        await Assert.ThrowsAsync<EventRefusedException>(() => new Mailer(Settings).SendAsync("e", address, "Ada", TestContext.Current.CancellationToken));
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }

    private static X509Certificate2 Certificate(TestCertificates certificates)
    {
        var (certificate, key) = certificates.Issue("127.0.0.1");
        return X509Certificate2.CreateFromPemFile(certificate, key);
    }

    private Task SendAsync(MailServer server, string scheme, RemoteCertificateValidationCallback? check = null) =>
        new Mailer(Settings with { Smtp = new Uri($"{scheme}://user:p%40ss@127.0.0.1:{server.Port}") }) { CertificateCheck = check }
            .SendAsync("0197-a", "ada@example.com", "Ada", TestContext.Current.CancellationToken);

    private Task<SampleHost> WelcomingAsync(MailServer server) => SampleHost.StartAsync(postgres, nats, (services, settings, database) =>
        EmailService.Add(services, settings with { Smtp = new Uri($"smtp://user:password@127.0.0.1:{server.Port}") }, database));

    private async Task WelcomeOneAsync(MailServer server)
    {
        await using var host = await WelcomingAsync(server);
        await host.PublishAsync("registered", "ada");
        await Eventually.TrueAsync(() => Task.FromResult(!server.Mails.IsEmpty), TimeSpan.FromSeconds(60));
        await host.SettledAsync(EmailService.Name);
        Assert.Equal("ada@example.com", Assert.Single(Assert.Single(server.Mails).To));
        Assert.Equal(0, await new DeadLetters(host.Database.Source).CountAsync(EmailService.Name));
    }

    private SampleSettings Settings => new() { Nats = new(), Database = "", MailFolder = _folder };

    private async Task WriteOneAsync(string name)
    {
        await WriteAsync("e", name);
        var mail = await File.ReadAllTextAsync(Path.Combine(_folder, "e.eml"), TestContext.Current.CancellationToken);
        var head = mail[..mail.IndexOf("\r\n\r\n", StringComparison.Ordinal)];
        Assert.DoesNotContain("\n", head.Replace("\r\n", "", StringComparison.Ordinal), StringComparison.Ordinal);
        // A line that begins with white space continues the one before it.
        var lines = head.Split("\r\n").Where(l => l[0] is not (' ' or '\t')).ToList();
        lines.RemoveAll(l => l.StartsWith("Content-Transfer-Encoding:", StringComparison.Ordinal));   // only where the body needs it
        Assert.Equal(Headers.Order(StringComparer.OrdinalIgnoreCase), lines.ConvertAll(l => l.Split(':')[0]).Order(StringComparer.OrdinalIgnoreCase), StringComparer.OrdinalIgnoreCase);
        Assert.Contains("To: ada@example.com", lines);
    }

    private Task WriteAsync(string id, string name) => new Mailer(Settings).SendAsync(id, "ada@example.com", name, TestContext.Current.CancellationToken);

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
