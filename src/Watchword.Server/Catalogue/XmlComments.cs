using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Watchword.Events.Contracts;

namespace Watchword.Server.Catalogue;

/// <summary>Reads the XML documentation that the compiler writes beside an assembly, as Markdown.</summary>
internal static partial class XmlComments
{
    private static readonly Dictionary<string, XElement> Members = Read(Path.ChangeExtension(typeof(EventType).Assembly.Location, ".xml"));

    public static string? Summary(Type type) => Text(Member("T", type)?.Element("summary"));

    public static string? Remarks(Type type) => Text(Member("T", type)?.Element("remarks"));

    /// <summary>The summary of a property, including one made by a record's parameter, or of a constant.</summary>
    public static string? Of(MemberInfo member) => Text(Member(member is FieldInfo ? "F" : "P", member.DeclaringType!, "." + member.Name)?.Element("summary"));

    // Constructed generic records share the text of their definition.
    private static XElement? Member(string kind, Type type, string member = "") =>
        Members.GetValueOrDefault($"{kind}:{(type.IsConstructedGenericType ? type.GetGenericTypeDefinition() : type).FullName}{member}");

    private static string? Text(XElement? element) => element is null ? null : Spaces().Replace(string.Concat(element.Nodes().Select(node => node switch
    {
        XElement { Name.LocalName: "c" } code => $"`{code.Value}`",
        XElement { Name.LocalName: "see" } see => $"`{((string?)see.Attribute("cref") ?? "").Split('.')[^1]}`",
        XText text => text.Value,
        _ => "",
    })), " ").Trim();

    // Without the file, the documents lack the texts but are served.
    private static Dictionary<string, XElement> Read(string path) => File.Exists(path)
        ? XDocument.Load(path).Descendants("member").ToDictionary(m => (string)m.Attribute("name")!, StringComparer.Ordinal)
        : [];

    [GeneratedRegex(@"\s+", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Spaces();
}
