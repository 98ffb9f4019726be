import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isUnfit } from '../../../machines/replicator/crdt.ts';
import { type PnCounterChange, pnCounter } from '../../../machines/replicator/pn-counter.ts';
import { crdtLaws, Replica } from './laws.ts';

const add = (by: number): PnCounterChange => ({ type: 'add', by });

crdtLaws(pnCounter, fc.integer({ min: -5, max: 5 }).map(add), {
  judge: (_state, value, changes) =>
    assert.equal(
      value,
      changes.reduce((sum, { change }) => sum + change.by, 0),
    ),
});

test('a step beyond what a number can hold is refused, and changes nothing', () => {
  const a = new Replica(pnCounter, 'a');
  a.change(add(Number.MAX_SAFE_INTEGER));
  assert.ok(isUnfit(pnCounter.change(a.state, add(1), a.author)));
  assert.equal(pnCounter.read(a.state), Number.MAX_SAFE_INTEGER);
  for (const by of [1.5, Number.NaN, '1', null, 2 ** 53])
    assert.ok(isUnfit(pnCounter.parseChange({ type: 'add', by })), `${by}`);
});
