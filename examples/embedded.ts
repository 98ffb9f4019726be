// A program that is its own cluster: one member in this process, its data in a directory, its HTTP for other programs.
//
//   node examples/embedded.ts [DIRECTORY] [HOST:PORT]
//
// One member is a quorum by itself. A cluster that survives a lost machine has three: docs/guides/embedding.md.
import { createNode } from 'polity';

const [data = '.polity-embedded', http = '127.0.0.1:7501'] = process.argv.slice(2);

const node = await createNode({
  name: 'n1',
  cluster: 'embedded',
  data,
  http,
  listen: ['/ip4/127.0.0.1/tcp/0'],
  bootstrap: ['n1'],
  // It belongs into a file that only its owner can read (secretFile); with one member nobody else needs it.
  secret: 'an example, at least sixteen bytes',
});
await node.ready();

const kv = node.kv();
const before = await kv.get('starts');
const starts = before === null ? 1 : Number(before.text()) + 1;
// The condition is what makes this right even if somebody else counts too.
await kv.put('starts', String(starts), { ifIndex: before?.index ?? 0 });
console.log(`start ${starts}, HTTP on ${node.http}`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void node.stop());
