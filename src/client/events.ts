// Server-sent events from a stream of bytes (WHATWG HTML §9.2.6), as far as a node of ours sends them.

export type ServerEvent = { event: string; id: string | null; data: string };

/** A line longer than a value in base64 with its key is no event of ours. */
const lineCharsMax = 8 << 20;

export async function* readEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent, void, undefined> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: false });
  /** A line that goes on, in pieces: to look through all of it at each would take its square. */
  let pieces: string[] = [];
  let chars = 0;
  let event = '';
  let id: string | null = null;
  let data: string[] = [];
  for await (const chunk of chunks) {
    const piece = decoder.decode(chunk, { stream: true });
    if (piece === '') continue;
    const isAfterReturn = pieces.at(-1)?.endsWith('\r') === true;
    pieces.push(piece);
    chars += piece.length;
    if (chars > lineCharsMax * 2) throw new Error('the stream has a line without an end');
    if (!isAfterReturn && !/[\r\n]/.test(piece)) continue;
    const lines = pieces.join('').split(/\r\n|\n|\r(?!$)/);
    pieces = [lines.pop()!];
    chars = pieces[0]!.length;
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { event: event === '' ? 'message' : event, id, data: data.join('\n') };
        ({ event, id, data } = { event: '', id: null, data: [] as string[] });
        continue;
      }
      const colon = line.indexOf(':');
      const field = colon === -1 ? line : line.slice(0, colon);
      const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'event') event = value;
      else if (field === 'data') data.push(value);
      else if (field === 'id') id = value;
    }
  }
}
