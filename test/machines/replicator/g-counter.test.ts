import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isUnfit } from '../../../machines/replicator/crdt.ts';
import { type GCounterChange, gCounter } from '../../../machines/replicator/g-counter.ts';
import { crdtLaws, Replica } from './laws.ts';

const add = (by: number): GCounterChange => ({ type: 'add', by });

crdtLaws(gCounter, fc.nat(5).map(add), {
  judge: (_state, value, changes) =>
    assert.equal(
      value,
      changes.reduce((sum, { change }) => sum + change.by, 0),
    ),
});

test('a step down, or beyond what a number can hold, is refused and changes nothing', () => {
  const a = new Replica(gCounter, 'a');
  a.change(add(Number.MAX_SAFE_INTEGER));
  assert.ok(isUnfit(gCounter.change(a.state, add(1), a.author)));
  assert.equal(gCounter.read(a.state), Number.MAX_SAFE_INTEGER);
  assert.equal(new Replica(gCounter, 'b').change(add(0)), null);
  for (const by of [-1, 1.5, Number.NaN, '1', null, 2 ** 53])
    assert.ok(isUnfit(gCounter.parseChange({ type: 'add', by })), `${by}`);
});
