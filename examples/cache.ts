// A copy of all keys under a prefix, in memory and kept current: read everything once, then follow the changes from there on.
//
//   node examples/cache.ts [PREFIX]
//
// Change keys in another terminal: npx polity kv put config/colour green
import { type Client, PolityError, type WatchEvent } from 'polity/client';
import { connect } from './cluster.ts';

const [prefix = 'config/'] = process.argv.slice(2);

type Cached = { text: string; index: number };

/** Reads all pages; the log's index of the first one is where the changes must be followed from. */
const readAll = async (client: Client): Promise<{ cache: Map<string, Cached>; index: number }> => {
  const cache = new Map<string, Cached>();
  let first: number | null = null;
  for (let after: string | undefined; ; ) {
    const page = await client.page(prefix, after === undefined ? {} : { after });
    first ??= page.index;
    for (const entry of page.items) cache.set(entry.key, { text: entry.text(), index: entry.index });
    after = page.items.at(-1)?.key;
    if (!page.more || after === undefined) return { cache, index: first };
  }
};

/** Pages after the first may already hold what an event tells: an older index never wins. */
const follow = (cache: Map<string, Cached>, event: Exclude<WatchEvent, { type: 'progress' }>): void => {
  const known = cache.get(event.key);
  if (known !== undefined && known.index >= event.index) return;
  if (event.type === 'put') cache.set(event.key, { text: new TextDecoder().decode(event.value), index: event.index });
  else cache.delete(event.key);
  console.log(`${event.type} ${event.key}: ${cache.get(event.key)?.text ?? 'gone'} (${cache.size} keys)`);
};

using client = connect();
const end = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end.abort());

while (!end.signal.aborted) {
  try {
    const { cache, index } = await readAll(client);
    console.log(`${cache.size} keys as of index ${index}`);
    for await (const event of client.watch(prefix, { from: index + 1, signal: end.signal }))
      if (event.type !== 'progress') follow(cache, event);
  } catch (error) {
    if (end.signal.aborted) break;
    // The history from there on is gone, after a long separation or a restart of the node: read everything anew.
    if (!(error instanceof PolityError) || error.code !== 'COMPACTED') throw error;
  }
}
console.log('stopped');
