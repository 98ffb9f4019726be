// Scenarios are what they say, and hold.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { faults, runSeed, scenarios } from '../../sim/index.ts';

const names = scenarios.map(({ name }) => name);

test('every scenario has a name of its own and a file that begins with its sentence', () => {
  assert.equal(new Set(names).size, names.length);
  for (const { name, sentence } of scenarios) {
    const source = readFileSync(new URL(`../../sim/scenarios/${name}.ts`, import.meta.url), 'utf8');
    assert.equal(source.split('\n')[0], `// ${sentence}`);
  }
});

test('every fault is part of a scenario besides the one that has them all', () => {
  const used = new Set(scenarios.filter(({ name }) => name !== 'all-at-once').flatMap((scenario) => scenario.faults));
  assert.deepEqual(
    faults.filter((fault) => !used.has(fault)),
    [],
  );
});

test('a name that is none is refused', () => {
  assert.throws(() => runSeed(1, { scenario: 'nonsense' }), /there is no scenario 'nonsense'/);
});

describe('scenarios', () => {
  for (const { name, faults } of scenarios)
    test(`${name} holds and shows what it is about`, () => {
      const shown = new Set<string>();
      for (const seed of [7, 8]) {
        const { verdict, reason, done } = runSeed(seed, { scenario: name, nodes: 3, clients: 3, timeMs: 4_000 });
        assert.equal(verdict, 'held', `seed ${seed}: ${reason}`);
        for (const fault of Object.keys(done)) shown.add(fault);
      }
      assert.ok(shown.size >= Math.min(2, faults.length), [...shown].join());
    });
});
