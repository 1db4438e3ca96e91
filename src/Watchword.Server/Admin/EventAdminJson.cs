using System.Text.Json;
using System.Text.Json.Serialization;
using Watchword.Events.Replay;

namespace Watchword.Server.Admin;

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(List<StreamStatus>))]
[JsonSerializable(typeof(List<ConsumerStatus>))]
[JsonSerializable(typeof(ReplayResult))]
[JsonSerializable(typeof(JsonElement))]
internal sealed partial class EventAdminJson : JsonSerializerContext;
