// What is heard by gossip: what comes too early waits for what it builds on, within limits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createReplicaDeltas, replicaDeltasLimits } from '../../actors/replica-deltas.ts';
import { change, createObjects, replicatedTypes } from '../../machines/replicator/index.ts';
import { encodeEnvelope, pack, wireVersion } from '../../machines/wire/envelope.ts';
import { createHandClock } from './hand-clock.ts';
import { createHandScope } from './hand-scope.ts';

const heardOf = (body: unknown): Uint8Array =>
  encodeEnvelope({
    ...{ version: wireVersion, source: 'replicator', target: 'replicator', type: 'deltas' },
    ...{ id: 0, correlation: 0, timeLeftMs: 0, trace: '', body: [['there', 0], body] },
  });

const world = () => {
  const clock = createHandClock();
  const objects = createObjects('here', replicatedTypes);
  const fetched: string[] = [];
  let comparisons = 0;
  const deltas = createReplicaDeltas({
    ...{ scope: createHandScope(clock), objects, isWatched: () => false, onChanged() {} },
    ports: { clock, network: { publish: () => 'sent' }, sink: { log() {}, count() {} } } as never,
    log: { isFull: false, appendHeard() {} } as never,
    ...{ mark: () => ['here', 0] as const, judge: () => true, hasPeers: () => true, onLedger: () => false },
    compareSoon: () => void comparisons++,
    fetch: (_peer, names) => void fetched.push(...names),
  });
  return { clock, objects, deltas, fetched, comparisons: () => comparisons };
};

test('what comes too early is held up to so many bytes; more is left to repair', () => {
  const { clock, deltas, fetched, comparisons } = world();
  const there = createObjects('there', replicatedTypes);
  const element = 'x'.repeat(60_000);
  const held = Math.floor(replicaDeltasLimits.heldBytesMax / 60_100);
  for (let n = 0; n < held + 40; n++) {
    change(there, 0, 'or-set', `s${n}`, { type: 'add', element: 'first, which gets lost' });
    const second = change(there, 0, 'or-set', `s${n}`, { type: 'add', element });
    assert.ok(second.ok);
    deltas.onPublished('there', heardOf([pack(second.record)]));
  }
  assert.ok(comparisons() >= 39, `${comparisons()}`);
  clock.pass(replicaDeltasLimits.heldMs);
  assert.ok(fetched.length >= held - 1 && fetched.length <= held + 1, `${fetched.length} of ${held}`);
  // There is room again.
  const third = change(there, 0, 'or-set', 's0', { type: 'add', element: 'y' });
  assert.ok(third.ok);
  deltas.onPublished('there', heardOf([pack(third.record)]));
  clock.pass(replicaDeltasLimits.heldMs);
  assert.equal(fetched.at(-1), 'or-set/s0');
});
