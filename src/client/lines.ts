// Lines of a body that goes on, each within a limit.

/** What follows the last line feed is no line. Throws what `tooLong` makes once a line has more than `bytesMax`. */
export async function* linesOf(
  body: AsyncIterable<Buffer>,
  bytesMax: number,
  tooLong: () => Error,
): AsyncGenerator<Buffer, void, undefined> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      yield Buffer.concat([...parts.splice(0), chunk.subarray(from, end)]);
      from = end + 1;
      bytes = 0;
    }
    if (from < chunk.byteLength) parts.push(chunk.subarray(from));
    bytes += chunk.byteLength - from;
    if (bytes > bytesMax) throw tooLong();
  }
}
