// Many nodes that announce to each other in one world: all hear all, once, in order, whatever is lost and whoever comes and goes. The
// large ones are measured by `npm run bench -- gossip`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Crowd, halves, load, newcomer, runGossipSeed, spread } from '../../sim/gossip/index.ts';

const seeds = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1);

test('an announcement reaches 300 nodes within nine hops, and whom the flood missed within a minute', () => {
  for (const seed of seeds(1))
    for (const [lossRatio, mostMs] of [
      [0, 100],
      [0.05, 10_000],
      [0.3, 60_000],
    ] as const) {
      const found = spread({ seed, nodes: 300, lossRatio });
      assert.ok(found.hops <= 9, `${found.hops} hops`);
      assert.ok(found.allMs <= mostMs, `seed ${seed}, ${lossRatio}: ${found.allMs} ms`);
    }
});

test('who starts late hears all that holds', () => {
  const tookMs = newcomer({ nodes: 12, lossRatio: 0.05, checkAll: true }, 150);
  assert.ok(tookMs <= 5_000, `${tookMs} ms`);
});

test('halves that heard nothing of each other hear it all when they meet', () => {
  for (const seed of seeds(2)) {
    const tookMs = halves({ seed, nodes: 14, lossRatio: 0.05, checkAll: true }, 60);
    assert.ok(tookMs <= 15_000, `seed ${seed}: ${tookMs} ms`);
  }
});

test('what a node says at rest is bounded, however many there are', () => {
  const options = { forMs: 120_000, everyMs: Number.POSITIVE_INFINITY };
  // A digest is as large as its buckets are many; with few sources most of them are empty.
  for (const nodes of [5, 80]) {
    const { bytesPerNodeSecond } = load({ nodes }, options);
    assert.ok(bytesPerNodeSecond <= 15, `${nodes} nodes: ${bytesPerNodeSecond} bytes a second`);
  }
});

test('whatever happens, what is heard is heard once and in order, and all hear all that holds in the end', () => {
  for (const seed of seeds(6)) {
    const { violation, deliveries } = runGossipSeed(seed, { nodesMax: 8, fireMs: 12_000 });
    assert.equal(violation, null, `seed ${seed}: ${violation}`);
    assert.ok(deliveries > 0);
  }
});

test('the same seed is the same run', () => {
  const hashes = [3, 3, 4].map((seed) => runGossipSeed(seed, { nodesMax: 6, fireMs: 5_000 }).hash);
  assert.equal(hashes[0], hashes[1]);
  assert.notEqual(hashes[0], hashes[2]);
});

test('a judge sees what is heard twice, out of order, too late, or was never said, and who was not told', () => {
  const crowd = new Crowd({ nodes: 2 });
  crowd.begin();
  const [a, b] = [crowd.nodes[0]!, crowd.nodes[1]!];
  const body = new Uint8Array(1);
  const tell = (sequence: number, late = false): string | null => {
    crowd.judge.violation = null;
    crowd.judge.delivered(b, { source: a.peer, epoch: 1, sequence, topic: 'news', body, leftMs: 1, late });
    return crowd.judge.violation;
  };
  for (const sequence of [1, 2, 3, 4]) crowd.judge.said(a, sequence, 10_000, body);
  assert.match(tell(9)!, /nobody said/);
  assert.equal(tell(2), null);
  assert.match(tell(2)!, /twice|late/);
  assert.match(tell(1)!, /after 2/);
  assert.match(tell(3, true)!, /late, though/);
  assert.match(crowd.judge.whyNotAllHeard([a, b])!, /n1 has not heard/);
  crowd.pass(13_000);
  assert.match(tell(4)!, /after its end/);
});
