// How long a node that starts takes to its first peer: one node that is there, and one after the other that comes, each from
// `createNode` to the first admitted connection, in a process of its own (for mDNS in a network namespace, too). Writes the times
// as JSON; what it is told comes as one JSON word.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createNode, type Node, type NodeConfigInput } from 'polity';
import { makeDirectory, removeDirectory } from './children.ts';

export type FirstPeerPlan = {
  /** Host part of where nodes listen. */
  host: string;
  /** The port of the node that is there; 0 = any. */
  port: number;
  /** By what it is found; null = by its address (join). */
  discover: string | null;
  times: number;
};

const started = async (name: string, plan: FirstPeerPlan, more: Partial<NodeConfigInput>): Promise<Node & { data: string }> => {
  const data = makeDirectory();
  const discover = plan.discover === null ? [] : [plan.discover];
  const secret = 'a secret of the benchmark, 32 bytes';
  const node = await createNode({ name, cluster: 'bench', data, secret, discover, log: { level: 'error' }, ...more });
  return Object.assign(node, { data });
};

const stopped = async (node: Node & { data: string }): Promise<void> => {
  await node.stop();
  removeDirectory(node.data);
};

const firstPeer = (node: Node, limitMs: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const look = (): void => {
      if (!node.status().peers.some(({ connected }) => connected)) return;
      clearTimeout(limit);
      unfollow();
      resolve();
    };
    const limit = setTimeout(() => reject(new Error(`no peer within ${limitMs} ms`)), limitMs);
    const unfollow = node.api.onStatus(look);
    look();
  });

/** A port that was free a moment ago. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
};

const measure = async (plan: FirstPeerPlan): Promise<number[]> => {
  const there = await started('there', plan, { bootstrap: ['there'], listen: [`/ip4/${plan.host}/tcp/${plan.port}`] });
  await there.ready();
  const tookMs: number[] = [];
  try {
    // The first one is not counted: it loads the client libraries, which a program does once.
    for (let time = 0; time <= plan.times; time++) {
      const beganMs = performance.now();
      const join = plan.discover === null ? there.status().listen : [];
      const node = await started(`comes${time}`, plan, { join, listen: [`/ip4/${plan.host}/tcp/0`] });
      try {
        await firstPeer(node, 20_000);
        if (time > 0) tookMs.push(performance.now() - beganMs);
      } finally {
        await stopped(node);
      }
    }
  } finally {
    await stopped(there);
  }
  return tookMs;
};

if (process.argv[2] !== undefined && import.meta.main) {
  console.log(JSON.stringify(await measure(JSON.parse(process.argv[2]) as FirstPeerPlan)));
  process.exit(0);
}
