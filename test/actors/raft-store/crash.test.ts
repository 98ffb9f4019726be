// A crash keeps a prefix of the batches, each whole (decision 12): after every prefix of what a random life of a group wrote, a
// restart gives back exactly what a dumb twin holds at that point.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Entry, HardState, SnapshotMeta } from '../../../machines/raft/types.ts';
import { contentsAfter } from '../../ports/memory-storage.ts';
import { bytes, entry, formed, genesis, keyspaceOf, metaAt, type Running, reopen, running, text } from './world.ts';

type Twin = {
  hardState: HardState;
  base: SnapshotMeta;
  entries: Entry[];
  applied: number;
  keyspace: Map<string, string>;
};

const lastIndex = (twin: Twin): number => twin.entries.at(-1)?.index ?? twin.base.index;
const lastTerm = (twin: Twin): number => twin.entries.at(-1)?.term ?? twin.base.term;
const entryAt = (twin: Twin, index: number): Entry | undefined => twin.entries.find((one) => one.index === index);

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      count: fc.integer({ min: 1, max: 5 }),
      bytes: fc.constantFrom(1, 30, 600_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('replace' as const), back: fc.nat(6), count: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('apply' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drop' as const), back: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('vote' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('stage' as const),
      records: fc.integer({ min: 0, max: 5 }),
      whole: fc.boolean(),
      ahead: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** Appends `count` entries after `from`, in the twin and as a persist effect; anything from there on is replaced. */
const append = (twin: Twin, from: number, count: number, size: number): { hardState: HardState | null; entries: Entry[] } => {
  twin.entries = twin.entries.filter((one) => one.index <= from);
  const term = Math.max(twin.hardState.term, 1);
  const hardState = term === twin.hardState.term ? null : { term, vote: null };
  const data = 'x'.repeat(size);
  const entries = [...Array(count).keys()].map((at) => entry(from + 1 + at, term, data, at % 3 === 2 ? 'noop' : 'command'));
  twin.entries.push(...entries);
  twin.hardState = hardState ?? twin.hardState;
  return { hardState, entries };
};

/** One step of the life: changes the twin and writes to the store. */
const live = (one: Step, twin: Twin, at: Running): void => {
  const { store } = at;
  switch (one.do) {
    case 'append':
      return at.write(store.persist({ ...append(twin, lastIndex(twin), one.count, one.bytes), snapshot: null }));
    case 'replace': {
      // A new leader's entries replace what is not committed; applied ones never.
      const from = Math.max(twin.applied, twin.base.index, lastIndex(twin) - one.back);
      const term = twin.hardState.term + 1;
      twin.hardState = { term, vote: 'b' };
      const { entries } = append(twin, from, one.count, 10);
      return at.write(store.persist({ hardState: twin.hardState, entries, snapshot: null }));
    }
    case 'apply': {
      const to = Math.min(twin.applied + one.count, lastIndex(twin));
      if (to === twin.applied) return;
      const writes = [];
      for (let index = twin.applied + 1; index <= to; index++) {
        const key = `k${index % 4}`;
        const value = index % 5 === 0 ? null : `v${index}`;
        value === null ? twin.keyspace.delete(key) : twin.keyspace.set(key, value);
        writes.push({ key: bytes(key), value: value === null ? null : bytes(value) });
      }
      twin.applied = to;
      return at.write(store.stateOperations(writes, to, 1_000 + to), false);
    }
    case 'drop': {
      const index = Math.max(twin.base.index, twin.applied - one.back);
      const term = index === twin.base.index ? twin.base.term : entryAt(twin, index)!.term;
      twin.base = metaAt(index, term);
      twin.entries = twin.entries.filter((kept) => kept.index > index);
      return at.write(store.dropLog(twin.base), false);
    }
    case 'vote':
      twin.hardState = { term: twin.hardState.term + 1, vote: 'c' };
      return at.write(store.persist({ hardState: twin.hardState, entries: [], snapshot: null }));
    case 'stage': {
      const staging = store.beginStaging();
      const records = [...Array(one.records).keys()].map((n): [Uint8Array, Uint8Array] => [
        bytes(`s${n}`),
        bytes(`g${staging.generation}`),
      ]);
      for (const record of records) at.write(staging.operations([record]), false);
      if (!one.whole) return store.sweep();
      store.useStaged(staging.generation);
      const meta = metaAt(lastIndex(twin) + one.ahead, Math.max(lastTerm(twin), twin.hardState.term));
      twin.base = meta;
      twin.entries = [];
      twin.applied = meta.index;
      twin.keyspace = new Map(records.map(([key, value]) => [text(key), text(value)]));
      return at.write(store.persist({ hardState: null, entries: [], snapshot: meta }));
    }
    case 'restart':
      return;
  }
};

const copyOf = (twin: Twin): Twin => ({ ...twin, entries: [...twin.entries], keyspace: new Map(twin.keyspace) });

const plain = (entries: readonly Entry[]): unknown[] =>
  entries.map(({ data, ...rest }) => ({ ...rest, data: text(data).length + text(data).slice(0, 9) }));

const assertTwin = (opened: ReturnType<typeof reopen>, twin: Twin): void => {
  const { store, restored } = running(opened);
  assert.deepEqual(restored.hardState, twin.hardState);
  assert.deepEqual(restored.snapshot, twin.base);
  assert.deepEqual(plain(restored.entries), plain(twin.entries));
  assert.equal(restored.applied, twin.applied);
  assert.equal(restored.restarted, twin.hardState.term > 0);
  assert.deepEqual(new Map(keyspaceOf(opened, store)), twin.keyspace);
};

/** A batch that touches the group's own records is the step itself; others stage or sweep and change nothing that is seen. */
const isStep = (operations: readonly { key: Uint8Array }[]): boolean =>
  operations.some(({ key }) => text(key).startsWith('g/'));

const freshTwin = (): Twin => ({
  hardState: { term: 0, vote: null },
  base: genesis,
  entries: [],
  applied: 0,
  keyspace: new Map(),
});

test('every prefix of the batches gives back the twin of that moment', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const twin = freshTwin();
      let at = formed();
      let start = at.storage.contents();
      /** What a crash after each batch since `start` must give back. */
      let moments: Twin[] = [copyOf(twin)];
      const crashEverywhere = (): void => {
        for (let length = 0; length < moments.length; length++)
          assertTwin(reopen(contentsAfter(start, at.storage.batches.slice(0, length))), moments[length]!);
      };
      for (const one of steps) {
        const before = copyOf(twin);
        live(one, twin, at);
        at.clock.pass(1_000);
        let now = before;
        for (const { operations } of at.storage.batches.slice(moments.length - 1)) {
          if (isStep(operations)) now = copyOf(twin);
          moments.push(now);
        }
        if (one.do !== 'restart') continue;
        crashEverywhere();
        start = at.storage.contents();
        at = running(reopen(start));
        at.clock.pass(1_000);
        moments = [...at.storage.batches.map(() => copyOf(twin)), copyOf(twin)];
      }
      crashEverywhere();
    }),
    { numRuns: 60 },
  );
});

test('merged into few batches, the same life ends the same', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const twin = freshTwin();
      const at = formed();
      const merged: Running = {
        ...at,
        write: (operations, durable = true) => at.writer.write(operations, { durable }, () => {}),
      };
      for (const one of steps) live(one, twin, merged);
      assert.deepEqual(new Map(keyspaceOf(at, at.store)), twin.keyspace);
      at.clock.pass(1_000);
      assertTwin(reopen(at.storage.contents()), twin);
    }),
    {
      numRuns: 60,
      // What is left of a batch after a truncation lay wholly before the base: the restart found a contradiction.
      examples: [
        [
          [
            { do: 'replace', back: 0, count: 2 },
            { do: 'apply', count: 1 },
            { do: 'drop', back: 0 },
            { do: 'replace', back: 1, count: 1 },
          ],
        ],
      ],
    },
  );
});

test('after a life with snapshots only the current generation is left', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const twin = freshTwin();
      const at = formed();
      for (const one of steps) live(one, twin, at);
      const again = reopen(at.storage.contents());
      again.clock.pass(10_000);
      const records = [...again.storage.contents().keys()].filter((key) => key.startsWith('s/'));
      assert.equal(records.length, twin.keyspace.size);
    }),
    { numRuns: 60 },
  );
});
