using System.Text.Json;
using System.Text.Json.Nodes;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Server.Catalogue;
using Watchword.Server.Erasure;
using Watchword.Tests.Tokens;

namespace Watchword.Tests.Events.Contracts;

/// <summary>What a running server publishes is what the records say.</summary>
public class PublishedEventsTests(ServerFixture fixture)
{
    [Fact]
    public async Task Every_event_that_a_server_publishes_is_read_written_back_with_the_same_members_and_fits_its_schema()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        var login = await server.PostAsync("/auth/login", new { email = person.Email, password = person.Password }, ("User-Agent", "Watchword tests"));
        for (var i = 0; i < 10; i++)
            await server.LoginAsync(person.Email, "wrong-password");
        await server.LogoutAsync((await server.RefreshAsync(login.RefreshToken)).AccessToken);
        var id = Guid.NewGuid().ToString("N");
        await fixture.Identity.ExecuteAsync($"""
            INSERT INTO organization (id, name, slug, "createdAt", logo) VALUES ('o-{id}', 'Acme', 's-{id}', now(), 'https://acme.example/l.svg');
            UPDATE organization SET name = 'Acme Corporation', logo = NULL, metadata = 'of ours' WHERE id = 'o-{id}';
            INSERT INTO member (id, "organizationId", "userId", role, "createdAt") VALUES ('m-{id}', 'o-{id}', @user, 'owner', now());
            UPDATE member SET role = 'owner, admin' WHERE id = 'm-{id}';
            INSERT INTO invitation (id, "organizationId", email, role, status, "expiresAt", "inviterId")
              SELECT status || '-{id}', 'o-{id}', 'b@example.com', nullif(status, 'rejected'), 'pending', now(), @user FROM unnest(ARRAY['accepted', 'rejected', 'canceled']) AS status;
            UPDATE invitation SET status = split_part(id, '-', 1) WHERE "organizationId" = 'o-{id}';
            INSERT INTO team (id, name, "memberCount", "organizationId", "createdAt") VALUES ('t-{id}', 'Support', 0, 'o-{id}', now());
            UPDATE team SET name = 'Help' WHERE id = 't-{id}';
            INSERT INTO "teamMember" (id, "teamId", "userId") VALUES ('tm-{id}', 't-{id}', @user);
            INSERT INTO "organizationRole" (id, "organizationId", role, permission) VALUES ('r-{id}', 'o-{id}', 'auditor', '[]');
            UPDATE "organizationRole" SET permission = '[1]' WHERE id = 'r-{id}';
            INSERT INTO account (id, "accountId", "providerId", "userId", "updatedAt") VALUES ('a-{id}', '{id}', 'github', @user, now());
            INSERT INTO apikey (id, "configId", "referenceId", key, name, "expiresAt", "createdAt", "updatedAt") VALUES ('k-{id}', 'default', @user, '{id}', 'import', now() + interval '90 d', now(), now());
            DELETE FROM account WHERE id = 'a-{id}';
            UPDATE apikey SET enabled = false WHERE id = 'k-{id}';
            DELETE FROM apikey WHERE id = 'k-{id}';
            DELETE FROM organization WHERE id = 'o-{id}';
            DELETE FROM "user" WHERE id = @user;
            """, new { user = person.Id });
        await new IdentityTraces(fixture.Identity.Source, await fixture.Identity.TablesAsync(), new(person.Id)).CompleteAsync(TestContext.Current.CancellationToken);

        await using var nats = await fixture.Account.ConnectAsync();
        var auth = await ReadAsync(nats, Streams.AuthEvents.Name!, person.Id, id, "auth.user.logged_out");
        var changes = await ReadAsync(nats, Streams.IdentityChanges.Name!, person.Id, id, "user.erased");

        Assert.Equal(EventCatalogue.All.Where(t => t.Stream != Streams.SecurityAlerts.Name).Select(t => t.Subject).Order(StringComparer.Ordinal),
            auth.Concat(changes).Select(e => e.Type.Subject).Distinct().Order(StringComparer.Ordinal));
        Assert.Equal(["user.created", "user.deleted", "user.updated"], changes.Select(c => c.Event).OfType<UserSyncEvent>().Select(e => e.Event!).Distinct().Order(StringComparer.Ordinal));
        Assert.All(auth.Concat(changes), e =>
        {
            var again = JsonSerializer.SerializeToNode(e.Event, e.Type.Json);
            Assert.True(JsonNode.DeepEquals(e.Json, again), $"{e.Type.Subject}: {e.Json.ToJsonString()} became {again!.ToJsonString()}");
        });
        using var parsed = JsonDocument.Parse(await Node.RunAsync("asyncapi.mjs", new JsonObject
        {
            ["document"] = AsyncApi.Document(),
            ["payloads"] = new JsonArray(auth.Concat(changes).Select(e => (JsonNode)new JsonObject { ["message"] = e.Type.Record.Name, ["payload"] = e.Json.DeepClone() }).ToArray()),
        }.ToJsonString()));
        Assert.Empty(parsed.RootElement.GetProperty("invalid").EnumerateArray().Select(d => d.GetRawText()));
        Assert.All(changes, e => Assert.Equal(1, e.Json["schemaVersion"]!.GetValue<int>()));
    }

    private static async Task<List<(EventType Type, object Event, JsonNode Json)>> ReadAsync(JetStreamClient nats, string stream, string userId, string organizationId, string last)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var events = new List<(EventType, object, JsonNode)>();
        await foreach (var message in nats.TailAsync(stream, patience.Token))
        {
            var json = JsonNode.Parse(message.Payload)!;
            if (!json.ToJsonString().Contains(userId, StringComparison.Ordinal) && !json.ToJsonString().Contains(organizationId, StringComparison.Ordinal))
                continue;
            var type = EventCatalogue.Find(message.Subject);
            Assert.True(type is not null, $"{message.Subject} is in no catalogue");
            var read = EventReader.Read(type, message.Payload, message.Headers, out var fault);
            Assert.True(read is not null, $"{message.Subject}: {fault} in {json.ToJsonString()}");
            events.Add((type, read, json));
            if ((string?)json["event"] == last || (string?)json["subject"] == last)
                return events;
        }
        throw new InvalidOperationException($"stream {stream} ended before {last}");
    }
}
