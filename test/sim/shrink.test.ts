// A failure is made as small as it can be, stays the same failure, and repeats.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HistoryEvent } from '../../sim/checkers/index.ts';
import {
  failureKind,
  type RunOptions,
  type RunResult,
  runSeed,
  type ShrinkLimits,
  type ShrinkStep,
  type Shrunk,
  shrink,
} from '../../sim/index.ts';
import { countsBelow } from '../../sim/shrink.ts';

const base = runSeed(1, { timeMs: 100, faults: [], clients: 1, nodes: 1 });

/** A simulator in a few lines: nine clients with 40 calls each and 30 faults, and a failure that needs what `fails` says. */
const runWith =
  (fails: (options: RunOptions, faults: ReadonlySet<number>) => string | null) =>
  (seed: number, options: RunOptions): RunResult => {
    const without = new Set(options.without);
    const numbers = Array.from({ length: 30 }, (_, number) => number).filter((number) => !without.has(number));
    const clients = options.clients ?? 9;
    const nodes = options.nodes ?? 5;
    const history = Array.from({ length: clients * (options.operations ?? 40) }, (_, at): HistoryEvent => {
      return { process: at % Math.max(1, clients), type: 'invoke', f: 'read', key: 'k', value: null, time: at };
    });
    const reason = fails({ ...options, clients, nodes }, new Set(numbers));
    return {
      ...base,
      ...{ seed, reason: reason ?? '', verdict: reason === null ? 'held' : 'correctness', history },
      ...{ virtualMs: options.timeMs ?? 20_000, knobs: { ...base.knobs, nodes, clients } },
      faults: numbers.map((number) => ({ number, fault: 'kill', atMs: number, untilMs: null, where: 'n1' })),
    };
  };

const shrunk = (run: NonNullable<ShrinkLimits['run']>, limits: ShrinkLimits = {}): { end: Shrunk; steps: ShrinkStep[] } => {
  const steps: ShrinkStep[] = [];
  const going = shrink(run(1, {}), {}, { run, ...limits });
  for (;;) {
    const step = going.next();
    if (step.done === true) return { end: step.value, steps };
    steps.push(step.value);
  }
};

const needs = runWith(({ nodes, clients, timeMs = 20_000, operations = 40 }, faults) =>
  nodes! >= 3 && clients! >= 2 && operations >= 5 && timeMs >= 3_000 && faults.has(7) && faults.has(19)
    ? `log-matching of 'kv': n${nodes} has ${operations} at 12`
    : null,
);

test('what the failure does not need is left out, all of it', () => {
  const { end, steps } = shrunk(needs);
  assert.deepEqual(
    end.result.faults.map(({ number }) => number),
    [7, 19],
  );
  const { nodes, clients, operations, timeMs } = end.options;
  assert.deepEqual([nodes, clients, operations], [3, 2, 5]);
  assert.ok(timeMs! >= 3_000 && timeMs! < 3_400, `${timeMs} ms`);
  assert.ok(end.isMinimal);
  assert.deepEqual([end.before.faults, end.after.faults, end.before.clients, end.after.clients], [30, 2, 9, 2]);
  assert.equal(end.runs, steps.length);
  assert.ok(end.runs < 150, `${end.runs} runs`);
  // Whoever stops in the middle has the smallest so far, and it fails.
  for (const { options, result } of steps) assert.equal(needs(1, options).reason, result.reason);
});

test('a smaller run that fails in another way is not the same failure', () => {
  const { end } = shrunk(
    runWith((_, faults) => (faults.has(3) ? "log-matching of 'kv': …" : faults.has(4) ? "election-safety of 'kv': …" : null)),
  );
  assert.deepEqual(
    end.result.faults.map(({ number }) => number),
    [3],
  );
  assert.match(end.result.reason, /^log-matching/);
});

test('runs are limited', () => {
  const { end } = shrunk(needs, { runsMax: 10 });
  assert.deepEqual([end.runs, end.isMinimal], [10, false]);
  assert.equal(end.result.verdict, 'correctness');
});

test('nothing to leave out, and nothing that failed', () => {
  const { end } = shrunk(runWith(() => "log-matching of 'kv': always"));
  assert.deepEqual([end.after.faults, end.after.clients, end.after.nodes], [0, 1, 1]);
  assert.throws(() => shrink(base, {}).next(), /seed 1 holds/);
});

test('a failure is known by its kind, not by its numbers', () => {
  const kind = (verdict: RunResult['verdict'], reason: string): string => failureKind({ verdict, reason });
  assert.equal(
    kind('correctness', "durable-kept of 'kv': 7 of n1"),
    kind('correctness', "durable-kept of 'kv': 9 of n3\nmore"),
  );
  assert.equal(
    kind('correctness', 'Key "k1" is not linearizable.\nThese 3 operations'),
    kind('correctness', 'Key "<x>" is not linearizable.\nThis one'),
  );
  assert.equal(
    kind('liveness', 'n1 serves a write: not within 60000 ms; a'),
    kind('liveness', 'n3 serves a write: not within 60000 ms; b'),
  );
  assert.notEqual(kind('liveness', 'the cluster forms: …'), kind('liveness', 'n1 serves a write: …'));
  assert.notEqual(kind('correctness', "durable-kept of 'kv': …"), kind('correctness', "durable-kept of 'other': …"));
  assert.notEqual(kind('crash', 'n1: TypeError: a is null'), kind('crash', 'n1: RangeError: b'));
});

test('counts grow until what there is', () => {
  assert.deepEqual(countsBelow(1), []);
  assert.deepEqual(countsBelow(4), [1, 2, 3]);
  const many = countsBelow(10_000);
  assert.ok(many.length < 40 && many.at(-1)! < 10_000 && many.every((count, at) => at === 0 || count > many[at - 1]!));
});

test('a planted bug among nine clients and a dozen faults becomes one that can be understood, and repeats', () => {
  const options: RunOptions = {
    ...{ planted: 'forgotten-vote', clients: 9, timeMs: 6_000 },
    faults: ['reset', 'clock-jump', 'slow-network', 'pause', 'slow-disk', 'one-way', 'transfer', 'partition', 'kill'],
  };
  let failing = runSeed(1, options);
  for (let seed = 2; failing.verdict === 'held' || failing.faults.length < 8 || failing.steps > 20_000; seed++) {
    assert.ok(seed < 60, 'no seed finds what is planted');
    failing = runSeed(seed, options);
  }
  let end: Shrunk | null = null;
  for (const going = shrink(failing, options, { runsMax: 60 }); end === null; ) {
    const step = going.next();
    if (step.done === true) end = step.value;
  }
  assert.ok(end.after.faults <= 3, `${end.after.faults} faults`);
  assert.ok(end.after.calls <= 10, `${end.after.calls} calls`);
  const again = runSeed(failing.seed, end.options);
  assert.deepEqual([again.hash, again.reason], [end.result.hash, end.result.reason]);
  assert.equal(failureKind(again), failureKind(failing));
});
