// Every night in small: many short seeds on all cores, and every seed that ever failed (test/sim/seeds.json), so that what was
// mended stays mended. An entry is {"seed": 17, "options": {…}, "found": "what it once found"}; options are those of `runSeed`
// (sim/swarm.ts) that are plain data, or of a mesh: {"scenario": "mesh", …}.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { describe, test } from 'node:test';
import type { AnySeedOptions, SeedOptions } from '../../src/cli/sim/options.ts';
import { Pool } from '../../src/cli/sim/pool.ts';
import { type Outcome, runOutcomeOf } from '../../src/cli/sim/run.ts';

type Kept = { readonly seed: number; readonly options: AnySeedOptions; readonly found: string };

const names: ReadonlySet<string> = new Set<keyof SeedOptions>([
  ...(['scenario', 'faults', 'works', 'nodes', 'clients', 'operations', 'without', 'timeMs', 'planted'] as const),
]);

const kept = JSON.parse(readFileSync(new URL('seeds.json', import.meta.url), 'utf8')) as Kept[];

const failuresOf = async (from: number, to: number, options: SeedOptions): Promise<string[]> => {
  let seed = from;
  const failures: string[] = [];
  let done = 0;
  const pool = new Pool({
    ...{ options, isTwice: false, workers: Math.min(4, availableParallelism()) },
    next: () => (seed <= to ? seed++ : null),
    onResult(outcome: Outcome) {
      done++;
      if (outcome.verdict !== 'held') failures.push(`seed ${outcome.seed}: ${outcome.verdict}: ${outcome.reason}`);
    },
  });
  await pool.run();
  assert.equal(done, to - from + 1);
  return failures;
};

// Those before them live longer in swarm.test.ts.
test('seeds 14 to 100, each for a short time, hold', async () => {
  assert.deepEqual(await failuresOf(14, 100, { timeMs: 1_500, operations: 100 }), []);
});

describe('seeds that failed once', () => {
  for (const { seed, options, found } of kept)
    test(`seed ${seed}: ${found}`, () => {
      assert.ok(Number.isSafeInteger(seed) && seed >= 0 && found.length > 0);
      for (const name of Object.keys(options)) assert.ok(names.has(name), `there is no option '${name}'`);
      const { verdict, reason } = runOutcomeOf(seed, options, false);
      assert.equal(verdict, 'held', reason);
    });
});
