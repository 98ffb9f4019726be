// Writes that come all at once through one node: the clients of a workload have few calls under way each, and so a leader that is cut off
// seldom holds much that nobody else has. What becomes of these is the business of nobody but Raft's judges.
import type { SimulatedNode } from '../node.ts';
import type { Scene } from './scene.ts';

const timeoutMs = 1_000;

/** Not in the keyspace of an application. */
export const burst = ({ hasOwnKeys }: Scene, node: SimulatedNode, group: string, writes: number): void => {
  if (!hasOwnKeys) return;
  node.enter('burst', (api) => {
    for (let at = 0; at < writes; at++)
      api.write({ op: 'put', key: `burst-${node.name}`, value: new Uint8Array([at]) }, { group, timeoutMs }, () => {});
  });
};
