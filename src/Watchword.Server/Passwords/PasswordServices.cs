namespace Watchword.Server.Passwords;

/// <summary>Registers password hashing.</summary>
internal static class PasswordServices
{
    public static void AddPasswords(this IServiceCollection services, PasswordOptions options)
    {
        services.AddSingleton(options);
        services.AddSingleton<PasswordHasher>();
    }
}
