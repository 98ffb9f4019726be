// When a change is answered, synced and told: the policies, whatever the order in which the disk and the clock have their turns.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SyncPolicy } from '../../actors/api.ts';
import type { StorageFailure } from '../../actors/ports/index.ts';
import { createReplicaLog, replicaLogLimits, syncProblem } from '../../actors/replica-log.ts';
import { nextRecord, ReplicatedObject, recordBatchLimits, replicatedTypes } from '../../machines/replicator/index.ts';
import { cursorOf } from '../../machines/wire/octets.ts';
import { createHandClock } from './hand-clock.ts';
import { createHandScope } from './hand-scope.ts';

/** Numbers of the changes that stand in packed records. */
const numbersIn = (packed: Uint8Array): number[] => {
  const from = cursorOf(packed);
  const numbers: number[] = [];
  for (let record = nextRecord(from); record !== null; record = nextRecord(from)) numbers.push((record as number[])[2]!);
  assert.equal(from.at, packed.byteLength);
  return numbers;
};

type Operation = { records: number; done: (why: StorageFailure | null) => void };

const object = new ReplicatedObject(replicatedTypes.find(({ type }) => type === 'lww-register')!, 'lww-register/k', 0);

/** A disk that does one thing after the other, when it is told to. */
const world = () => {
  const clock = createHandClock();
  const scope = createHandScope(clock);
  const operations: Operation[] = [];
  let synced = 0;
  let why: StorageFailure | null = null;
  const store = { isWriting: false, isStopped: false };
  const told: number[] = [];
  const lines: string[] = [];
  const answers = new Map<number, string>();
  const log = createReplicaLog({
    ...{ scope, clock, sink: { log: (_level, code) => void lines.push(code), count() {} } },
    store: {
      append: (records, done) => void operations.push({ records: numbersIn(records).length, done }),
      checkpoint: (done) => done(),
      ...{ isLong: false, logBytes: 0, saveRounds() {} },
      get isWriting() {
        return store.isWriting;
      },
      stop: () => void (store.isStopped = true),
    },
    tell({ bytes, records }) {
      const numbers = numbersIn(bytes);
      assert.equal(numbers.length, records);
      for (const at of numbers) assert.ok(at < synced, `${at} was told, ${synced} are on the disk`);
      told.push(...numbers);
    },
    onWritten: () => assert.ok(log.written <= synced),
  });
  let made = 0;
  return {
    ...{ clock, log, store, operations, told, answers, lines },
    made: () => made,
    change(sync: SyncPolicy): void {
      const at = made++;
      log.append(object, ['lww-register', 'k', at], sync, (outcome) => {
        assert.ok(!answers.has(at), 'answered twice');
        answers.set(at, outcome.ok ? 'done' : outcome.failure.code);
        if (outcome.ok && sync === 'write') assert.ok(at < synced, 'answered before it was synced');
      });
    },
    /** The next thing that the disk has to do; false: there is none. */
    turn(): boolean {
      const operation = operations.shift();
      if (operation === undefined) return false;
      if (why === null) synced += operation.records;
      operation.done(why);
      return true;
    },
    fail(): void {
      why = { code: 'DISK_FULL', message: 'no space' };
    },
    settle(): void {
      do clock.pass(0);
      while (this.turn());
    },
  };
};

test('write: answered and told when it is on the disk, all changes of a turn by one sync', () => {
  const at = world();
  for (let n = 0; n < 100; n++) at.change('write');
  at.clock.pass(10);
  assert.deepEqual([at.operations.length, at.answers.size], [1, 0]);
  at.settle();
  assert.deepEqual([at.answers.size, at.told.length], [100, 100]);
});

test('everyMs: answered at once, on the disk and told within so long, all of it by one sync', () => {
  const at = world();
  for (let ms = 0; ms < 90; ms++) {
    at.change({ everyMs: 100 });
    at.clock.pass(1);
    at.settle();
  }
  assert.deepEqual([at.answers.size, at.told.length, at.log.written], [90, 0, 0]);
  at.clock.pass(10);
  assert.equal(at.operations.length, 1);
  at.settle();
  assert.equal(at.told.length, 90);
});

test('never: answered at once; on the disk with whatever is written next, or within a second', () => {
  const at = world();
  at.change('never');
  assert.equal(at.answers.get(0), 'done');
  at.clock.pass(replicaLogLimits.patienceMsMax - 1);
  at.settle();
  assert.equal(at.told.length, 0);
  at.clock.pass(1);
  at.settle();
  assert.equal(at.told.length, 1);
  at.change('never');
  at.change('write');
  at.settle();
  assert.deepEqual(at.told, [0, 1, 2]);
});

test('the least patient of what waits decides', () => {
  const at = world();
  at.change('never');
  at.change({ everyMs: 500 });
  at.change({ everyMs: 20 });
  at.change({ everyMs: 700 });
  at.clock.pass(20);
  at.settle();
  assert.deepEqual(at.told, [0, 1, 2, 3]);
});

test('who waits for what is appended is not held up by a policy', () => {
  const at = world();
  at.change('never');
  const done: string[] = [];
  at.log.afterAll('never', () => done.push('never'));
  at.log.afterAll('write', (outcome) => done.push(outcome.ok ? 'write' : outcome.failure.code));
  assert.deepEqual(done, ['never']);
  at.settle();
  assert.deepEqual(done, ['never', 'write']);
  at.change('never');
  at.log.hurry();
  at.settle();
  assert.equal(at.log.written, 2);
});

test('what is in no hurry is bounded', () => {
  const at = world();
  for (let n = 0; n < recordBatchLimits.changesMax; n++) at.change('never');
  at.settle();
  assert.equal(at.log.written, recordBatchLimits.changesMax);
});

test('after the disk has refused, nothing is answered as done, whatever the policy, and nothing is told', () => {
  const at = world();
  at.fail();
  at.change({ everyMs: 10 });
  at.change('write');
  at.settle();
  at.change('never');
  at.change({ everyMs: 1 });
  at.clock.pass(2_000);
  at.settle();
  assert.deepEqual([...at.answers.values()], ['done', ...Array.from({ length: 3 }, () => 'STORAGE_FAILED')]);
  assert.deepEqual([at.told, at.log.isFull], [[], false]);
  assert.equal(at.log.refusal?.code, 'STORAGE_FAILED');
  at.log.appendHeard(new Uint8Array([0xc0]), 1);
  at.clock.pass(0);
  assert.deepEqual(at.operations, [], 'the disk is given nothing more');
  assert.equal(at.log.isFull, false);
});

test('an orderly end hands over what was answered before it was written, and what that builds on', () => {
  const at = world();
  at.change('write');
  at.change('never');
  at.change('write');
  at.log.stop();
  assert.deepEqual([...at.answers].sort(), [
    [0, 'OUTCOME_UNKNOWN'],
    [1, 'done'],
    [2, 'OUTCOME_UNKNOWN'],
  ]);
  assert.deepEqual(
    at.operations.map(({ records }) => records),
    [3],
  );
});

test('an end while states are written hands over what may be in them: nobody is told that it surely was not done', () => {
  for (const isWriting of [false, true]) {
    const at = world();
    at.change('write');
    at.store.isWriting = isWriting;
    at.log.stop();
    assert.deepEqual([...at.answers.values()], [isWriting ? 'OUTCOME_UNKNOWN' : 'STOPPING']);
    assert.deepEqual([at.operations.length, at.store.isStopped], [isWriting ? 1 : 0, true]);
  }
});

test('whoever throws at his answer is told of in the log, and keeps nobody else from his', () => {
  const at = world();
  const record = ['lww-register', 'k', 0] as const;
  const throwing = (): never => {
    throw new Error('an answer that throws');
  };
  at.log.append(object, record, 'never', throwing);
  at.log.append(object, record, 'write', throwing);
  at.log.afterAll('write', throwing);
  at.settle();
  at.log.afterAll('write', throwing);
  at.log.append(object, record, 'write', throwing);
  at.change('write');
  at.log.stop();
  assert.deepEqual(at.lines, Array(5).fill('ANSWER_THREW'));
  assert.deepEqual([...at.answers.values()], ['STOPPING']);
});

test('what is no policy is said in words', () => {
  for (const sync of ['write', 'never', { everyMs: 1 }, { everyMs: 1_000 }]) assert.equal(syncProblem(sync), null);
  for (const sync of ['always', null, undefined, {}, { everyMs: 0 }, { everyMs: 1.5 }, { everyMs: 1_001 }, 5])
    assert.match(syncProblem(sync)!, /neither 'write' nor 'never' nor/);
});

test('in any order of turns: told in order and only what is on the disk, everything answered once', () => {
  const policy = fc.constantFrom<SyncPolicy>('write', 'never', { everyMs: 5 }, { everyMs: 50 });
  const step = fc.oneof(
    { weight: 4, arbitrary: policy },
    { weight: 3, arbitrary: fc.constant('turn' as const) },
    { weight: 2, arbitrary: fc.constant('flush' as const) },
    { weight: 1, arbitrary: fc.constantFrom('pass' as const, 'hurry' as const, 'after' as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const at = world();
      for (const one of steps)
        if (one === 'turn') at.turn();
        else if (one === 'flush') at.clock.pass(0);
        else if (one === 'pass') at.clock.pass(7);
        else if (one === 'hurry') at.log.hurry();
        else if (one === 'after') at.log.afterAll('write', () => {});
        else at.change(one);
      at.settle();
      at.clock.pass(replicaLogLimits.patienceMsMax);
      at.settle();
      const all = Array.from({ length: at.made() }, (_, n) => n);
      assert.deepEqual(at.told, all);
      assert.equal(at.answers.size, all.length);
      assert.deepEqual([at.log.written, at.log.isFull], [all.length, false]);
    }),
    { numRuns: 300 },
  );
});
