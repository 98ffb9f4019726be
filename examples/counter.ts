// A counter that many programs add to at once and that loses nothing: read, then write on the condition that nobody wrote in between.
//
//   node examples/counter.ts [KEY] [TIMES]
//
// Start it in several terminals: the counter ends at the sum. Kill a node meanwhile: it still does.
import { type Client, PolityError } from 'polity/client';
import { connect } from './cluster.ts';

const [key = 'counter', times = '100'] = process.argv.slice(2);

/** Adds one and returns the sum. */
const increment = async (client: Client): Promise<number> => {
  for (;;) {
    const before = await client.get(key);
    const next = before === null ? 1 : Number(before.text()) + 1;
    try {
      // The index names this very version of the key; 0 says that it must not exist yet.
      await client.put(key, String(next), { ifIndex: before?.index ?? 0 });
      return next;
    } catch (error) {
      // Somebody else was first: look again. Anything else is the caller's; the client has tried again where that is safe.
      if (!(error instanceof PolityError) || error.code !== 'CAS_MISMATCH') throw error;
    }
  }
};

using client = connect();
let last = 0;
for (let time = 0; time < Number(times); time++) last = await increment(client);
console.log(`added ${times}, the last sum was ${last}`);
