// Every mutant fits the source as it is, and the cheapest are found at once. `npm run mutants` hunts them all.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { describe, test } from 'node:test';
import { mutants } from './bugs/index.ts';
import { hunt, LawsUnread } from './hunt.ts';
import { type Mutant, MutantUnfit, mutate } from './mutant.ts';
import { mutated } from './plant.ts';

const named = (name: string): Mutant => mutants.find((mutant) => mutant.name === name)!;

test('mutants have names of their own, and sentences', () => {
  assert.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length);
  for (const { name, sentence } of mutants) {
    assert.match(name, /^[a-z]+(-[a-z]+)*$/);
    assert.match(sentence, /^[A-Z].*\.$/, name);
  }
});

test('every mutant fits the source, and is a program', () => {
  for (const mutant of mutants)
    for (const [file, text] of mutated(mutant)) {
      assert.notEqual(text, readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8'));
      // Throws where the text is no TypeScript.
      assert.doesNotThrow(() => stripTypeScriptTypes(text), `${mutant.name} in ${file}`);
    }
});

test('a mutant that the source has left behind is named', () => {
  const edits: Mutant['edits'] = [{ file: 'machines/raft/log.ts', find: 'once', replace: 'never' }];
  const mutant: Mutant = { name: 'left-behind', sentence: 'It is gone.', from: 'own-history', edits };
  assert.throws(() => mutate(mutant, 'machines/raft/log.ts', 'twice, twice'), MutantUnfit);
  assert.throws(() => mutate(mutant, 'machines/raft/log.ts', 'once and once'), /mutant 'left-behind' .* occurs 2 times/);
});

const unlawful = (laws: string): Mutant => ({
  ...{ name: 'unlawful', sentence: 'Nobody judges it.', from: 'own-history', hunted: { laws } },
  edits: [{ file: 'machines/random.ts', find: 'export const', replace: 'export let' }],
});

test('a mutant whose tests no copy has is named, and not found', () => {
  for (const laws of ['nowhere', 'actors/nowhere', 'sim/actors'])
    assert.throws(() => mutated(unlawful(laws)), /mutant 'unlawful' is hunted by test\/.*, which no copy of the source has/);
});

test('tests that cannot be run find nothing', async () => {
  // It imports what no copy has.
  const hunting = hunt(
    null,
    { first: 1, last: 1, timeMs: 1, laws: 'test/actors/services.test.ts' },
    AbortSignal.timeout(60_000),
  );
  await assert.rejects(hunting, LawsUnread);
});

describe('found at once', () => {
  for (const name of ['counts-unsynced', 'window-leak', 'siblings-kept', 'set-by-arrival'])
    test(name, async () => {
      const { kill } = await hunt(named(name), { first: 1, last: 20, timeMs: 5_000 }, AbortSignal.timeout(120_000));
      assert.notEqual(kill, null);
    });
});
