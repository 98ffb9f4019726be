// Replicated objects on the disk: what was answered is there after any crash, and what rots is noticed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyText } from '../../actors/keyspace.ts';
import { StorageFault } from '../../actors/ports/index.ts';
import { type Opened, openReplicaStore, replicaStoreLimits } from '../../actors/replica-store.ts';
import { createWriter } from '../../actors/writer.ts';
import {
  addOwn,
  bytesOfBatch,
  change,
  createRecordBatch,
  findObject,
  type Objects,
  pnCounter,
  register,
} from '../../machines/replicator/index.ts';
import type { Sibling } from '../../machines/replicator/register.ts';
import { createMemoryStorage, type MemoryStorage } from '../ports/memory-storage.ts';
import { createHandClock } from './hand-clock.ts';

type Contents = ReturnType<MemoryStorage['contents']>;

const diskOf = (contents: Contents) => {
  const clock = createHandClock();
  const storage = createMemoryStorage(contents, clock.later);
  const writer = createWriter({ storage, clock, sink: { log() {}, count() {} } });
  return { clock, storage, writer };
};

/** By the same writer: the actor begins anew, the node goes on. */
const open = (contents: Contents = new Map(), disk = diskOf(contents)) => {
  const { clock, storage, writer } = disk;
  let ids = 0;
  const outcomes: Opened[] = [];
  const ports = {
    ...{ writer, later: (run: () => void) => clock.soon(run), logBytesMax: 32 << 20 },
    newReplicaId: () => `r${contents.size}-${ids++}`,
  };
  openReplicaStore([register, pnCounter], ports, (given) => {
    if (!('objects' in given)) throw new Error(given.message);
    outcomes.push(given);
  });
  clock.settle();
  clock.pass(100);
  const { objects, store, damaged } = outcomes[0] ?? assert.fail('it was never opened');
  let answered = 0;
  const write = (...given: [type: string, key: string, change: unknown][]): void => {
    const batch = createRecordBatch();
    for (const [type, key, one] of given) {
      const changed = change(objects, 1_000, type, key, one);
      assert.ok(changed.ok && changed.record !== null);
      addOwn(batch, changed.object, changed.record);
    }
    store.append(bytesOfBatch(batch), (why) => {
      assert.equal(why, null);
      answered++;
    });
  };
  return { clock, storage, disk, objects, store, damaged, write, answered: () => answered };
};

const valueAt = (objects: Objects, key: string): unknown => {
  const object = findObject(objects, 'register', key);
  return object === undefined ? undefined : (register.read(object.state as never) as readonly Sibling[])[0]?.[3];
};
const countOf = (objects: Objects, key: string): number => {
  const object = findObject(objects, 'pn-counter', key);
  return object === undefined ? 0 : pnCounter.read(object.state as never);
};
const set = (key: string, value: number): [string, string, unknown] => ['register', key, { type: 'set', value }];
const add = (key: string, by: number): [string, string, unknown] => ['pn-counter', key, { type: 'add', by }];

test('what was answered is there after a crash, under the same replica id', () => {
  const first = open();
  first.write(set('a', 1), add('n', 5));
  first.write(set('a', 2), add('n', -2));
  first.clock.pass(50);
  assert.equal(first.answered(), 2);
  const again = open(first.storage.contents());
  assert.deepEqual([valueAt(again.objects, 'a'), countOf(again.objects, 'n')], [2, 3]);
  assert.equal(again.objects.replica, first.objects.replica);
  again.write(add('n', 1));
  again.clock.pass(50);
  assert.equal(countOf(open(again.storage.contents()).objects, 'n'), 4);
});

test('a crash at any moment of a checkpoint loses nothing', () => {
  const first = open();
  for (let n = 0; n < 40; n++) first.write(set(`k${n % 7}`, n), add('n', n + 1));
  first.clock.pass(50);
  let done = 0;
  first.store.checkpoint(() => done++);
  // What is written while it goes on is in the states or in the log.
  first.write(set('k0', 1_000), add('n', 1));
  const moments: Contents[] = [first.storage.contents()];
  for (let turns = 0; done === 0 && turns < 10_000; turns++) {
    if (!first.clock.turn()) first.clock.pass(1);
    moments.push(new Map(first.storage.contents()));
  }
  assert.equal(done, 1);
  for (const contents of moments) {
    const { objects, damaged } = open(contents);
    assert.deepEqual(damaged, []);
    assert.ok([820, 821].includes(countOf(objects, 'n')), `${countOf(objects, 'n')}`);
    assert.ok([35, 1_000].includes(valueAt(objects, 'k0') as number));
    assert.equal(valueAt(objects, 'k6'), 34);
  }
  const last = open(moments.at(-1)!);
  assert.equal(countOf(last.objects, 'n'), 821);
  assert.ok(last.store.logBytes < first.store.logBytes + 1_000);
});

test('an actor that begins anew while states are written or the log is cut finds nothing damaged, then or after a crash', () => {
  const batches = replicaStoreLimits.cutAtOnce * 2 + 1;
  const before = open();
  for (let n = 0; n < batches; n++) before.write(add('n', 1));
  before.clock.pass(50);
  const contents = before.storage.contents();
  for (const turnsOfCut of [-1, 1]) {
    const first = open(contents);
    const { logBytes } = first.store;
    first.store.checkpoint(() => {});
    // A page waits for company.
    const step = (): void => void (first.clock.turn() || first.write(add('n', 1)));
    while (turnsOfCut >= 0 && first.store.logBytes >= logBytes) step();
    for (let turn = 0; turn < turnsOfCut; turn++) step();
    first.store.stop();
    const again = open(contents, first.disk);
    assert.deepEqual([countOf(again.objects, 'n'), again.damaged], [countOf(first.objects, 'n'), []]);
    const { objects, damaged } = open(first.storage.contents());
    assert.deepEqual([countOf(objects, 'n'), damaged], [countOf(first.objects, 'n'), []]);
    assert.equal(objects.replica, before.objects.replica);
  }
});

test('what rots is noticed, the rest is there, and the replica id is never used again', () => {
  const first = open();
  first.write(set('a', 1));
  first.write(set('b', 2));
  first.write(set('c', 3));
  first.clock.pass(50);
  let done = 0;
  first.store.checkpoint(() => done++);
  first.clock.pass(100);
  assert.equal(done, 1);
  first.write(set('d', 4));
  first.clock.pass(50);
  const contents = first.storage.contents();
  const places = [...contents].filter(([, [key]]) => String.fromCharCode(key[0]!) === 'r');
  assert.ok(places.length >= 5);
  for (const [name, [key, value]] of places) {
    const rotten = value.slice();
    rotten[rotten.byteLength - 1]! ^= 1;
    const { objects, damaged } = open(new Map(contents).set(name, [key, rotten]));
    assert.notEqual(objects.replica, first.objects.replica, name);
    const missing = ['a', 'b', 'c', 'd'].filter((one) => valueAt(objects, one) === undefined);
    const holdsValue = /^r\/(log|state)\//.test(keyText(key));
    assert.deepEqual([missing.length, damaged.length], [holdsValue ? 1 : 0, keyText(key) === 'r/id' ? 0 : 1], name);
  }
  const withoutLog = new Map([...contents].filter(([, [key]]) => !String.fromCharCode(...key).startsWith('r/log/')));
  assert.equal(valueAt(open(withoutLog).objects, 'd'), undefined, 'a lost tail cannot be seen (decision 12)');
});

test('a batch or a state that is gone altogether is noticed, but for the last batch', () => {
  const first = open();
  for (const [n, key] of ['a', 'b', 'c'].entries()) first.write(set(key, n));
  first.clock.pass(50);
  first.store.checkpoint(() => {});
  first.clock.pass(100);
  for (const [n, key] of ['d', 'e', 'f'].entries()) first.write(set(key, n));
  first.clock.pass(50);
  const contents = first.storage.contents();
  const gone = [...contents].filter(([, [key]]) => /^r\/(rounds|log\/|state\/)/.test(keyText(key)));
  assert.equal(gone.length, 7);
  const last = gone.filter(([, [key]]) => keyText(key).startsWith('r/log/')).at(-1)!;
  for (const [name, [key]] of gone) {
    const left = new Map(contents);
    left.delete(name);
    const { objects, damaged } = open(left);
    const isSame = objects.replica === first.objects.replica;
    assert.deepEqual([isSame, damaged.length], name === last[0] ? [true, 0] : [false, 1], keyText(key));
  }
});

test('damage is noticed once: the new replica id stays', () => {
  const first = open();
  for (const [n, key] of ['a', 'b', 'c'].entries()) first.write(set(key, n));
  first.clock.pass(50);
  first.store.checkpoint(() => {});
  first.clock.pass(100);
  for (const [n, key] of ['d', 'e', 'f'].entries()) first.write(set(key, n));
  first.clock.pass(50);
  const contents = first.storage.contents();
  const places = [...contents].filter(([, [key]]) => keyText(key).startsWith('r/'));
  assert.equal(places.length, 9);
  for (const [name, [key, value]] of places) {
    const rotten = value.slice();
    rotten[rotten.byteLength - 1]! ^= 1;
    const second = open(new Map(contents).set(name, [key, rotten]));
    second.clock.pass(100);
    const third = open(second.storage.contents());
    assert.deepEqual(third.damaged, [], keyText(key));
    assert.equal(third.objects.replica, second.objects.replica);
    assert.equal(third.objects.all.size, second.objects.all.size);
  }
});

test('a disk that cannot be read is told, whichever read fails', () => {
  const why = { code: 'IO_ERROR', message: 'it is gone' } as const;
  const fault = (): never => {
    throw new StorageFault(why);
  };
  const empty = { read: (_range: unknown, done: (why: null, page: []) => void) => done(null, []), close() {} };
  for (const readsThatWork of [0, 1, 2, 3, 4]) {
    let reads = 0;
    const read = <Value>(value: Value): Value => (reads++ < readsThatWork ? value : fault());
    const writer = { get: () => read(undefined), view: () => read(empty), write: fault } as never;
    const outcomes: unknown[] = [];
    const ports = { writer, later: (run: () => void) => run(), newReplicaId: () => 'r', logBytesMax: 1 };
    openReplicaStore([register], ports, (outcome) => outcomes.push(outcome));
    assert.deepEqual(outcomes, [why], `${readsThatWork}`);
  }
});
