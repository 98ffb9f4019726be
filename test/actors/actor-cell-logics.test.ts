// Any XState 5 logic lives in a cell: charts with children and timers, transition logic and stores, promises, callbacks, observables; and
// what they use of XState works in it as it does outside.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromStore } from '@xstate/store';
import fc from 'fast-check';
import {
  type AnyActorLogic,
  type AnyActorRef,
  assign,
  createActor,
  emit,
  enqueueActions,
  fromCallback,
  fromObservable,
  fromPromise,
  fromTransition,
  log,
  raise,
  sendParent,
  sendTo,
  setup,
} from 'xstate';
import { definitionOf, endsOf, hostCells, nobody, sendAll } from './hand-cells.ts';

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const contextOf = (live: { snapshot(): unknown }): unknown => (live.snapshot() as { context: unknown }).context;

test('a chart invokes, spawns, sends to its children and hears of them', async () => {
  const { open, clock } = hostCells();
  const child = setup({}).createMachine({ on: { ping: { actions: sendParent({ type: 'pong' }) } } });
  const logic = setup({
    types: {} as { context: { log: string[] } },
    actors: { child, work: fromPromise(async () => 'worked') },
  }).createMachine({
    context: { log: [] },
    invoke: [
      { src: 'child', id: 'kid' },
      { src: 'work', onDone: { actions: assign({ log: ({ context, event }) => [...context.log, event.output] }) } },
    ],
    on: {
      go: { actions: [sendTo('kid', { type: 'ping' }), raise({ type: 'later' }, { delay: 100 })] },
      later: { actions: assign({ log: ({ context }) => [...context.log, 'later'] }) },
      pong: { actions: assign({ log: ({ context }) => [...context.log, 'pong'] }) },
    },
  });
  const live = open(definitionOf('chart', logic));
  sendAll(live, 'go');
  clock.settle();
  await tick();
  clock.settle();
  clock.pass(100);
  assert.deepEqual(contextOf(live), { log: ['pong', 'worked', 'later'] });
});

type Sends = { send(event: { type: 'inc'; by: number }): void };

test('a store changes by its transitions, emits, and sends to itself', () => {
  const { open, clock } = hostCells();
  const store = fromStore({
    context: { n: 0 },
    on: {
      inc: (context: { n: number }, event: { by: number }) => ({ n: context.n + event.by }),
      twice: (context: { n: number }, _: object, enqueue: { effect(run: (store: Sends) => void): void }) => {
        enqueue.effect(({ send }) => send({ type: 'inc', by: 5 }));
        return context;
      },
    },
  } as never);
  const live = open(definitionOf('store', store as AnyActorLogic));
  live.send({ type: 'inc', by: 2 } as never, nobody);
  clock.settle();
  assert.deepEqual(contextOf(live), { n: 2 });
  sendAll(live, 'twice');
  clock.settle();
  assert.deepEqual([contextOf(live), live.view().state], [{ n: 7 }, 'running']);
});

test('transition logic becomes a system when it touches one, and goes on as if it had always been one', () => {
  const { open, clock, deadLetters } = hostCells();
  const heard: string[] = [];
  let self: AnyActorRef | null = null;
  const logic = fromTransition((log: string[], event: { type: string }, scope) => {
    if (event.type === 'look') {
      self = scope.self;
      self.subscribe((snapshot) => void heard.push(`is ${(snapshot as { context: string[] }).context.length}`));
      self.on('said', () => void heard.push('said'));
      assert.equal(scope.system, self.system);
    }
    scope.defer(() => void heard.push(`after ${event.type}`));
    scope.emit({ type: 'said' } as never);
    return [...log, event.type];
  }, []);
  const live = open(definitionOf('light', logic));
  sendAll(live, 'a', 'look', 'b');
  clock.settle();
  assert.deepEqual(contextOf(live), ['a', 'look', 'b']);
  assert.equal(self!.getSnapshot(), live.snapshot());
  assert.deepEqual(heard, ['after a', 'said', 'after look', 'is 2', 'said', 'after b', 'is 3']);
  self!.send({ type: 'c' });
  clock.settle();
  assert.deepEqual([(contextOf(live) as string[]).length, live.view().handled], [4, 4]);
  live.stop(true, () => {});
  clock.settle();
  self!.send({ type: 'd' });
  assert.deepEqual(deadLetters(), ['light/1@n1 d ACTOR_STOPPED']);
});

test('logic that throws after it became a system fails like any other', () => {
  const { open, clock } = hostCells();
  const logic = fromTransition((n: number, event: { type: string }, { self }) => {
    self.subscribe(() => {});
    if (event.type === 'boom') throw new Error('boom');
    return n + 1;
  }, 0);
  const live = open(definitionOf('light', logic));
  sendAll(live, 'boom', 'a');
  clock.pass(50);
  assert.deepEqual([live.view().restarts, contextOf(live)], [1, 1]);
});

test('a promise answers with its output, an observable with its values, a callback hears what is sent and cleans up', async () => {
  const { open, clock } = hostCells();
  const promise = open(
    definitionOf(
      'promise',
      fromPromise(async ({ input }) => `${input} done`),
      { input: (key) => key },
    ),
  );
  const [promised] = [endsOf(promise)];
  await tick();
  clock.settle();
  assert.deepEqual(promised, [{ address: promise.address, reason: 'done', output: '1 done' }]);

  let observer: { next?: (value: number) => void; complete?: () => void } = {};
  const observable = fromObservable(
    () =>
      ({
        subscribe: (given: typeof observer) => {
          observer = given;
          return { unsubscribe() {} };
        },
      }) as never,
  );
  const observed = open(definitionOf('observable', observable as AnyActorLogic));
  const observedEnds = endsOf(observed);
  observer.next?.(41);
  observer.next?.(42);
  clock.settle();
  assert.equal(contextOf(observed), 42);
  observer.complete?.();
  clock.settle();
  assert.deepEqual(observedEnds, [{ address: observed.address, reason: 'done', output: undefined }]);

  const calls: string[] = [];
  const callback = fromCallback(({ receive }) => {
    receive(({ type }) => void calls.push(type));
    return () => void calls.push('cleaned up');
  });
  const called = open(definitionOf('callback', callback));
  sendAll(called, 'a', 'b');
  called.stop(false, () => {});
  clock.settle();
  assert.deepEqual(calls, ['a', 'b', 'cleaned up']);
});

test('what an actor says goes to the log of the node, whatever it says', () => {
  const { open, sink } = hostCells();
  const round: { self?: unknown } = {};
  round.self = round;
  const logic = setup({}).createMachine({ entry: [log('hello'), log(() => round), log(() => Symbol('odd'))] });
  const live = open(definitionOf('chatty', logic));
  assert.deepEqual([sink.lines, live.view().state], [Array(3).fill('info ACTOR_SAYS'), 'running']);
});

test('what cannot be read was thrown all the same', () => {
  const { open, clock } = hostCells();
  const bare: unknown = Object.create(null);
  const logic = fromTransition((state: null, { type }: { type: string }) => {
    if (type === 'boom') throw bare;
    return state;
  }, null);
  const live = open(definitionOf('odd', logic));
  sendAll(live, 'boom');
  clock.settle();
  assert.deepEqual([live.view().state, live.view().reason], ['backoff', 'Error: what was thrown cannot be read']);
});

test('transition logic hears that it is stopped, as under createActor', () => {
  const heard: string[] = [];
  const logic = fromTransition((state: null, event: { type: string }) => {
    heard.push(event.type);
    return state;
  }, null);
  createActor(logic).start().stop();
  const { open, clock } = hostCells();
  open(definitionOf('light', logic)).stop(false, () => {});
  clock.settle();
  assert.deepEqual(heard, ['xstate.stop', 'xstate.stop']);
});

test('it can be persisted while it lives', () => {
  const { open, clock } = hostCells();
  const logic = setup({}).createMachine({ initial: 'a', states: { a: { on: { go: 'b' } }, b: {} } });
  const chart = open(definitionOf('chart', logic));
  const transition = open(
    definitionOf(
      'transition',
      fromTransition((n: number) => n + 1, 0),
    ),
  );
  sendAll(chart, 'go');
  sendAll(transition, 'a');
  clock.settle();
  assert.equal((chart.persisted() as { value: string }).value, 'b');
  assert.equal((transition.persisted() as { context: number }).context, 1);
});

// ---------------------------------------------------------------- the same as outside

const echo = fromTransition((n: number, _: { type: string }) => n + 1, 0);
/** A chart with most of what charts have; what it does depends on what it is sent and nothing else. */
const anyChart = setup({
  types: {} as { context: { log: string[]; n: number } },
  actors: { echo },
  guards: { even: ({ context }) => context.n % 2 === 0 },
  actions: { note: assign({ log: ({ context, event }) => [...context.log, event.type] }) },
}).createMachine({
  context: { log: [], n: 0 },
  type: 'parallel',
  states: {
    door: {
      initial: 'shut',
      states: {
        shut: { on: { a: { target: 'open', actions: 'note' } } },
        open: {
          invoke: { src: 'echo', id: 'echo' },
          entry: emit({ type: 'opened' }),
          after: { 50: { target: 'shut', actions: 'note' } },
          on: {
            b: { actions: [sendTo('echo', { type: 'x' }), 'note'] },
            c: { target: 'shut', guard: 'even', actions: 'note' },
          },
        },
      },
    },
    count: {
      initial: 'up',
      on: { d: { actions: [assign({ n: ({ context }) => context.n + 1 }), raise({ type: 'e' })] } },
      states: {
        up: {
          on: {
            e: { target: 'down', actions: 'note' },
            f: { actions: enqueueActions(({ enqueue }) => void enqueue.raise({ type: 'e' }, { delay: 20 })) },
          },
        },
        down: { always: { target: 'up', guard: 'even' } },
      },
    },
  },
});

test('a hosted chart does what it does under createActor, event by event', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'unheard') },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 60 }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const hosted = hostCells();
      const live = hosted.open(definitionOf('chart', anyChart));
      const outside = hostCells().clock;
      const xstate = {
        setTimeout: (run: () => void, ms: number) => outside.after(ms, run),
        clearTimeout: (timer: { cancel(): void } | undefined) => timer?.cancel(),
      };
      const raw = createActor(anyChart, { clock: xstate as never }).start();
      for (const one of steps) {
        if (typeof one === 'number') {
          outside.pass(one);
          hosted.clock.pass(one);
        } else {
          raw.send({ type: one });
          sendAll(live, one);
          hosted.clock.settle();
        }
        const { value, context, children } = raw.getSnapshot();
        const mine = live.snapshot() as ReturnType<typeof raw.getSnapshot>;
        assert.deepEqual([mine.value, mine.context], [value, context]);
        assert.deepEqual(mine.children.echo?.getSnapshot().context, children.echo?.getSnapshot().context);
      }
    }),
    { numRuns: 100 },
  );
});
