import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { enableWinsFlag } from '../../../machines/replicator/flag.ts';
import {
  change,
  createObjects,
  formOf,
  hear,
  hearState,
  nameOf,
  type Objects,
  type ObjectTypes,
  pnCounter,
  register,
} from '../../../machines/replicator/index.ts';
import { lwwMap } from '../../../machines/replicator/lww-map.ts';
import { orSet } from '../../../machines/replicator/or-set.ts';
import type { RepairStore } from '../../../machines/replicator/reconcile.ts';
import { type Slot, Trie } from '../../../machines/replicator/trie.ts';
import { pack, unpack } from '../../../machines/wire/envelope.ts';
import { RepairWorld } from './repair-world.ts';

const types = [register, pnCounter, orSet, lwwMap, enableWinsFlag] as unknown as ObjectTypes;
const nowMs = 1_000_000;

/** The objects of a node, as repair sees them. */
class Replicated implements RepairStore {
  readonly objects: Objects;
  readonly slots = new Map<string, Slot>();
  readonly trie = new Trie({ formOf: (name) => this.formOf(name) });

  constructor(replica: string) {
    this.objects = createObjects(replica, types);
  }

  formOf(name: string): Uint8Array | null {
    const object = this.objects.all.get(name);
    return object === undefined ? null : pack(formOf(object)).slice();
  }

  join(name: string, form: Uint8Array): 'joined' | 'unwanted' | 'refused' {
    const given = unpack(form.slice());
    if (!Array.isArray(given) || given.length !== 3 || nameOf(given[0], given[1]) !== name) return 'refused';
    const heard = hearState(this.objects, nowMs, given, form.byteLength);
    if (typeof heard !== 'string') return 'refused';
    if (heard !== 'same') this.touch(name);
    return this.objects.all.has(name) ? 'joined' : 'unwanted';
  }

  touch(name: string): void {
    const slot = this.slots.get(name);
    if (slot === undefined) this.slots.set(name, this.trie.add(name));
    else this.trie.touch(slot);
  }

  forms(): string[] {
    return [...this.objects.all.keys()].sort().map((name) => Buffer.from(this.formOf(name)!).toString('hex'));
  }
}

const small = fc.nat(3);
const changes = fc.oneof(
  fc.record({ type: fc.constant('set'), value: small }).map((made) => [register.type, made] as const),
  fc.record({ type: fc.constant('add'), by: fc.integer({ min: -3, max: 3 }) }).map((made) => [pnCounter.type, made] as const),
  fc.record({ type: fc.constantFrom('add', 'remove'), element: small }).map((made) => [orSet.type, made] as const),
  fc
    .record({ type: fc.constantFrom('put', 'remove'), key: fc.constantFrom('x', 'y'), value: small })
    .map((made) => [lwwMap.type, made] as const),
  fc.record({ type: fc.constantFrom('enable', 'disable') }).map((made) => [enableWinsFlag.type, made] as const),
);

test('objects of every kind become the same on three nodes, by exchanges alone', () => {
  const steps = fc.array(fc.record({ at: fc.nat(2), key: fc.nat(30), made: changes, heardBy: fc.nat(5) }), {
    minLength: 1,
    maxLength: 200,
    size: 'max',
  });
  fc.assert(
    fc.property(steps, (all) => {
      const stores = { a: new Replicated('ra'), b: new Replicated('rb'), c: new Replicated('rc') };
      const world = new RepairWorld<Replicated>(stores);
      const list = Object.values(stores);
      for (const { at, key, made, heardBy } of all) {
        const author = list[at]!;
        const changed = change(author.objects, nowMs, made[0], `k${key}`, made[1]);
        if (!changed.ok || changed.record === null) continue;
        const name = nameOf(made[0], `k${key}`);
        author.touch(name);
        // Most deltas are lost.
        const other = list[heardBy];
        if (other === undefined || other === author) continue;
        const heard = hear(other.objects, nowMs, unpack(pack(changed.record).slice()), 0);
        if (heard === 'changed' || heard === 'conflict') other.touch(name);
      }
      for (const [from, to] of [
        ['a', 'b'],
        ['b', 'c'],
        ['a', 'b'],
      ] as const)
        assert.match(world.exchange(from, to).outcome, /same|repaired/);
      const counts = world.ended.map((end) => end.counts);
      assert.ok(counts.every(({ refused, unequal, unpromised }) => refused + unequal + unpromised === 0));
      assert.deepEqual(stores.b.forms(), stores.a.forms());
      assert.deepEqual(stores.c.forms(), stores.a.forms());
      for (const [from, to] of [
        ['a', 'c'],
        ['c', 'b'],
      ] as const)
        assert.equal(world.exchange(from, to).outcome, 'same');
    }),
    { numRuns: 20 },
  );
});
