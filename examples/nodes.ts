// Where the examples of actors get their nodes: some in this process, each with a port and a directory of its own, which form a cluster and
// leave nothing behind. In earnest each is a process on a machine of its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AnyDefinedActor, createNode, type Node } from 'polity';

export type Nodes = { nodes: Node[]; stop: () => Promise<void> };

/** Where it listens, which it says a moment after it began. */
const addressOf = async (node: Node): Promise<string> => {
  for (;;) {
    const [address] = node.status().listen;
    if (address !== undefined) return address;
    await sleep(10);
  }
};

/** All host these actors. Resolves when they serve. */
export const startNodes = async (names: readonly string[], actors: readonly AnyDefinedActor[]): Promise<Nodes> => {
  const directory = mkdtempSync(join(tmpdir(), 'polity-example-'));
  const nodes: Node[] = [];
  for (const name of names) {
    const [first] = nodes;
    nodes.push(
      await createNode({
        ...{ name, cluster: 'example', data: join(directory, name), listen: ['/ip4/127.0.0.1/tcp/0'], actors },
        // The first-named forms the cluster with the others, which find it by its address.
        ...{ bootstrap: [...names], join: first === undefined ? [] : [await addressOf(first)] },
        secret: 'an example, at least sixteen bytes',
      }),
    );
  }
  await Promise.all(nodes.map((node) => node.ready()));
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()));
    rmSync(directory, { recursive: true, force: true });
  };
  return { nodes, stop };
};
