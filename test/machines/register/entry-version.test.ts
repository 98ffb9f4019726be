// Versions of entries: a newer one is used after an entry has said so, and what a build does not read it does not touch.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeItems } from '../../../machines/entity/ledger-items.ts';
import {
  apply,
  createRegister,
  decodeCommand,
  dump,
  encodeCommand,
  entryVersionOf,
  entryVersions,
  parseRequestWrite,
  parseWrite,
  RegisterFault,
  type RegisterWrite,
  restore,
} from '../../../machines/register/index.ts';
import { bytes, createReplica } from './replica.ts';

const items = encodeItems([{ kind: 'remove', actor: 'cart/a', seq: 0, failed: [] }]);
const actors: RegisterWrite = { op: 'actors', items };
const enabling = (version: number): RegisterWrite => ({ op: 'entries', version });

test('a command begins with the lowest version that knows it, and is none under another', () => {
  const put: RegisterWrite = { op: 'put', key: 'k', value: bytes('v') };
  for (const [write, version] of [
    [put, 1],
    [actors, 2],
    [enabling(2), 2],
    [enabling(7), 7],
  ] as const) {
    const data = encodeCommand({ write });
    assert.equal(entryVersionOf(data), version, write.op);
    assert.deepEqual(decodeCommand(data)?.write.op, write.op);
    for (const other of [0, 1, 2, 3, 7]) {
      data[0] = other;
      assert.equal(decodeCommand(data) === null, other !== version, `${write.op} as ${other}`);
    }
  }
});

test('actors come after the entry that enables them, and before it nothing happens', () => {
  const replica = createReplica();
  const before = dump(replica.state);
  const early = replica.write(actors);
  assert.ok(!early.ok);
  assert.match(early.failure.message, /is of version 2, the group uses version 1/);
  assert.deepEqual([dump(replica.state), replica.keyspace.records().length], [before, 0]);
  assert.deepEqual(replica.done(enabling(2)), { op: 'entries', version: 2, index: 2, term: 1 });
  assert.equal(replica.done(actors).op, 'actors');
  const records = replica.keyspace.records();
  assert.equal(records.length, 1);
  assert.deepEqual(replica.done(enabling(1)), { op: 'entries', version: 2, index: 4, term: 1 }, 'it does not fall');
  const again = createRegister();
  assert.equal(restore(again, records), true);
  assert.equal(again.entries, 2);
});

test('a build that does not read it stops before it, in the log and in the keyspace', () => {
  const old = createRegister(undefined, undefined, null, 1);
  for (const write of [enabling(2), actors])
    assert.throws(
      () => apply(old, { index: 1, term: 1, timeMs: 1, data: encodeCommand({ write }) }, () => undefined),
      RegisterFault,
    );
  const replica = createReplica();
  replica.done(enabling(entryVersions.newest));
  replica.done({ op: 'put', key: 'k', value: bytes('v') });
  assert.equal(restore(old, replica.keyspace.records()), false);
  assert.equal(old.keys, 0);
});

test('nobody but a leader asks for it', () => {
  for (const write of [actors, enabling(2)]) {
    assert.equal(parseRequestWrite(encodeCommand({ write })), null);
    assert.equal(parseWrite(write).ok, false);
  }
});
