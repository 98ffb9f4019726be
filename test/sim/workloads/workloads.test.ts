// Every workload is content with a register that does what it says, and notices one that does not.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { works } from '../../../sim/index.ts';
import { Trace } from '../../../sim/trace.ts';
import { wrongList } from '../../../sim/workloads/append.ts';
import { wrongBalances } from '../../../sim/workloads/bank.ts';
import { type Work, Workload } from '../../../sim/workloads/index.ts';
import { countIsWrong } from '../../../sim/workloads/job.ts';
import { World } from '../../../sim/world.ts';
import { type Bug, Twin } from './twin.ts';

const verdictOf = (work: Work, bug: Bug, seed = 1): string | null => {
  const world = new World(seed, new Trace());
  const workload = new Workload(world, [new Twin(world, bug).asNode()], {
    ...{ clients: 6, keys: 2, thinkMs: 20, timeoutMs: 100, operationsMax: 80, groups: ['kv'], paddingBytes: 3 },
    works: [work, ...(work === 'watch' ? (['watch', 'register', 'counter'] as const) : [])],
  });
  workload.start();
  world.run(60_000);
  workload.stop();
  world.run(60_000, () => workload.open === 0);
  assert.equal(workload.open, 0);
  workload.audit();
  world.run(30_000, () => workload.isAudited);
  assert.ok(workload.isAudited || bug !== 'none');
  return workload.verdict();
};

describe('a register that does what it says', () => {
  for (const work of works)
    test(`is good enough for ${work}`, () => {
      for (const seed of [1, 2, 3]) assert.equal(verdictOf(work, 'none', seed), null);
    });
});

describe('a register that does not', () => {
  const caught: [Work, Bug, RegExp][] = [
    ['counter', 'lost', /increments of counter\d: \d+ were acknowledged, but only \d+ happened/],
    ['counter', 'unconditional', /were acknowledged, but only/],
    ['append', 'lost', /was acknowledged before somebody read|one read/],
    ['append', 'unconditional', /one read|was acknowledged before/],
    ['tally', 'lost', /under idempotency keys: \d+ were acknowledged, but only/],
    ['tally', 'twice', /under idempotency keys: \d+ happened, but only/],
    ['lock', 'unfenced', /two holders of lock\d were told that they wrote/],
    ['brief', 'undead', /was over at .* and is read again at/],
    ['watch', 'deaf', /n1 told \d+ of \d+ events/],
    ['queue', 'leaky', /is lost|and is both/],
    ['topic', 'leaky', /is lost|and is message|is said to|was to come/],
    ['queue', 'stubborn', /given out|acknowledged twice/],
  ];
  for (const [work, bug, explained] of caught)
    test(`${bug}: ${work} notices`, () => {
      assert.match(verdictOf(work, bug) ?? 'nothing', explained);
    });
});

test('lists: the beginning of one is the other, nothing twice, nothing missing, nothing from nobody', () => {
  const list = (texts: string[], acknowledged: string[], unknown: string[] = []) =>
    wrongList({ acknowledged, unknown: new Set(unknown), readings: texts.map((text) => ({ text, acknowledged: 0 })) });
  assert.equal(list(['', 'a', 'a b', 'a b'], ['a'], ['b']), null);
  assert.match(list(['a', 'ab c'], ['a', 'ab', 'c']) ?? '', /one read 'ab c', another 'a'/);
  assert.match(list(['b a', 'a b'], ['a', 'b']) ?? '', /another/);
  assert.match(list(['a b a'], ['a', 'b']) ?? '', /twice/);
  assert.match(list(['a x'], ['a']) ?? '', /nobody appended x/);
  const readings = [{ text: 'a', acknowledged: 2 }];
  assert.match(wrongList({ acknowledged: ['a', 'b'], unknown: new Set(), readings }) ?? '', /b was acknowledged before/);
});

test('balances add up', () => {
  assert.equal(wrongBalances(null), null);
  assert.equal(wrongBalances('[20,20,20,20,20]'), null);
  assert.match(wrongBalances('[20,20,20,20,21]') ?? '', /is 101 in all, not 100/);
  assert.match(wrongBalances('[-1,41,20,20,20]') ?? '', /in debt/);
});

test('effects: those that were acknowledged, and some of the unknown', () => {
  assert.equal(countIsWrong('x', 3, 3, 0), null);
  assert.equal(countIsWrong('x', 5, 3, 2), null);
  assert.match(countIsWrong('x', 2, 3, 2) ?? '', /only 2 happened/);
  assert.match(countIsWrong('x', 6, 3, 2) ?? '', /6 happened/);
});
