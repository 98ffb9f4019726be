import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isUnfit } from '../../../machines/replicator/crdt.ts';
import { disableWinsFlag, enableWinsFlag, type FlagChange } from '../../../machines/replicator/flag.ts';
import { crdtLaws, Replica } from './laws.ts';

const enable: FlagChange = { type: 'enable' };
const disable: FlagChange = { type: 'disable' };

for (const [flag, winner] of [
  [enableWinsFlag, true],
  [disableWinsFlag, false],
] as const) {
  crdtLaws(flag, fc.constantFrom(enable, disable));

  test(`${flag.type}: of two switches that knew nothing of each other, ${winner ? 'enable' : 'disable'} wins`, () => {
    const [a, b] = [new Replica(flag, 'a'), new Replica(flag, 'b')];
    const read = (): boolean[] => [a, b].map(({ state }) => flag.read(state));
    assert.deepEqual(read(), [false, false]);
    b.hear(a.change(enable));
    assert.deepEqual(read(), [true, true]);
    const [on, off] = [a.change(enable), b.change(disable)];
    assert.equal(a.hear(off), 'conflict');
    assert.equal(b.hear(on), 'conflict');
    assert.deepEqual(read(), [winner, winner]);
    assert.equal(b.hear(a.change(winner ? disable : enable)), 'changed', 'who knows of both overrules them');
    assert.deepEqual(read(), [!winner, !winner]);
    assert.equal(b.hear(on), 'same', 'an old switch changes nothing');
    for (const given of [null, 'enable', { type: 'toggle' }]) assert.ok(isUnfit(flag.parseChange(given)));
  });
}
