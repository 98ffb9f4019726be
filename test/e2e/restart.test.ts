// Restarts as an operator does them: one node after the other, with SIGTERM, while clients write. A node that leads hands that over
// first, so nobody notices much; whatever a client is told meanwhile is true, and nothing fails for good that could be tried again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withCluster } from './cluster.ts';
import { underLoad } from './verdict.ts';

const rounds = process.env.POLITY_E2E === 'long' ? 60 : 6;
const stopMsMax = 5_000;

test(`${rounds} restarts, one node after the other, under load`, { timeout: 300_000 + rounds * 30_000 }, (t) =>
  withCluster({ nodes: 3 }, async (cluster) => {
    const stops: number[] = [];
    const done = await underLoad(cluster, { clients: 2 }, async (workload) => {
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
  }),
);
