using System.Text;

namespace Watchword.Tests;

/// <summary>For a <see cref="TcpProxy"/>: the server's answers wait from one word of the client's to another, which comes when all of interest is on its way.</summary>
internal static class HeldAnswers
{
    /// <param name="first">Once the client has said this, nothing is answered.</param>
    /// <param name="last">Until it has said this.</param>
    public static Func<Stream, Stream, Task> Between(string first, string last) => (near, far) =>
    {
        var isHolding = false;
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return Task.WhenAny(AskAsync(), AnswerAsync());

        async Task AskAsync()
        {
            var said = new StringBuilder();
            var buffer = new byte[65_536];
            while (await near.ReadAsync(buffer) is > 0 and var count)
            {
                said.Append(Encoding.Latin1.GetString(buffer, 0, count));
                var text = said.ToString();
                if (text.Contains(first, StringComparison.Ordinal))
                    Volatile.Write(ref isHolding, true);
                await far.WriteAsync(buffer.AsMemory(0, count));
                if (text.Contains(last, StringComparison.Ordinal))
                    all.TrySetResult();
            }
        }

        async Task AnswerAsync()
        {
            var buffer = new byte[65_536];
            while (await far.ReadAsync(buffer) is > 0 and var count)
            {
                if (Volatile.Read(ref isHolding))
                    await all.Task;
                await near.WriteAsync(buffer.AsMemory(0, count));
            }
        }
    };
}
