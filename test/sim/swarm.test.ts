// Whole clusters on virtual time: seeds hold, repeat themselves, and catch what is planted.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type RunOptions, runSeed, runTwice } from '../../sim/index.ts';

describe('seeds', () => {
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12])
    test(`seed ${seed} holds`, () => {
      const { verdict, reason } = runSeed(seed, { timeMs: 4_000 });
      assert.equal(verdict, 'held', reason);
    });
});

test('a seed is the same run again, whatever ran before it, and holds', () => {
  for (const seed of [11, 13]) {
    const twice = runTwice(seed, { timeMs: 4_000 });
    assert.ok(twice.same, twice.same ? '' : `line ${twice.line}: ${twice.first} / ${twice.second}`);
    assert.ok(twice.result.steps > 500);
    assert.equal(twice.result.verdict, 'held', `seed ${seed}: ${twice.result.reason}`);
  }
});

test('a fault that is left out moves no other, and fewer calls are the first ones', () => {
  const options: RunOptions = {
    nodes: 3,
    clients: 3,
    works: ['register'],
    timeMs: 10_000,
    // None that looks for the leader, who is another when something else is left out.
    faults: ['reset', 'clock-jump', 'pause', 'slow-process'],
  };
  for (const seed of [2, 6]) {
    const all = runSeed(seed, options);
    assert.ok(all.faults.length > 2, `${all.faults.length} faults`);
    const gone = all.faults[1]!.number;
    const fewer = runSeed(seed, { ...options, without: [gone] });
    const timed = ({ faults }: typeof all) => faults.map(({ number, fault, where }) => `${number} ${fault} ${where}`);
    assert.deepEqual(
      timed(fewer),
      timed(all).filter((line) => !line.startsWith(`${gone} `)),
    );
    const short = runSeed(seed, { ...options, clients: 2, operations: 4 });
    assert.equal(short.operations, 8);
    assert.deepEqual(timed(short), timed(all));
  }
});

test('different seeds are different runs', () => {
  const hashes = new Set(Array.from({ length: 5 }, (_, at) => runSeed(30 + at, { timeMs: 500 }).hash));
  assert.equal(hashes.size, 5);
});

/** By one of the first eight seeds. */
const isCaught = (options: RunOptions): boolean =>
  [1, 2, 3, 4, 5, 6, 7, 8].some((seed) => runSeed(seed, options).verdict === 'correctness');

test('a disk that says it synced and did not is caught', () => {
  assert.ok(isCaught({ planted: 'lying-disk', faults: ['power-loss-all', 'kill'], nodes: 3, timeMs: 15_000 }));
});

test('a vote that is not on the disk when it is given is caught', () => {
  assert.ok(isCaught({ planted: 'forgotten-vote', faults: ['kill', 'power-loss', 'isolate-leader'], nodes: 3, timeMs: 6_000 }));
});

test('a disk that forgets in silence what it promised is named by a leader, and nothing is lost', () => {
  const results = Array.from({ length: 12 }, (_, at) =>
    runSeed(at + 9, { faults: ['dropped-tail', 'pause'], nodes: 3, timeMs: 3_000, linesMax: 500_000 }),
  );
  for (const { seed, verdict, reason } of results) assert.equal(verdict, 'held', `seed ${seed}: ${reason}`);
  const named = /LOG_REGRESSED n\d acknowledged \d+ and now holds \d+/;
  assert.ok(results.some(({ lines }) => lines.some((line) => named.test(line))));
});

test('a damaged disk is named by whoever starts on it', () => {
  const named = [1, 2, 3, 4].flatMap((seed) => {
    const options = {
      faults: ['bit-rot', 'misdirected-value', 'lost-value'] as const,
      nodes: 3,
      timeMs: 4_000,
      linesMax: 500_000,
    };
    const { verdict, reason, lines, faults } = runSeed(seed, { ...options, clients: 2, works: ['register'] });
    assert.equal(verdict, 'held', reason);
    return faults.length === 0 ? [] : [lines.some((line) => line.includes('LOG_CORRUPT'))];
  });
  assert.ok(named.includes(true), `${named.length} runs`);
});
