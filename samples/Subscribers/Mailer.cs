using System.Net.Security;
using System.Security.Cryptography;
using System.Text;
using MailKit.Net.Smtp;
using MailKit.Security;
using MimeKit;
using Watchword.Events.Subscribing;

namespace Watchword.Samples.Subscribers;

/// <summary>Sends mails, or writes them as files if no server is set.</summary>
/// <remarks>
/// A mail is not part of the database's transaction: if the process dies before the commit, the mail is written or sent
/// again. A file then replaces itself; a sent mail has the same Message-ID, and mail programs show it once.
/// </remarks>
internal sealed class Mailer(SampleSettings settings)
{
    private const int SubmissionPort = 587;
    private const int ImplicitTlsPort = 465;
    private const int PermanentFailure = 500;   // RFC 5321, section 4.2.1

    private static readonly ParserOptions Strict = new() { AddressParserComplianceMode = RfcComplianceMode.Strict, AllowAddressesWithoutDomain = false };

    /// <summary>Checks the server's certificate instead of the system: for tests.</summary>
    internal RemoteCertificateValidationCallback? CertificateCheck { get; init; }

    /// <summary>Parses exactly one plain address, such as name@example.com; null if it is anything else.</summary>
    // The parser alone also takes "Bob <bob@example.com>", and comments.
    public static MailboxAddress? Address(string text) =>
        MailboxAddress.TryParse(Strict, text, out var address) && address.Address == text ? address : null;

    /// <summary>Sends or writes a welcome mail.</summary>
    /// <param name="id">The id of the event that caused it; names the mail.</param>
    /// <param name="to">The recipient's address.</param>
    /// <param name="name">The recipient's name as typed by its owner: not to be trusted.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="EventRefusedException">The address is not exactly one, or the server refuses it permanently.</exception>
    public async Task SendAsync(string id, string to, string name, CancellationToken ct)
    {
        using var mail = Compose(id, to, name);
        if (settings.Smtp is { } smtp)
            await SendAsync(smtp, mail, ct);
        else
            await WriteAsync(id, mail, ct);
    }

    private MimeMessage Compose(string id, string to, string name)
    {
        var address = Address(to) ?? throw new EventRefusedException("data.email is not exactly one e-mail address of the form name@example.com");
        var greeted = OneLine(name);
        var from = MailboxAddress.Parse(settings.MailFrom);
        var mail = new MimeMessage
        {
            Subject = greeted.Length > 0 ? $"Welcome, {greeted}" : "Welcome",
            Body = new TextPart("plain") { Text = $"Hello {greeted},\r\n\r\nyour account is ready. You log in with {to}.\r\n" },
            MessageId = $"{FileName(id)}@{from.Domain}",
        };
        mail.From.Add(from);
        mail.To.Add(address);
        mail.Prepare(EncodingConstraint.SevenBit);
        return mail;
    }

    // Under another name first: whoever picks up .eml files never sees half a mail.
    private async Task WriteAsync(string id, MimeMessage mail, CancellationToken ct)
    {
        Directory.CreateDirectory(settings.MailFolder);
        var file = Path.Combine(settings.MailFolder, ".new-" + Guid.NewGuid().ToString("N"));
        try
        {
            var format = FormatOptions.Default.Clone();
            format.NewLineFormat = NewLineFormat.Dos;
            await mail.WriteToAsync(format, file, ct);
            File.Move(file, Path.Combine(settings.MailFolder, FileName(id) + ".eml"), overwrite: true);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private async Task SendAsync(Uri smtp, MimeMessage mail, CancellationToken ct)
    {
        using var client = new SmtpClient { ServerCertificateValidationCallback = CertificateCheck };
        var (security, port) = smtp.Scheme == "smtps"
            ? (SecureSocketOptions.SslOnConnect, ImplicitTlsPort)
            : (SecureSocketOptions.StartTlsWhenAvailable, SubmissionPort);
        await client.ConnectAsync(smtp.Host, smtp.Port > 0 ? smtp.Port : port, security, ct);
        if (smtp.UserInfo.Split(':', 2) is [{ Length: > 0 } user, .. var password])
            await client.AuthenticateAsync(Uri.UnescapeDataString(user), Uri.UnescapeDataString(password.FirstOrDefault() ?? ""), ct);
        try
        {
            await client.SendAsync(mail, ct);
        }
        catch (SmtpCommandException e) when (e.ErrorCode == SmtpErrorCode.RecipientNotAccepted && (int)e.StatusCode >= PermanentFailure)
        {
            throw new EventRefusedException($"The mail server refuses the recipient permanently: {e.Message}");
        }
        // The mail is accepted: a server that dies during the farewell must not make it be sent again.
        await client.DisconnectAsync(quit: true, ct);
    }

    /// <summary>The name on one line: a line break would start a header of its owner's choice.</summary>
    private static string OneLine(string name) => string.Join(' ', name.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)
        .Select(word => new string([.. word.Where(c => !char.IsControl(c))]))).Trim();

    // The ids of foreign publishers can be anything.
    private static string FileName(string id) => id.All(c => char.IsAsciiLetterOrDigit(c) || c == '-') && id.Length is > 0 and <= 64
        ? id : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(id)));
}
