using System.Text;
using FsCheck.Fluent;
using Watchword.Events.Subscribing;
using Watchword.Samples.Subscribers;

namespace Watchword.Tests.Samples;

/// <summary>Welcome mails are mails whatever somebody typed as a name.</summary>
public sealed class MailerTests(PostgresFixture postgres, NatsFixture nats) : IDisposable
{
    private static readonly string[] Headers =
        ["X-Sender", "X-Receiver", "MIME-Version", "From", "To", "Date", "Subject", "Message-ID", "Content-Type", "Content-Transfer-Encoding"];

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
        Assert.Contains("\r\nSubject: =?utf-8?", mail, StringComparison.Ordinal);
        Assert.True(Encoding.UTF8.GetByteCount(mail) == mail.Length, "a mail is ASCII");
        Assert.Contains("Zoë Müller", Body(mail), StringComparison.Ordinal);
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
    public async Task No_name_whatsoever_adds_a_header()
    {
        var names = Gen.Elements('\r', '\n', '\0', '\t', ' ', ':', '<', '>', '"', '\\', ',', '=', '?', 'B', 'ß', '語', '\u2028', '\u0085', '\ud83d', '\ude00').ArrayOf();
        foreach (var name in names.Sample(300))
            await WriteOneAsync(new string(name));
    }

    [Fact]
    public async Task An_id_that_is_no_file_name_cannot_lead_elsewhere()
    {
        await WriteAsync("../../evil", "Ada");
        Assert.Matches("^[0-9a-f]{64}\\.eml$", Path.GetFileName(Assert.Single(Directory.GetFileSystemEntries(_folder))));
    }

    [Fact]
    public async Task With_an_smtp_server_the_mail_is_sent_there_and_no_file_is_written()
    {
        await using var server = new SmtpServer();
        await new Mailer(Settings with { Smtp = new Uri($"smtp://user:p%40ss@127.0.0.1:{server.Port}") })
            .SendAsync("0197-a", "ada@example.com", "Ada", TestContext.Current.CancellationToken);
        var said = server.Said;
        Assert.Contains("MAIL FROM:<welcome@example.com>", said);
        Assert.Equal("RCPT TO:<ada@example.com>", Assert.Single(said, l => l.StartsWith("RCPT", StringComparison.Ordinal)));
        Assert.Contains(said, l => l.Equals("Message-ID: <0197-a@example.com>", StringComparison.OrdinalIgnoreCase));
        Assert.Contains("Subject: Welcome, Ada", said);
        // AUTH LOGIN gives the name at once, and the password when it is asked for.
        Assert.Contains("AUTH login " + Convert.ToBase64String("user"u8), said);
        Assert.Contains(Convert.ToBase64String("p@ss"u8), said);
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }

    [Fact]
    public async Task One_recipient_who_is_refused_costs_the_others_no_second_mail()
    {
        await using var server = new SmtpServer();
        await using var host = await SampleHost.StartAsync(postgres, nats, (services, settings, database) =>
            EmailService.Add(services, settings with { Smtp = new Uri($"smtp://user:password@127.0.0.1:{server.Port}") }, database));
        for (var i = 0; i < 40; i++)
            await host.PublishAsync("registered", i % 8 == 7 ? $"bad{i}" : $"good{i}");
        await Eventually.TrueAsync(async () => await new DeadLetters(host.Database.Source).CountAsync(EmailService.Name) == 5);
        await Eventually.TrueAsync(() => server.Said.Count(l => l.StartsWith("RCPT TO:<good", StringComparison.Ordinal)) >= 35);
        Assert.Equal(35, server.Said.Count(l => l.StartsWith("RCPT TO:<good", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_mail_server_that_is_away_for_a_while_loses_no_mail()
    {
        await using var server = new SmtpServer { RefusesFor = TimeSpan.FromSeconds(4) };
        await WelcomeOneAsync(server);
    }

    [Fact]
    public async Task A_mail_server_that_never_greets_is_asked_again_before_long()
    {
        await using var server = new SmtpServer { IsSilentAtFirst = true };
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
    [InlineData("")]
    public async Task Only_one_plain_address_is_written_to(string address)
    {
        await Assert.ThrowsAsync<EventRefusedException>(() => new Mailer(Settings).SendAsync("e", address, "Ada", TestContext.Current.CancellationToken));
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }

    private async Task WelcomeOneAsync(SmtpServer server)
    {
        await using var host = await SampleHost.StartAsync(postgres, nats, (services, settings, database) =>
            EmailService.Add(services, settings with { Smtp = new Uri($"smtp://user:password@127.0.0.1:{server.Port}") }, database));
        await host.PublishAsync("registered", "ada");
        await Eventually.TrueAsync(() => Task.FromResult(server.Said.Contains("RCPT TO:<ada@example.com>")), TimeSpan.FromSeconds(60));
        await host.SettledAsync(EmailService.Name);
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
        Assert.Equal(Headers.Order(StringComparer.OrdinalIgnoreCase), lines.ConvertAll(l => l.Split(':')[0]).Order(StringComparer.OrdinalIgnoreCase), StringComparer.OrdinalIgnoreCase);
        Assert.Contains("X-Receiver: ada@example.com", lines);
        Assert.Contains("To: ada@example.com", lines);
    }

    private Task WriteAsync(string id, string name) => new Mailer(Settings).SendAsync(id, "ada@example.com", name, TestContext.Current.CancellationToken);

    private static string Body(string mail)
    {
        var text = mail[(mail.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..];
        return mail.Contains("Content-Transfer-Encoding: base64", StringComparison.OrdinalIgnoreCase)
            ? Encoding.UTF8.GetString(Convert.FromBase64String(text))
            : text;
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
