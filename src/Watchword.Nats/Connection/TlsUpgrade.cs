using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Watchword.Nats;

/// <summary>Makes a stream a TLS one, or says plainly why it cannot be.</summary>
internal sealed class TlsUpgrade(NatsTlsOptions options, ServerAddress server)
{
    private string? _fault;

    private string TargetHost => options.ServerName ?? server.TlsName ?? server.Host;

    /// <exception cref="NatsConnectException">The server does not speak TLS, or its certificate or ours was refused.</exception>
    public async Task<SslStream> SecureAsync(Stream plain, CancellationToken ct)
    {
        var first = new FirstBytesStream(plain);
        var tls = new SslStream(first, leaveInnerStreamOpen: false, Judge);
        try
        {
            await tls.AuthenticateAsClientAsync(Settings(), ct);
            return tls;
        }
        catch (Exception e) when (e is AuthenticationException or IOException)
        {
            await tls.DisposeAsync();
            throw Refused(_fault ?? (first.IsPlainNats ? "it speaks plain text, not TLS" : $"the TLS handshake failed: {Innermost(e).Message}"), e);
        }
        catch
        {
            await tls.DisposeAsync();
            throw;
        }
    }

    private static Exception Innermost(Exception e) => e.InnerException is { } inner ? Innermost(inner) : e;

    private SslClientAuthenticationOptions Settings()
    {
        try
        {
            var settings = new SslClientAuthenticationOptions { TargetHost = TargetHost };
            if (options.CaFile is { } ca)
            {
                var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
                policy.CustomTrustStore.ImportFromPemFile(ca);
                if (policy.CustomTrustStore.Count == 0)
                    throw Refused($"the CA file '{ca}' holds no certificate in PEM form", null);
                settings.CertificateChainPolicy = policy;
            }

            if (options.CertificateFile is { } file)
                settings.ClientCertificates = [LoadOwn(file)];
            return settings;
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw Refused($"a certificate or key file cannot be used: {e.Message}", e);
        }
    }

    private X509Certificate2 LoadOwn(string file) => options.KeyPassword is { } password
        ? X509Certificate2.CreateFromEncryptedPemFile(file, password, options.KeyFile)
        : X509Certificate2.CreateFromPemFile(file, options.KeyFile);

    private bool Judge(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (errors == SslPolicyErrors.None)
            return true;
        _fault = errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable) || certificate is not X509Certificate2 shown
            ? "it showed no certificate"
            : string.Join("; and ", Faults(shown, chain, errors));
        return false;
    }

    private IEnumerable<string> Faults(X509Certificate2 shown, X509Chain? chain, SslPolicyErrors errors)
    {
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
            yield return $"its certificate is for {Names(shown)}, not for '{TargetHost}'";
        var seen = chain?.ChainStatus.Select(s => s.Status).ToHashSet() ?? [];
        if (seen.Remove(X509ChainStatusFlags.NotTimeValid))
            yield return OutOfTime(chain!);
        if (seen.RemoveWhere(s => s is X509ChainStatusFlags.UntrustedRoot or X509ChainStatusFlags.PartialChain) > 0)
            yield return "its certificate is not signed by an authority that is trusted here ("
                + (options.CaFile is { } ca ? $"trusted: {ca}" : "trusted: the system's; set CaFile for a private one") + ")";
        foreach (var status in seen)
            yield return $"its certificate is refused ({status})";
    }

    private static string OutOfTime(X509Chain chain)
    {
        var faulty = chain.ChainElements.First(e => e.ChainElementStatus.Any(s => s.Status == X509ChainStatusFlags.NotTimeValid)).Certificate;
        return faulty.NotAfter < DateTime.Now
            ? $"its certificate expired on {faulty.NotAfter.ToUniversalTime():u}"
            : $"its certificate is not valid before {faulty.NotBefore.ToUniversalTime():u}";
    }

    private static string Names(X509Certificate2 certificate)
    {
        var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>()
            .SelectMany(e => e.EnumerateDnsNames().Concat(e.EnumerateIPAddresses().Select(a => a.ToString())))
            .Select(n => $"'{n}'")
            .ToArray();
        return names.Length > 0 ? string.Join(", ", names) : $"'{certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false)}'";
    }

    private NatsConnectException Refused(string why, Exception? inner)
        => new($"{server} was refused: {why}.", isTransient: false, inner);
}
