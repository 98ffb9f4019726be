// What was forgotten does not come back from the disk, whenever the node crashes; and what a replica knows of the rounds is there again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noRounds, type Opened, openReplicaStore } from '../../actors/replica-store.ts';
import { createWriter } from '../../actors/writer.ts';
import {
  addHeard,
  addOwn,
  addState,
  bytesOfBatch,
  change,
  createObjects,
  createRecordBatch,
  enterRound,
  formOf,
  hearState,
  listReplica,
  type Objects,
  type RecordBatch,
} from '../../machines/replicator/index.ts';
import { lwwMap } from '../../machines/replicator/lww-map.ts';
import { pack } from '../../machines/wire/envelope.ts';
import { createMemoryStorage, type MemoryStorage } from '../ports/memory-storage.ts';
import { createHandClock } from './hand-clock.ts';

type Contents = ReturnType<MemoryStorage['contents']>;

const open = (contents: Contents = new Map()) => {
  const clock = createHandClock();
  const storage = createMemoryStorage(contents, clock.later);
  const writer = createWriter({ storage, clock, sink: { log() {}, count() {} } });
  const outcomes: Opened[] = [];
  const ports = { writer, later: (run: () => void) => clock.soon(run), logBytesMax: 32 << 20, newReplicaId: () => 'r1' };
  openReplicaStore([lwwMap as never], ports, (given) => {
    if (!('objects' in given)) throw new Error(given.message);
    outcomes.push(given);
  });
  clock.settle();
  clock.pass(100);
  const { objects, store, damaged, rounds } = outcomes[0] ?? assert.fail('it was never opened');
  const log = (fill: (batch: RecordBatch) => void): void => {
    const batch = createRecordBatch();
    fill(batch);
    store.append(bytesOfBatch(batch), (why) => assert.equal(why, null));
    clock.pass(20);
  };
  const own = (given: unknown): void =>
    log((batch) => {
      const changed = change(objects, 1_000, 'lww-map', 'm', given);
      assert.ok(changed.ok && changed.record !== null);
      addOwn(batch, changed.object, changed.record);
    });
  return { clock, storage, objects, store, damaged, rounds, log, own };
};

const mapOf = (objects: Objects): string => {
  const state = objects.all.get('lww-map/m')?.state;
  return JSON.stringify(state === undefined ? [] : [...lwwMap.read(state as never)].sort());
};

/** All that the disk holds, at every moment until it is done. */
const moments = ({ clock, storage, store }: ReturnType<typeof open>): Contents[] => {
  const seen: Contents[] = [new Map(storage.contents())];
  let done = 0;
  store.checkpoint(() => done++);
  for (let turns = 0; done === 0 && turns < 10_000; turns++) {
    if (!clock.turn()) clock.pass(1);
    seen.push(new Map(storage.contents()));
  }
  assert.equal(done, 1);
  return seen;
};

/** Somebody who never heard of the removal, and has something else that is news. */
const stateOfOther = (from: Objects, more: boolean): readonly [string, string, unknown] => {
  const other = createObjects('r2', [lwwMap as never]);
  hearState(other, 1_000, formOf(from.all.get('lww-map/m')!), 0);
  if (more) assert.ok(change(other, 1_000, 'lww-map', 'm', { type: 'put', key: 'z', value: 2 }).ok);
  return structuredClone(formOf(other.all.get('lww-map/m')!));
};

const heard = (at: ReturnType<typeof open>, [type, key, form]: readonly [string, string, unknown]): void =>
  at.log((batch) => {
    assert.equal(hearState(at.objects, 1_000, [type, key, form], 0), 'changed');
    addState(batch, type, key, pack(form).slice());
  });

for (const more of [true, false])
  test(`what was forgotten stays so, whenever a checkpoint is cut short; ${more ? 'the rest is there' : 'nothing is left'}`, () => {
    const at = open();
    at.own({ type: 'put', key: 'k', value: 1 });
    at.own({ type: 'put', key: 'l', value: 1 });
    const old = stateOfOther(at.objects, more);
    const older = moments(at);
    at.own({ type: 'remove', key: 'k' });
    at.own({ type: 'remove', key: 'l' });
    if (more) heard(at, old);
    const middle = moments(at);
    at.objects.round = 3;
    if (more) {
      // Old news again, beside what is new: it is in the log for the sake of that.
      const other = structuredClone(old) as [string, string, [string, ...unknown[]][]];
      other[2].push(['zz', 5_000_000, 'r2', 3, 3]);
      heard(at, other);
    }
    at.log((batch) => addHeard(batch, pack(2).slice(), 1));
    assert.deepEqual(enterRound(at.objects, 4, 2), ['lww-map/m']);
    const last = moments(at);
    const left = mapOf(at.objects);
    assert.equal(left, more ? '[["z",2],["zz",3]]' : '[]');
    for (const contents of last) {
      const { objects, damaged } = open(contents);
      enterRound(objects, 4, 2);
      assert.deepEqual([mapOf(objects), damaged, objects.all.size], [left, [], more ? 1 : 0]);
    }
    for (const contents of [...older, ...middle]) assert.deepEqual(open(contents).damaged, []);
    const end = open(last.at(-1)!);
    const keys = [...last.at(-1)!.values()].map(([key]) => String.fromCharCode(...key));
    assert.deepEqual(
      keys.filter((key) => key.startsWith('r/state/')),
      more ? ['r/state/lww-map/m'] : [],
    );
    assert.equal(mapOf(end.objects), left);
  });

test('what a replica knows of the rounds is there after a crash, under its id', () => {
  const at = open();
  assert.deepEqual(at.rounds, noRounds);
  const ledger = listReplica(null, { id: at.objects.replica, peer: 'p', name: 'n' });
  assert.ok(ledger !== null && ledger !== 'full');
  const known = { ledger, wasListed: true, isHeard: false, isReady: true };
  at.store.saveRounds(at.objects.replica, known, (why) => assert.equal(why, null));
  at.clock.pass(50);
  assert.deepEqual(open(at.storage.contents()).rounds, known);
});
