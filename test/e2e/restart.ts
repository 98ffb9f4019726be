// Restarts as an operator does them: one node after the other, with SIGTERM, while clients write. A node that leads hands that over
// first, so nobody notices much; whatever a client is told meanwhile is true, and nothing fails for good that could be tried again.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Cluster } from './cluster.ts';
import { underLoad } from './verdict.ts';

export const rounds = process.env.POLITY_E2E === 'long' ? 60 : 6;
const stopMsMax = 5_000;
/** None of the other loads of that cluster. */
const seed = 99;

export const restartOneByOne = async (cluster: Cluster, t: TestContext): Promise<void> => {
  const stops: number[] = [];
  const done = await underLoad(cluster, { seed, clients: 2 }, async (workload) => {
    for (let round = 0; round < rounds; round++) {
      // Every other time the one that leads, so that leadership moves in each round of three.
      const leader = await cluster.settled();
      const node = round % 2 === 0 ? leader : cluster.nodes[round % cluster.nodes.length]!;
      const { code, signal, tookMs } = await node.term();
      assert.deepEqual([code, signal], [0, null], `${node.name} ended with ${code ?? signal}`);
      assert.ok(tookMs <= stopMsMax, `${node.name} took ${Math.round(tookMs)} ms to stop`);
      stops.push(Math.round(tookMs));
      await workload.progress(10);
      await node.start();
    }
  });
  t.diagnostic(`stops took ${stops.join(' ')} ms; ${done}`);
};
