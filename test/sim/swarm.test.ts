// Whole clusters on virtual time: seeds hold, repeat themselves, and catch what is planted.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runSeed, runTwice, scenarios } from '../../sim/index.ts';

describe('seeds', () => {
  for (let seed = 1; seed <= 12; seed++)
    test(`seed ${seed} holds`, () => {
      const { verdict, reason } = runSeed(seed, { timeMs: 4_000 });
      assert.equal(verdict, 'held', reason);
    });
});

describe('scenarios', () => {
  for (const { name, faults } of scenarios)
    test(`${name} holds`, () => {
      const { verdict, reason } = runSeed(7, { faults, nodes: 3, timeMs: 3_000 });
      assert.equal(verdict, 'held', reason);
    });
});

test('a seed is the same run again, whatever ran before it', () => {
  for (const seed of [11, 13]) {
    const twice = runTwice(seed, { timeMs: 4_000 });
    assert.ok(twice.same, twice.same ? '' : `line ${twice.line}: ${twice.first} / ${twice.second}`);
    assert.ok(twice.result.steps > 500);
  }
});

test('different seeds are different runs', () => {
  const hashes = new Set(Array.from({ length: 5 }, (_, at) => runSeed(30 + at, { timeMs: 500 }).hash));
  assert.equal(hashes.size, 5);
});

test('a disk that says it synced and did not is caught', () => {
  const verdicts = Array.from({ length: 8 }, (_, at) =>
    runSeed(at + 1, { planted: 'lying-disk', faults: ['power-loss-all', 'kill'], nodes: 3, timeMs: 15_000 }),
  );
  assert.ok(verdicts.some(({ verdict }) => verdict === 'correctness'));
});

test('a vote that is not on the disk when it is given is caught', () => {
  const verdicts = Array.from({ length: 8 }, (_, at) =>
    runSeed(at + 1, { planted: 'forgotten-vote', faults: ['kill', 'power-loss', 'isolate-leader'], nodes: 3, timeMs: 6_000 }),
  );
  assert.ok(verdicts.some(({ verdict }) => verdict === 'correctness'));
});
