// Graphs of a node: what they call, in whose name and with how much time; streams; and what becomes of runs when the actor fails, the
// node stops, or nobody wants them any more.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGraphs, type GraphActorEvent, graphActorLimits, graphAddress } from '../../actors/graph.ts';
import type { GraphOptions } from '../../actors/graph-api.ts';
import { graphCallLimits } from '../../actors/graph-call.ts';
import { createGraphDoor } from '../../actors/graph-door.ts';
import type { CallContext, CallEvents, CallsApi, CallTrail, ServiceCall } from '../../actors/service-api.ts';
import { type Cell, supervise } from '../../actors/supervise.ts';
import type { Entry } from '../../machines/catalog/index.ts';
import { type ErrorCode, type Failure, failure } from '../../machines/errors.ts';
import type { GraphOutcome } from '../../machines/graph/index.ts';
import { createHandClock } from './hand-clock.ts';
import { noDurableRuns } from './no-durable-runs.ts';

type Made = { call: ServiceCall; on: CallEvents; asked: number; isCancelled: boolean };
const trail: CallTrail = { node: 'n2', attempts: 2, isStream: false };

const makeWorld = () => {
  const clock = createHandClock();
  const made: Made[] = [];
  const lines: string[] = [];
  const counts = new Map<string, number>();
  let answerAtOnce: ((call: ServiceCall, on: CallEvents) => void) | null = null;
  let breaks = false;
  const calls: CallsApi = {
    call(call, on) {
      if (breaks) throw new Error('no calls today');
      const one: Made = { call, on, asked: 0, isCancelled: false };
      made.push(one);
      answerAtOnce?.(call, on);
      return {
        cancel() {
          one.isCancelled = true;
          on.end({ ok: false, failure: failure('CANCELLED', 'given up') });
        },
        more(items) {
          one.asked += items;
        },
      };
    },
  };
  const sink = {
    log: (level: string, code: string) => void lines.push(`${level} ${code}`),
    count: (name: string, labels: Record<string, string> = {}) => {
      const series = [name, ...Object.values(labels)].join(' ');
      counts.set(series, (counts.get(series) ?? 0) + 1);
    },
  };
  const methods = {
    m: { input: null, output: null, idempotent: false },
    undo: { input: null, output: null, idempotent: true },
  };
  let isStopping = false;
  let cell: Cell<GraphActorEvent> | null = null;
  const door = createGraphDoor({
    ...{ name: 'n1', clock, graceMs: 1_000 },
    catalog: {
      find: ({ name }) => ({ ok: true, entries: name === 's' ? [{ offer: { methods } } as unknown as Entry] : [] }),
    },
    isStopping: () => isStopping,
    cell: () => cell,
    durable: noDurableRuns,
  });
  const start = (): void => {
    cell = supervise<GraphActorEvent>({
      ...{ address: graphAddress, clock, random: { uint32: () => 0 } as never, sink: sink as never, onChange: () => {} },
      create: (scope) => createGraphs(scope, { clock, sink: sink as never, calls: () => calls, ...door.memory() }),
      undelivered: door.undelivered,
    });
  };
  start();
  const run = (graph: unknown, options: GraphOptions = {}) => {
    const told: string[] = [];
    const ends: ({ ok: true; value: GraphOutcome } | { ok: false; failure: Failure })[] = [];
    const handle = door.api.run(graph, options, {
      step: ({ step, status }) => void told.push(`${step} ${status}`),
      compensated: (step, { status }) => void told.push(`~${step} ${status}`),
      end: (end) => void ends.push(end),
    });
    return {
      ...{ handle, told, ends },
      outcome: (): GraphOutcome => (ends[0]!.ok ? ends[0]!.value : assert.fail(ends[0]!.failure.message)),
      refusal: (): Failure => (ends[0]!.ok ? assert.fail('it ran') : ends[0]!.failure),
    };
  };
  return {
    ...{ clock, made, door, run, counts, lines },
    cell: () => cell!,
    noCell: () => (cell = null),
    stopping: () => (isStopping = true),
    breakCalls: (now: boolean) => (breaks = now),
    answer: (answer: typeof answerAtOnce) => (answerAtOnce = answer),
    /** The nth call that was made ends. */
    ends: (at: number, end: { value: unknown } | ErrorCode) =>
      made[at]!.on.end(
        typeof end === 'string' ? { ok: false, failure: failure(end, 'no') } : { ok: true, value: end.value },
        trail,
      ),
  };
};

const call = { service: 's', method: 'm' };
const undo = { service: 's', method: 'undo' };

test('calls what the graph says, with what is left of its time, and tells each step as it ends', () => {
  const { run, made, ends, clock, counts, door } = makeWorld();
  const graph = {
    steps: {
      a: { ...call, input: 1, version: '^1.0.0', strategy: 'sticky', key: 'k', node: 'n3' },
      b: { ...call, input: { $from: 'a', path: ['x'] }, timeoutMs: 500 },
    },
  };
  const { told, outcome } = run(graph, { principal: 'anna', trace: 't', timeoutMs: 2_000 });
  assert.equal(door.api.running(), 1);
  assert.deepEqual(made[0]!.call, {
    ...{ ...call, input: 1, version: '^1.0.0', strategy: 'sticky', key: 'k', node: 'n3' },
    ...{ timeoutMs: 2_000, principal: 'anna', trace: 't' },
  });
  clock.pass(1_700);
  ends(0, { value: { x: 'X' } });
  assert.deepEqual(told, ['a done']);
  assert.deepEqual(made[1]!.call, { ...call, input: 'X', timeoutMs: 300, principal: 'anna', trace: 't' });
  ends(1, { value: undefined });
  assert.deepEqual(told, ['a done', 'b done']);
  const { a, b } = outcome().steps;
  assert.deepEqual([a!.node, a!.attempts, a!.tookMs, b!.startedMs, b!.result], ['n2', 2, 1_700, 1_700, null]);
  assert.equal(counts.get('graph_runs_total done'), 1);
  assert.equal(counts.get('graph_steps_total done'), 2);
  assert.equal(door.api.running(), 0);
});

test('answers that come at once, on the stack of who calls', () => {
  const { run, answer } = makeWorld();
  answer((_, on) => on.end({ ok: true, value: 1 }));
  const steps = Object.fromEntries(
    Array.from({ length: 20 }, (_, at) => [`s${at}`, { ...call, after: at === 0 ? [] : [`s${at - 1}`] }]),
  );
  assert.equal(run({ steps }).outcome().failure, null);
});

test('what is wrong is said before anything is called', () => {
  const world = makeWorld();
  assert.equal(world.run({ steps: { a: { ...call, after: ['a'] } } }).refusal().code, 'INVALID_REQUEST');
  assert.equal(world.run({ steps: { a: call } }, { timeoutMs: 0 }).refusal().code, 'INVALID_REQUEST');
  assert.equal(world.run(7, { timeoutMs: 5 }).refusal().code, 'INVALID_REQUEST');
  assert.equal(world.run({ steps: { a: { service: 'x', method: 'm' } } }).refusal().code, 'SERVICE_NOT_FOUND');
  assert.equal(world.run({ steps: { a: { service: 's', method: 'x' } } }).refusal().code, 'METHOD_NOT_FOUND');
  assert.equal(world.door.api.check({ steps: { a: { service: 's', method: 'x' } } })!.code, 'METHOD_NOT_FOUND');
  assert.equal(world.door.api.check({ steps: { a: call } }), null);
  world.stopping();
  assert.equal(world.run({ steps: { a: call } }).refusal().code, 'STOPPING');
  const young = makeWorld();
  young.noCell();
  assert.equal(young.run({ steps: { a: call } }).refusal().code, 'NOT_READY');
  assert.equal(world.made.length + young.made.length, 0);
});

test('within a call: its time, its chain; compensations have a time of their own', () => {
  const { run, made, ends, clock } = makeWorld();
  const within = { deadlineMs: 400, chain: ['n9 x.y'], principal: 'ben' } as unknown as CallContext;
  const { outcome } = run(
    { steps: { a: { ...call, compensate: undo }, b: { ...call, after: ['a'] } }, compensateMs: 900 },
    { within },
  );
  assert.equal(made[0]!.call.timeoutMs, 400);
  assert.equal(made[0]!.call.within, within);
  ends(0, { value: 1 });
  clock.pass(400);
  assert.ok(made[1]!.isCancelled);
  assert.deepEqual(made[2]!.call.within, { ...within, deadlineMs: 1_300 });
  assert.equal(made[2]!.call.timeoutMs, 900);
  ends(2, { value: null });
  assert.equal(outcome().failure!.code, 'GRAPH_FAILED');
  assert.deepEqual(outcome().notUndone, []);
});

test('cancelled by who asked for it: calls are given up, what may have happened is undone', () => {
  const { run, made, ends, counts } = makeWorld();
  const { handle, told, outcome, ends: told2 } = run({ steps: { a: { ...call, compensate: undo } } });
  handle.cancel();
  assert.ok(made[0]!.isCancelled);
  assert.deepEqual(told, ['a failed']);
  assert.equal(made[1]!.call.method, 'undo');
  ends(1, { value: null });
  assert.equal(outcome().failure!.code, 'CANCELLED');
  handle.cancel();
  ends(0, { value: 'late' });
  ends(1, { value: 'twice' });
  assert.equal(told2.length, 1);
  assert.equal(counts.get('graph_compensations_total done'), 1);
});

test('the items of a stream are the result of its step, asked for as they come', () => {
  const { run, made } = makeWorld();
  const { outcome } = run({ steps: { a: call, b: call } });
  const [a, b] = made as [Made, Made];
  assert.equal(a.asked, graphCallLimits.streamWindow);
  for (let n = 0; n < 3; n++) a.on.item(n);
  assert.equal(a.asked, graphCallLimits.streamWindow + 3);
  a.on.end({ ok: true, value: null }, { ...trail, isStream: true });
  b.on.end({ ok: true, value: null }, { ...trail, isStream: true });
  assert.deepEqual(outcome().steps.a!.result, [0, 1, 2]);
  assert.deepEqual(outcome().steps.b!.result, [], 'one without items');
});

test('a stream that does not end is given up, and its step compensated', () => {
  const { run, made, ends } = makeWorld();
  const { outcome } = run({ steps: { a: { ...call, compensate: undo } } });
  for (let n = 0; n <= graphCallLimits.streamItemsMax; n++) made[0]!.on.item(n);
  assert.ok(made[0]!.isCancelled);
  made[0]!.on.item('late');
  ends(1, { value: null });
  const { a } = outcome().steps;
  assert.deepEqual([a!.failure!.code, a!.happened, a!.compensation!.status], ['TOO_LARGE', 'unknown', 'done']);
});

test('not more runs at once than a node bears', () => {
  const { run, ends, door } = makeWorld();
  for (let n = 0; n < graphActorLimits.runsMax; n++) run({ steps: { a: call } });
  assert.equal(run({ steps: { a: call } }).refusal().code, 'OVERLOADED');
  ends(0, { value: 1 });
  assert.equal(door.api.running(), graphActorLimits.runsMax - 1);
  assert.equal(run({ steps: { a: call } }).ends.length, 0);
});

test('the node stops: every run ends, and says what was not undone', () => {
  const { run, made, ends, cell } = makeWorld();
  const graph = { steps: { a: { ...call, compensate: undo }, b: { ...call, after: ['a'] } } };
  const one = run(graph);
  ends(0, { value: 1 });
  cell().stop();
  assert.ok(made[1]!.isCancelled);
  assert.deepEqual(one.outcome().notUndone, ['a']);
  assert.equal(one.outcome().failure!.code, 'GRAPH_FAILED');
  assert.equal(run(graph).refusal().code, 'NOT_READY');
});

test('a stop of the node lets runs end, then undo, and then waits no longer', () => {
  const { run, ends, door, clock, made } = makeWorld();
  let drained = 0;
  door.drain(() => drained++);
  assert.equal(drained, 1, 'nothing runs');
  const [quick, slow] = [run({ steps: { a: call } }), run({ steps: { a: { ...call, compensate: undo } } })];
  door.drain(() => drained++);
  clock.pass(499);
  ends(0, { value: 1 });
  assert.equal(quick.outcome().failure, null);
  assert.equal(slow.ends.length, 0);
  clock.pass(1);
  assert.equal(made[2]!.call.method, 'undo');
  assert.equal(drained, 1);
  ends(2, { value: null });
  assert.deepEqual([slow.outcome().failure!.code, drained], ['CANCELLED', 2]);
  run({ steps: { a: { ...call, compensate: undo } } });
  door.drain(() => drained++);
  clock.pass(1_000);
  assert.equal(drained, 3);
});

test('the actor fails: its runs end once, with what is known, and the next ones find a new one', () => {
  const { run, clock, made, ends, breakCalls, lines, answer } = makeWorld();
  const other = run({ steps: { a: call, b: { ...call, after: ['a'] } } });
  const one = run({ steps: { a: call, b: { ...call, after: ['a'] } } });
  breakCalls(true);
  ends(1, { value: 1 });
  assert.deepEqual(lines, ['error ACTOR_FAILED']);
  assert.ok(made[0]!.isCancelled);
  assert.equal(other.outcome().steps.a!.happened, 'unknown');
  assert.equal(one.outcome().steps.a!.happened, 'yes');
  assert.equal(one.ends.length + other.ends.length, 2);
  assert.equal(run({ steps: { a: call } }).refusal().code, 'NOT_READY');
  breakCalls(false);
  answer((_, on) => on.end({ ok: true, value: 1 }));
  clock.pass(10_000);
  assert.equal(run({ steps: { a: call } }).outcome().failure, null);
});
