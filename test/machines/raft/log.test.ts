// The log in memory against a plain list of all entries ever appended, and its refusals.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvariantBroken } from '../../../machines/raft/invariants.ts';
import { entryBytes, RaftLog } from '../../../machines/raft/log.ts';
import type { Entry } from '../../../machines/raft/types.ts';

const entry = (index: number, term: number, bytes = 1): Entry => ({
  ...{ index, term, kind: 'command', timeMs: index, data: new Uint8Array(bytes) },
});

type Step = { do: 'append'; rise: number; bytes: number } | { do: 'truncate'; at: number } | { do: 'compact'; at: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('append' as const), rise: fc.nat(2), bytes: fc.nat(50) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('truncate' as const), at: fc.nat(100) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const), at: fc.nat(100) }) },
  ),
  { maxLength: 40 },
);

/** The twin: entry i at place i - 1, and how many at the front are not to be asked for. */
class Twin {
  all: Entry[] = [];
  dropped = 0;
}

const play = (log: RaftLog, twin: Twin, step: Step): void => {
  const kept = twin.all.length - twin.dropped;
  if (step.do === 'append') {
    const added = entry(twin.all.length + 1, (twin.all.at(-1)?.term ?? 1) + step.rise, step.bytes);
    log.append([added]);
    twin.all.push(added);
  } else if (kept > 0 && step.do === 'truncate') {
    const from = twin.dropped + 1 + (step.at % kept);
    log.truncateFrom(from);
    twin.all.length = from - 1;
  } else if (kept > 0) {
    const to = twin.dropped + 1 + (step.at % kept);
    log.compactTo(to);
    twin.dropped = to;
  }
};

const compare = (log: RaftLog, { all, dropped }: Twin): void => {
  assert.deepEqual([log.firstIndex, log.lastIndex], [dropped + 1, all.length]);
  assert.equal(log.lastTerm, all.at(-1)?.term ?? 0);
  assert.equal(log.lastTimeMs, all.at(-1)?.timeMs ?? 0);
  for (let index = 0; index <= all.length + 1; index++) {
    const known = index >= dropped && index <= all.length;
    const term = index === 0 ? 0 : all[index - 1]?.term;
    assert.equal(log.termAt(index), known ? term : undefined, `term at ${index}`);
    assert.equal(log.entryAt(index), index > dropped ? all[index - 1] : undefined, `entry at ${index}`);
  }
};

test('appending, truncating and compacting are those of a list', () => {
  fc.assert(
    fc.property(steps, (given) => {
      const log = new RaftLog(null, []);
      const twin = new Twin();
      for (const step of given) {
        play(log, twin, step);
        compare(log, twin);
      }
    }),
  );
});

test('a slice holds at least one entry and no more than fits', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(60), { minLength: 1, maxLength: 20 }), fc.nat(400), fc.nat(19), (sizes, bytesMax, start) => {
      const log = new RaftLog(
        null,
        sizes.map((bytes, at) => entry(at + 1, 1, bytes)),
      );
      const from = 1 + (start % sizes.length);
      const slice = log.slice(from, log.lastIndex, bytesMax);
      const bytes = slice.reduce((sum, one) => sum + entryBytes(one), 0);
      assert.deepEqual(
        slice.map((one) => one.index),
        slice.map((_, at) => from + at),
      );
      assert.ok(slice.length === 1 || (slice.length > 1 && bytes <= bytesMax));
      const next = log.entryAt(from + slice.length);
      assert.ok(next === undefined || bytes + entryBytes(next) > bytesMax);
    }),
  );
});

test('backtracking finds the last index whose term is not later, as a scan does', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2), { maxLength: 20 }), fc.nat(25), fc.nat(30), fc.nat(20), (rises, index, term, compact) => {
      let last = 1;
      const entries = rises.map((rise, at) => entry(at + 1, (last += rise)));
      const log = new RaftLog(null, entries);
      const base = Math.min(compact, entries.length);
      if (base > 0) log.compactTo(base);
      const from = Math.min(index, log.lastIndex);
      const expected = entries.findLastIndex((one) => one.index <= from && one.term <= term) + 1;
      assert.equal(log.lastIndexWithTermAtMost(index, term), from < base ? from : Math.max(base, expected));
    }),
  );
});

test('up-to-date compares terms before lengths (Raft §5.4.1)', () => {
  const log = new RaftLog(null, [entry(1, 1), entry(2, 3)]);
  assert.equal(log.isUpToDate(9, 2), false, 'a longer log of an older term is behind');
  assert.equal(log.isUpToDate(1, 4), true, 'a shorter log of a later term is ahead');
  assert.equal(log.isUpToDate(2, 3), true);
  assert.equal(log.isUpToDate(1, 3), false);
});

test('gaps, falling terms and touching what is compacted break an invariant, by name', () => {
  const log = new RaftLog(null, [entry(1, 2), entry(2, 2), entry(3, 2)]);
  const broken = (invariant: string) => (error: unknown) => error instanceof InvariantBroken && error.invariant === invariant;
  assert.throws(() => log.append([entry(5, 2)]), broken('log-dense'));
  assert.throws(() => log.append([entry(4, 1)]), broken('log-terms'));
  log.compactTo(2);
  assert.throws(() => log.truncateFrom(2), broken('log-truncate'));
  assert.throws(() => log.compactTo(9), broken('log-compact'));
});
