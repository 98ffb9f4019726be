// Generations of the keyspace: nothing of one transfer may get into another, nothing that is current may be swept.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupKeys } from '../../../actors/keyspace.ts';
import { loadGroup } from '../../../actors/raft-store.ts';
import { bytes, formed, group, keyspaceOf, metaAt, reopen, running } from './world.ts';

const keys = groupKeys(group);
const record = (key: string, value: string): [Uint8Array, Uint8Array] => [bytes(key), bytes(value)];
const keysUnder = (contents: ReadonlyMap<string, unknown>, generation: number): number => {
  const prefix = Buffer.from(keys.generation(generation)).toString('latin1');
  return [...contents.keys()].filter((key) => key.startsWith(prefix)).length;
};

test('what a crashed transfer left behind is neither reused nor kept', () => {
  const before = formed();
  const broken = before.store.beginStaging();
  before.write(broken.operations([record('old', '1'), record('older', '1')]), false);
  const at = running(reopen(before.storage.contents()));
  // The new transfer begins at once, before any sweep had a turn.
  const staging = at.store.beginStaging();
  assert.ok(staging.generation > broken.generation);
  at.write(staging.operations([record('new', '2')]), false);
  at.store.useStaged(staging.generation);
  at.write(at.store.persist({ hardState: { term: 1, vote: null }, entries: [], snapshot: metaAt(10, 1) }));
  at.clock.pass(1_000);
  assert.deepEqual(keyspaceOf(at, at.store), [['new', '2']]);
  assert.equal(keysUnder(at.storage.contents(), broken.generation), 0);
});

test('the keyspace that a snapshot replaced is deleted afterwards, in pages', () => {
  const at = formed();
  const writes = [...Array(2_000).keys()].map((n) => ({ key: bytes(`k${n}`), value: bytes('v') }));
  at.write(
    at.store.persist({
      hardState: { term: 1, vote: null },
      entries: [{ index: 1, term: 1, kind: 'noop', timeMs: 1, data: bytes('') }],
      snapshot: null,
    }),
  );
  at.write(at.store.stateOperations(writes, 1, 1), false);
  const staging = at.store.beginStaging();
  at.write(staging.operations([record('a', '1')]), false);
  at.store.useStaged(staging.generation);
  const flip = at.storage.batches.length;
  at.writer.write(at.store.persist({ hardState: null, entries: [], snapshot: metaAt(10, 1) }), { durable: true }, () => {});
  at.clock.pass(1_000);
  assert.equal(keysUnder(at.storage.contents(), 1), 0);
  const deleted = at.storage.batches.map(({ operations }) => operations.filter(({ key }) => key[0] === 0x73).length);
  assert.equal(deleted[flip], 0, 'nothing of the old keyspace goes before the new one is there');
  assert.ok(Math.max(...deleted.slice(flip)) <= 512);
  assert.deepEqual(keyspaceOf(at, at.store), [['a', '1']]);
});

test('a transfer that is given up is swept, a staged one that waits for its install is not', () => {
  const at = formed();
  const first = at.store.beginStaging();
  at.write(first.operations([record('a', '1')]), false);
  at.store.sweep();
  at.clock.pass(1_000);
  assert.equal(keysUnder(at.storage.contents(), first.generation), 0);
  assert.throws(() => at.store.useStaged(first.generation), /store-staged/);

  const second = at.store.beginStaging();
  at.write(second.operations([record('b', '1')]), false);
  at.store.useStaged(second.generation);
  at.store.sweep();
  at.clock.pass(1_000);
  assert.equal(keysUnder(at.storage.contents(), second.generation), 1);
});

test("a sweep that outlives its actor leaves the next one's keyspace alone", () => {
  const at = formed();
  const many = [...Array(3_000).keys()].map((n) => record(`k${n}`, '1'));
  const dead = at.store.beginStaging();
  at.write(dead.operations(many), false);
  at.store.sweep();
  // A few turns only: the old store is in the middle of its sweep when the group's actor is restarted.
  for (let n = 0; n < 6; n++) at.clock.turn();
  let next = at.store;
  loadGroup(at.writer, group, (loaded) => {
    assert.ok(loaded.ok);
    next = loaded.store;
  });
  at.clock.settle();
  const staging = next.beginStaging();
  at.writer.write(staging.operations(many.slice(0, 10)), { durable: false }, () => {});
  next.useStaged(staging.generation);
  at.writer.write(
    next.persist({ hardState: { term: 1, vote: null }, entries: [], snapshot: metaAt(10, 1) }),
    { durable: true },
    () => {},
  );
  at.clock.pass(10_000);
  assert.equal(keyspaceOf(at, next).length, 10);
  assert.equal(keysUnder(at.storage.contents(), dead.generation), 0);
});
