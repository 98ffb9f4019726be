// A failure is its own actor's and nobody else's: it is started anew with nothing of its past, timers included, until it fails too
// often; and whoever sent it something it never looked at is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cell, type CellReport, type Scope, supervise } from '../../actors/supervise.ts';
import type { RestartPolicy } from '../../machines/supervisor/index.ts';
import { createHandClock, quietSink } from './hand-clock.ts';

type Event = { n: number; act?: () => void };

const policy: RestartPolicy = { failuresMax: 2, windowMs: 10_000, backoffMinMs: 100, backoffMaxMs: 100 };

const host = (begin: (scope: Scope, incarnation: number) => void = () => {}) => {
  const clock = createHandClock();
  const sink = quietSink();
  const seen: string[] = [];
  const undelivered: number[] = [];
  const stops: (string | null)[] = [];
  const reports: CellReport[] = [];
  const scopes: Scope[] = [];
  let openTimers = 0;
  const counted = {
    ...clock,
    after(delayMs: number, wake: () => void) {
      openTimers++;
      let open = true;
      const close = (): void => {
        if (open) openTimers--;
        open = false;
      };
      const timer = clock.after(delayMs, () => {
        close();
        wake();
      });
      return {
        cancel() {
          close();
          timer.cancel();
        },
      };
    },
  };
  const cell: Cell<Event> = supervise<Event>({
    address: 'test/actor',
    create(scope) {
      scopes.push(scope);
      const incarnation = scopes.length;
      begin(scope, incarnation);
      return {
        receive({ n, act }) {
          seen.push(`${incarnation}:${n}`);
          act?.();
        },
        stop: (reason) => void stops.push(reason),
      };
    },
    ...{ policy, clock: counted, sink },
    random: { uint32: () => 0, bytes: (length) => new Uint8Array(length) },
    onChange: (report) => void reports.push(report),
    undelivered: ({ n }) => void undelivered.push(n),
  });
  return { ...{ clock, sink, cell, seen, undelivered, stops, reports, scopes }, openTimers: () => openTimers };
};

const fail =
  (why = 'boom') =>
  (): never => {
    throw new Error(why);
  };

test('an actor that throws is stopped with the reason and started anew after its wait', () => {
  const { cell, clock, seen, stops, reports, undelivered } = host();
  cell.send({ n: 1 });
  cell.send({ n: 2, act: fail() });
  assert.deepEqual(stops, ['Error: boom']);
  assert.equal(cell.report().state, 'backoff');
  cell.send({ n: 3 });
  clock.pass(49);
  assert.equal(cell.report().state, 'backoff');
  clock.pass(1);
  cell.send({ n: 4 });
  assert.deepEqual([seen, undelivered], [['1:1', '1:2', '2:4'], [3]]);
  assert.deepEqual(
    reports.map(({ state, restarts, reason }) => [state, restarts, reason]),
    [
      ['running', 0, null],
      ['backoff', 0, 'Error: boom'],
      ['running', 1, 'Error: boom'],
    ],
  );
});

test('an actor that fails too often is given up, says why, and takes nothing more', () => {
  const { cell, clock, undelivered, sink } = host();
  for (let n = 0; n < 3; n++) {
    cell.send({ n, act: fail(`boom ${n}`) });
    clock.pass(100);
  }
  assert.deepEqual([cell.report().state, cell.report().reason], ['failed', 'Error: boom 2']);
  assert.ok(sink.lines.includes('error ACTOR_GIVEN_UP'));
  cell.send({ n: 9 });
  clock.pass(100_000);
  assert.deepEqual([cell.report().state, undelivered], ['failed', [9]]);
});

test('an actor that cannot even be made fails like any other', () => {
  let attempts = 0;
  const { cell, clock } = host(() => {
    attempts++;
    if (attempts < 3) throw new Error('no disk');
  });
  assert.equal(cell.report().state, 'backoff');
  clock.pass(100);
  clock.pass(100);
  assert.deepEqual([attempts, cell.report().state, cell.report().restarts], [3, 'running', 2]);
});

test('timers and callbacks of an incarnation die with it', () => {
  const rung: string[] = [];
  const { cell, clock, scopes, openTimers } = host((scope, incarnation) => {
    scope.after(1_000, () => void rung.push(`timer of ${incarnation}`));
    scope.soon(() => void rung.push(`soon of ${incarnation}`));
  });
  const late = scopes[0]!.guard(() => void rung.push('late'));
  clock.settle();
  cell.send({ n: 1, act: fail() });
  assert.equal(openTimers(), 1, 'only that of the restart');
  late();
  scopes[0]!.after(1, () => void rung.push('of the dead'));
  assert.equal(openTimers(), 1, 'the dead make no timers');
  clock.pass(50);
  clock.pass(2_000);
  assert.deepEqual(rung, ['soon of 1', 'soon of 2', 'timer of 2']);
  const timer = scopes[1]!.after(10, () => void rung.push('cancelled'));
  timer.cancel();
  clock.pass(100);
  assert.deepEqual([rung.length, openTimers()], [3, 0]);
});

test('a throw in a timer or a callback of a port is the failure of the actor that made it', () => {
  const { cell, clock, scopes } = host();
  scopes[0]!.after(10, fail('in a timer'));
  clock.pass(10);
  assert.deepEqual([cell.report().state, cell.report().reason], ['backoff', 'Error: in a timer']);
  clock.pass(100);
  scopes[1]!.guard(fail('in a port'))();
  assert.deepEqual([cell.report().state, cell.report().reason], ['backoff', 'Error: in a port']);
});

test('what an actor was sent while it was busy and had no turn before it failed is told to whoever waits', () => {
  const { cell, seen, undelivered } = host();
  cell.send({
    n: 1,
    act() {
      cell.send({ n: 2 });
      cell.send({ n: 3 });
      throw new Error('busy and broken');
    },
  });
  assert.deepEqual([seen, undelivered], [['1:1'], [2, 3]]);
});

test('events of one sender are looked at in order, also those an actor sends itself', () => {
  const { cell, seen, undelivered } = host();
  cell.send({ n: 1, act: () => cell.send({ n: 2, act: () => cell.send({ n: 4 }) }) });
  cell.send({ n: 5 });
  assert.deepEqual([seen, undelivered], [['1:1', '1:2', '1:4', '1:5'], []]);
});

test('a stop is orderly, once, in every state, and tells whoever was not heard', () => {
  const running = host((scope) => void scope.after(1_000, () => {}));
  running.cell.send({
    n: 1,
    act() {
      running.cell.send({ n: 2 });
      running.cell.stop();
      running.cell.send({ n: 3 });
    },
  });
  assert.deepEqual([running.stops, running.undelivered, running.cell.report().state], [[null], [2, 3], 'stopped']);
  const waiting = host();
  waiting.cell.send({ n: 1, act: fail() });
  waiting.cell.stop();
  waiting.clock.pass(10_000);
  assert.deepEqual([waiting.scopes.length, waiting.cell.report().state], [1, 'stopped']);
  for (const { cell, openTimers, undelivered } of [running, waiting]) {
    cell.stop();
    cell.send({ n: 9 });
    assert.deepEqual([openTimers(), undelivered.at(-1)], [0, 9]);
  }
});

test('an actor that throws while it stops hurts nobody', () => {
  const clock = createHandClock();
  const sink = quietSink();
  const cell = supervise<Event>({
    ...{ address: 'a', clock, sink, policy, onChange: () => {} },
    create: () => ({ receive: ({ act }) => act?.(), stop: fail('while it stops') }),
    random: { uint32: () => 0, bytes: (length) => new Uint8Array(length) },
  });
  cell.send({ n: 1, act: fail() });
  clock.pass(100);
  assert.equal(cell.report().state, 'running');
  cell.stop();
  assert.equal(sink.lines.filter((line) => line === 'error ACTOR_STOP_THREW').length, 2);
});

test('who looks on sees each event before it is handled, in every life of the actor, and nothing after he stopped', () => {
  const { cell, clock, seen } = host();
  const looked: string[] = [];
  cell.send({ n: 1 });
  const stop = cell.tap(({ n }) => void looked.push(`${n} after ${seen.length}`));
  cell.send({ n: 2, act: () => cell.send({ n: 3 }) });
  cell.send({ n: 4, act: fail() });
  clock.pass(100);
  cell.send({ n: 5 });
  stop();
  stop();
  cell.send({ n: 6 });
  assert.deepEqual(looked, ['2 after 1', '3 after 2', '4 after 3', '5 after 4']);
  assert.deepEqual(cell.load(), { handled: 6, waiting: 0 });
});
