// How large an object may be, and what finding that out costs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { change, createObjects, grow, replicatedTypes } from '../../../machines/replicator/index.ts';
import { pack } from '../../../machines/wire/envelope.ts';

const orSet = replicatedTypes.find(({ type }) => type === 'or-set')!;

test('whoever goes on changing an object that is full does not have it measured each time', () => {
  let measured = 0;
  const form = (state: unknown): unknown => {
    measured++;
    return orSet.form(state);
  };
  const objects = createObjects('r', [{ ...orSet, form }]);
  let wallMs = 1_000_000;
  const make = (given: unknown): string => {
    const changed = change(objects, wallMs, 'or-set', 's', given);
    if (!changed.ok) return changed.failure.code;
    if (changed.record !== null) grow(changed.object, pack(changed.record).byteLength);
    return 'done';
  };
  const element = (n: number): string => `${n} `.padEnd(60_000, 'x');
  const add = (n: number): string => make({ type: 'add', element: element(n) });
  const remove = (n: number): string => make({ type: 'remove', element: element(n) });
  let held = 0;
  while (add(held) === 'done') held++;
  assert.ok(held > 50 && held < 80, `${held}`);
  measured = 0;
  for (let n = 0; n < 20; n++) {
    assert.equal(remove(n), 'done');
    assert.equal(add(1_000 + n), 'TOO_LARGE');
  }
  assert.equal(measured, 0);
  // There is room since, which is found out later; also where the clock went back.
  for (const laterMs of [10_000, -60_000]) {
    wallMs += laterMs;
    let more = 0;
    while (add(more) === 'done') more++;
    assert.ok(more > 0);
    for (let n = 0; n < more; n++) remove(n);
  }
  assert.ok(measured > 0 && measured < 10, `${measured}`);
  assert.equal(make({ type: 'clear' }), 'done');
  assert.equal(add(0), 'done', 'nothing is left of it');
});
