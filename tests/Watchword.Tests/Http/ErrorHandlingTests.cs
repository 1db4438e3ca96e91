using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Server.Http;
using Watchword.Tests.Tokens;

namespace Watchword.Tests.Http;

/// <summary>A failure is answered with its own cause.</summary>
public class ErrorHandlingTests
{
    [Fact]
    public async Task Only_a_failure_of_the_database_blames_the_database()
    {
        await using var app = await StartAsync(
            ("/database", () => new NpgsqlException("Exception while reading from stream", new TimeoutException())),
            ("/other", () => new TimeoutException("The handler took too long")),
            ("/bug", () => new InvalidOperationException("secret detail")));
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };

        var (database, other, bug) = (await GetAsync(http, "/database"), await GetAsync(http, "/other"), await GetAsync(http, "/bug"));

        database.AssertRefused(HttpStatusCode.ServiceUnavailable, "Service Unavailable", "The database does not answer, try again shortly");
        other.AssertRefused(HttpStatusCode.ServiceUnavailable, "Service Unavailable", "The request could not be completed in time, try again shortly");
        Assert.Equal(("2", "2"), (database.Header("Retry-After"), other.Header("Retry-After")));
        bug.AssertRefused(HttpStatusCode.InternalServerError, "Internal Server Error", "Something went wrong");
    }

    private static async Task<WebApplication> StartAsync(params (string Path, Func<Exception> Failure)[] endpoints)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        app.UseErrorBodies();
        foreach (var (path, failure) in endpoints)
            app.MapGet(path, IResult () => throw failure());
        await app.StartAsync();
        return app;
    }

    private static async Task<Answer> GetAsync(HttpClient http, string path)
    {
        using var answer = await http.GetAsync(new Uri(path, UriKind.Relative));
        return new(answer.StatusCode, answer.Headers, await answer.Content.ReadAsStringAsync());
    }
}
