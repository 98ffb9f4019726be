import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { childOf, depthMax, type Path, type Place, placeOf, root } from '../../../machines/replicator/places.ts';
import { leafObjectsMax, type Slot, Trie } from '../../../machines/replicator/trie.ts';
import { utf8 } from '../../../machines/wire/octets.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Objects that are texts, with their trie. */
class Texts {
  readonly values = new Map<string, string>();
  readonly slots = new Map<string, Slot>();
  readonly trie: Trie;
  formed = 0;

  constructor(placeOf?: (key: string) => Place) {
    const formOf = (key: string): Uint8Array | null => {
      this.formed++;
      return utf8(this.values.get(key)!);
    };
    this.trie = new Trie(placeOf === undefined ? { formOf } : { formOf, placeOf });
  }

  set(key: string, value: string): void {
    this.values.set(key, value);
    const slot = this.slots.get(key);
    if (slot === undefined) this.slots.set(key, this.trie.add(key));
    else this.trie.touch(slot);
  }

  delete(key: string): void {
    const slot = this.slots.get(key);
    if (slot === undefined) return;
    this.trie.remove(slot);
    this.slots.delete(key);
    this.values.delete(key);
  }

  root(): string {
    assert.ok(this.trie.renew());
    return hex(this.trie.rootDigest);
  }
}

/** The dumb twin: the shape as the comment at the top of the trie says it, and nothing kept. */
const shapeOf = (trie: Trie, path: Path = root): unknown => {
  const { inner, slots } = trie.look(path);
  if (slots !== null) return slots.map((slot) => `${trie.keyOf(slot)} ${hex(trie.digestOf(slot))}`).sort();
  return inner.map((digest, index) => (digest === null ? null : [hex(digest), shapeOf(trie, childOf(path, index))]));
};

const same = (a: Texts, b: Texts): void => {
  assert.equal(a.root(), b.root());
  assert.deepEqual(shapeOf(a.trie), shapeOf(b.trie));
};

/** A few places only, so that tries of a few hundred keys are deep, and some keys share a place. */
const crowded = (key: string): Place => {
  const { high, low } = placeOf(key);
  return { high: (high & 0x0003_0003) >>> 0, low: (low & 3) >>> 0 };
};

describe('the trie', () => {
  for (const [name, place] of [
    ['keys by their hash', undefined],
    ['crowded places', crowded],
  ] as const)
    test(`is the same for the same objects, whatever happened before: ${name}`, () => {
      const key = fc.nat(120).map((n) => `k${n}`);
      const step = fc.oneof(
        { weight: 5, arbitrary: fc.record({ do: fc.constant('set' as const), key, value: fc.nat(3) }) },
        { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), key, value: fc.constant(0) }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('renew' as const), key, value: fc.nat(9) }) },
      );
      fc.assert(
        fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (steps) => {
          const [lived, born] = [new Texts(place), new Texts(place)];
          for (const { do: what, key, value } of steps) {
            if (what === 'set') lived.set(key, `${value}`);
            else if (what === 'delete') lived.delete(key);
            else lived.trie.renew(value);
          }
          for (const key of [...lived.values.keys()].sort()) born.set(key, lived.values.get(key)!);
          assert.equal(lived.trie.size, lived.values.size);
          same(lived, born);
        }),
        { numRuns: 40 },
      );
    });

  test('keys that share a place go as deep as it gets, and stay apart', () => {
    const texts = new Texts(() => ({ high: 0xffff_ffff, low: 0xffff_fff7 }));
    for (let n = 0; n < 40; n++) texts.set(`k${n}`, 'same');
    texts.root();
    assert.equal(texts.trie.slotsAt({ high: 0xffff_ffff, low: 0xffff_fff7 }).length, 40);
    const deep = texts.trie.look({ high: 0xffff_ffff, low: 0xffff_fff7, depth: depthMax });
    assert.equal(deep.slots?.length, 40);
    assert.equal(texts.trie.keyOf(texts.trie.slotOf('k17')!), 'k17');
    for (let n = 0; n < 40 - leafObjectsMax; n++) texts.delete(`k${n}`);
    assert.equal(texts.trie.look(root).slots?.length, leafObjectsMax);
  });

  test('the root tells any two sets of objects apart: keys, forms, and which belongs to which', () => {
    const roots = [
      ...[{}, { a: '1' }, { a: '2' }, { b: '1' }, { a: '1', b: '2' }, { a: '2', b: '1' }, { a: '', b: '12' }, { a1: '' }],
    ].map((objects) => {
      const texts = new Texts();
      for (const [key, value] of Object.entries(objects)) texts.set(key, value);
      return texts.root();
    });
    assert.equal(new Set(roots).size, roots.length);
  });

  test('forms are asked for only of what changed, once for any number of changes', () => {
    const texts = new Texts();
    for (let n = 0; n < 1_000; n++) texts.set(`k${n}`, 'v');
    assert.equal(texts.formed, 0);
    texts.root();
    assert.equal(texts.formed, 1_000);
    for (let n = 0; n < 100; n++) texts.set('k7', `${n}`);
    texts.set('k8', 'w');
    texts.root();
    assert.equal(texts.formed, 1_002);
  });

  test('a bounded renewal ends, gets everywhere, and goes on where it stopped though all the first keys change again', () => {
    const texts = new Texts();
    for (let n = 0; n < 2_000; n++) texts.set(`k${n}`, 'v');
    const seen = new Set<Slot>();
    for (let call = 0; call < 60; call++) {
      const before = texts.formed;
      texts.trie.renew(100);
      assert.ok(texts.formed - before <= 100);
      for (const [, slot] of texts.slots) if (texts.trie.digestOf(slot).some((byte) => byte !== 0)) seen.add(slot);
      // The same third changes at every turn: the rest must have its turn all the same.
      for (let n = 0; n < 600; n++) texts.set(`k${n}`, `${call}`);
    }
    assert.equal(seen.size, 2_000);
    while (!texts.trie.renew(100));
    const twin = new Texts();
    for (const [key, value] of texts.values) twin.set(key, value);
    same(texts, twin);
  });

  test('a slot that holds nothing is a fault of the caller, and named', () => {
    const trie = new Trie({ formOf: () => null });
    const slot = trie.add('k');
    trie.remove(slot);
    for (const broken of [() => trie.remove(slot), () => trie.touch(slot), () => trie.keyOf(99), () => trie.freshDigest(0)])
      assert.throws(broken, { name: 'InvariantBroken', invariant: 'slot-in-use' });
    assert.equal(trie.add('other'), slot, 'slots are used again');
  });

  test('weighs about 60 bytes an object, and does not grow when objects come and go', () => {
    const texts = new Texts();
    for (let n = 0; n < 20_000; n++) texts.set(`k${n}`, 'v');
    const held = texts.trie.bytesHeld;
    assert.ok(held / 20_000 <= 64, `${held / 20_000} bytes`);
    for (let n = 0; n < 20_000; n++) {
      texts.delete(`k${n}`);
      texts.set(`l${n}`, 'v');
    }
    assert.ok(texts.trie.bytesHeld <= held * 1.05);
  });
});
