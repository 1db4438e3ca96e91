using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Server.Configuration;

/// <summary>How to connect to NATS, from the settings that the server and the commands share.</summary>
internal static class NatsSettings
{
    /// <param name="url">Where; null when that is known only later.</param>
    /// <param name="setting">The text of a setting, null when it is not set.</param>
    public static NatsOptions Read(string? url, Func<Setting, string?> setting)
    {
        string? Text(Setting s) => setting(s) is { } text && !string.IsNullOrWhiteSpace(text) ? text : null;
        var options = new NatsOptions
        {
            Name = "watchword",
            CredentialsFile = Text(Setting.NatsCredentials),
            InboxPrefix = Text(Setting.NatsInboxPrefix) ?? new NatsOptions().InboxPrefix,
            Tls = new()
            {
                CaFile = Text(Setting.NatsCa),
                CertificateFile = Text(Setting.NatsCertificate),
                KeyFile = Text(Setting.NatsKey),
            },

            // An operator who mends the credentials must not have to restart the server too.
            RetryRefusedCredentials = true,
        };
        return url is null ? options : options with { Url = url };
    }

    /// <summary>Every fault, under the name of the setting that can mend it.</summary>
    public static IEnumerable<string> Faults(string? url, Func<Setting, string?> setting)
    {
        foreach (var fault in (Read(url, setting) with { Tls = new() }).Validate())
            yield return $"{Setting.NatsUrl.Key}: {fault}";
        foreach (var file in new[] { Setting.NatsCredentials, Setting.NatsCa, Setting.NatsCertificate, Setting.NatsKey })
            if (setting(file) is { } path && !File.Exists(path))
                yield return $"{file.Key} is '{path}': there is no such file";
            else if (file == Setting.NatsKey && setting(file) is not null && setting(Setting.NatsCertificate) is null)
                yield return $"{file.Key} is set without {Setting.NatsCertificate.Key}, the certificate that it belongs to";
    }
}
