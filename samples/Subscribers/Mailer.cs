using System.Net;
using System.Net.Mail;
using System.Text;
using Watchword.Events.Subscribing;

namespace Watchword.Samples.Subscribers;

/// <summary>
/// Writes or sends mails. A mail leaves the database's transaction, so it can happen twice if the process dies before
/// that commits: as a file it then replaces itself, and sent it has the same Message-ID, which mail programs show once.
/// </summary>
internal sealed class Mailer(SampleSettings settings)
{
    private const int DefaultSmtpPort = 587;
    private const int LastingRefusal = 500;   // RFC 5321, section 4.2.1

    /// <param name="id">Of the event that is the reason: names the mail.</param>
    /// <param name="to">The address.</param>
    /// <param name="name">As its owner typed it, and not to be trusted.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="EventRefusedException">The address is not exactly one, or the server will never take it.</exception>
    public async Task SendAsync(string id, string to, string name, CancellationToken ct)
    {
        using var mail = Compose(id, to, name);
        if (settings.Smtp is { } smtp)
            await SendAsync(smtp, mail, ct);
        else
            Write(id, mail);
    }

    private MailMessage Compose(string id, string to, string name)
    {
        // MailAddress takes the last of several, and what stands in angle brackets after a name.
        if (!MailAddress.TryCreate(to, out var address) || address.Address != to)
            throw new EventRefusedException("data.email is not exactly one e-mail address of the form name@example.com");
        var greeted = OneLine(name);
        // The name does not stand beside the address: a quotation mark in it would end it there, and begin another recipient.
        var mail = new MailMessage(new MailAddress(settings.MailFrom), address)
        {
            Subject = greeted.Length > 0 ? $"Welcome, {greeted}" : "Welcome",
            SubjectEncoding = Encoding.UTF8,
            HeadersEncoding = Encoding.UTF8,
            Body = $"Hello {greeted},\r\n\r\nyour account is ready. You log in with {to}.\r\n",
            BodyEncoding = Encoding.UTF8,
        };
        mail.Headers.Add("Message-ID", $"<{FileName(id)}@{mail.From!.Host}>");
        return mail;
    }

    // SmtpClient gives files names of its own: each mail gets a folder, and its name when it is whole.
    private void Write(string id, MailMessage mail)
    {
        var folder = Path.Combine(settings.MailFolder, ".new-" + Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(folder);
        try
        {
            using (var client = new SmtpClient { DeliveryMethod = SmtpDeliveryMethod.SpecifiedPickupDirectory, PickupDirectoryLocation = folder })
                client.Send(mail);
            File.Move(Directory.GetFiles(folder).Single(), Path.Combine(settings.MailFolder, FileName(id) + ".eml"), overwrite: true);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task SendAsync(Uri smtp, MailMessage mail, CancellationToken ct)
    {
        using var client = new SmtpClient(smtp.Host, smtp.Port > 0 ? smtp.Port : DefaultSmtpPort) { EnableSsl = smtp.Scheme == "smtps" };
        if (smtp.UserInfo.Split(':', 2) is [{ Length: > 0 } user, .. var password])
            client.Credentials = new NetworkCredential(Uri.UnescapeDataString(user), Uri.UnescapeDataString(password.FirstOrDefault() ?? ""));
        try
        {
            await client.SendMailAsync(mail, ct);
        }
        catch (SmtpFailedRecipientException e) when ((int)e.StatusCode >= LastingRefusal)
        {
            throw new EventRefusedException($"The mail server refuses the recipient for good: {e.Message}");
        }
    }

    /// <summary>A line break in a name would begin a header of the name's owner.</summary>
    private static string OneLine(string name) => string.Join(' ', name.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)
        .Select(word => new string([.. word.Where(c => !char.IsControl(c))]))).Trim();

    // Ids of foreign publishers can be anything.
    private static string FileName(string id) => id.All(c => char.IsAsciiLetterOrDigit(c) || c == '-') && id.Length is > 0 and <= 64
        ? id : Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(id)));
}
