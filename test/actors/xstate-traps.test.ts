// What XState 5.33.3 does that users of hosted actors must not meet (decision 4), each as a pair: XState alone does it, a hosted actor does
// not. If one of the first halves fails, XState has changed, and actors/actor-cell-system.ts is to be read again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Actor,
  type AnyActorRef,
  assign,
  createActor,
  enqueueActions,
  fromCallback,
  fromObservable,
  fromPromise,
  fromTransition,
  log,
  raise,
  sendTo,
  setup,
  stopChild,
} from 'xstate';
import { actorLimits, refMark } from '../../actors/actor-api.ts';
import { codeOf, definitionOf, deliver, endsOf, hostCells, nobody, sendAll } from './hand-cells.ts';

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What reached the process as an uncaught exception while this ran, and 20 ms later. */
const uncaughtIn = async (run: () => void): Promise<unknown[]> => {
  const caught: unknown[] = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => void caught.push(error.message));
  try {
    run();
    await new Promise((resolve) => setTimeout(resolve, 20));
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  }
  return caught;
};

test('what is relied on inside of XState is there', () => {
  const prototype = Actor.prototype as unknown as Record<string, unknown>;
  for (const name of ['_send', '_stop', '_error', '_reportError', 'update', 'subscribe', 'on', 'start', 'stop'])
    assert.equal(typeof prototype[name], 'function', name);
  const order: string[] = [];
  const logic = setup({}).createMachine({
    context: () => {
      order.push('state');
      return {};
    },
  });
  const actor = createActor(logic, { inspect: ({ type }) => void order.push(type) }) as unknown as Record<string, unknown>;
  assert.deepEqual(order, ['@xstate.actor', 'state'], 'an actor tells of itself before its state is made');
  for (const name of ['observers', 'eventListeners', '_actorScope', '_deferred', '_snapshot', '_processingStatus', 'sessionId'])
    assert.ok(name in actor, name);
  const system = actor.system as Record<string, unknown>;
  for (const name of ['_bookId', '_relay', '_sendInspectionEvent', 'scheduler']) assert.ok(name in system, name);
});

test('an actor that is made with a parent takes over its system, and asks nothing else of it', () => {
  const asked = new Set<string>();
  const seen = <Value extends object>(name: string, value: Value): Value =>
    new Proxy(value, {
      get(target, key) {
        asked.add(`${name}.${String(key)}`);
        return Reflect.get(target, key);
      },
    });
  const { system } = createActor(fromTransition((n: number) => n, 0));
  const parent = seen('parent', { system: seen('system', system) });
  const options = { id: 'a', parent } as unknown as Parameters<typeof createActor>[1];
  const actor = createActor(
    fromTransition((n: number) => n + 1, 0),
    options as never,
  );
  assert.deepEqual([...asked].sort(), [
    ...['parent.system', 'system._bookId', 'system._clock', 'system._logger', 'system._sendInspectionEvent'],
  ]);
  (actor as unknown as { _parent: unknown })._parent = undefined;
  asked.clear();
  actor.start();
  actor.send({ type: 'x' });
  actor.stop();
  assert.deepEqual(
    [...asked].filter((name) => name.startsWith('parent')),
    [],
  );
  assert.equal(actor.getSnapshot().context, 2);
});

test('what a hosted actor finds in its system: names are for one actor each and free again, timers and ids are its own', () => {
  const { open, clock, sink } = hostCells();
  const found: unknown[] = [];
  const child = fromTransition((n: number) => n + 1, 0);
  const logic = setup({ actors: { child } }).createMachine({
    on: {
      spawn: { actions: assign(({ spawn }) => void spawn('child', { id: 'a', systemId: 'named' })) },
      look: {
        actions: ({ system, self }) => {
          const { get, getAll } = system;
          found.push(get('named')?.id, Object.keys(getAll()), self.sessionId, system.getSnapshot(), self.system === system);
        },
      },
      end: { actions: stopChild('a') },
      say: { actions: [({ system }) => system.inspect(() => {}).unsubscribe(), log('hello')] },
    },
  });
  const live = open(definitionOf('named', logic));
  sendAll(live, 'spawn', 'look', 'end', 'look', 'spawn', 'look', 'say');
  clock.settle();
  const rest = ['named/1@n1', { _scheduledEvents: {} }, true];
  assert.deepEqual(found, ['a', ['named'], ...rest, undefined, [], ...rest, 'a', ['named'], ...rest]);
  assert.deepEqual(sink.lines, ['info ACTOR_SAYS']);
  sendAll(live, 'spawn');
  clock.settle();
  assert.equal(live.view().state, 'backoff');
});

// ---------------------------------------------------------------- delivery

test('delivery on the stack of whoever sends: XState at once, hosted in a turn', () => {
  const logic = fromTransition((n: number) => n + 1, 0);
  const raw = createActor(logic).start();
  raw.send({ type: 'a' });
  assert.equal(raw.getSnapshot().context, 1);
  const { open, clock } = hostCells();
  const live = open(definitionOf('hosted', logic));
  sendAll(live, 'a');
  assert.equal(live.view().handled, 0);
  clock.settle();
  assert.equal(live.view().handled, 1);
});

test('two machines that send to each other: XState until they are done, whoever else waits; hosted they take turns', () => {
  let left = 0;
  const logic = (other: () => AnyActorRef) =>
    setup({}).createMachine({ on: { ball: { guard: () => left-- > 0, actions: sendTo(other, { type: 'ball' }) } } });
  const raw: Actor<ReturnType<typeof logic>>[] = ['b', 'a'].map((_, n) => createActor(logic(() => raw[1 - n]!)).start());
  left = 20_000;
  raw[0]!.send({ type: 'ball' });
  assert.equal(left, -1);

  const { open, clock } = hostCells();
  /** As the package's references are. */
  const refTo = (n: number) => ({
    [refMark]: { type: 'player', key: String(n), node: 'n1' },
    _send: (event: { type: string }) => void hosted[n]!.send(event, nobody),
  });
  const hosted = ['b', 'a'].map((key, n) =>
    open(
      definitionOf(
        'player',
        logic(() => refTo(1 - n) as never),
      ),
      key,
    ),
  );
  left = 20_000;
  sendAll(hosted[0]!, 'ball');
  clock.settle();
  assert.ok(left > 0, 'the event loop has its turn');
  clock.pass(0);
  assert.deepEqual([left, hosted.map((live) => live.view().state)], [-1, ['running', 'running']]);
});

test('transitions that lead to each other for ever: XState never comes back; hosted the actor fails over the event', () => {
  let players: AnyActorRef[] = [];
  const player = fromTransition((n: number, _: { type: string }, { self }) => {
    players.find((other) => other !== self)?.send({ type: 'ball' });
    return n;
  }, 0);
  const logic = setup({
    types: {} as { context: { many: number } },
    actors: { player },
    actions: { serve: ({ self }) => void (players = Object.values(self.getSnapshot().children as object) as AnyActorRef[]) },
  }).createMachine({
    context: { many: 0 },
    invoke: [
      { src: 'player', id: 'one' },
      { src: 'player', id: 'two' },
    ],
    initial: 'still',
    states: { still: { on: { spin: 'one' } }, one: { always: 'two' }, two: { always: 'one' } },
    on: {
      once: { actions: assign({ many: ({ context }) => context.many + 1 }) },
      again: { actions: raise({ type: 'again' }) },
      serve: { actions: ['serve', sendTo('one', { type: 'ball' })] },
      many: { actions: enqueueActions(({ enqueue }) => Array.from({ length: 5_000 }, () => enqueue.raise({ type: 'once' }))) },
    },
  });
  assert.equal(logic.options.maxIterations, Number.POSITIVE_INFINITY, 'XState has no limit of its own');
  for (const type of ['spin', 'again', 'serve']) {
    const { open, clock } = hostCells();
    const live = open(definitionOf('hosted', logic));
    const told = deliver(live, { type });
    clock.pass(0);
    // What a child failed over is news to its parent, after the event.
    assert.deepEqual([told.map(codeOf), live.view().state], [[type === 'serve' ? 'ok null' : 'ACTOR_FAILED'], 'backoff'], type);
    assert.match(live.view().reason ?? '', /one event led to more than 25000 transitions/);
    clock.pass(10_000);
    sendAll(live, 'many');
    clock.pass(0);
    assert.equal((live.snapshot() as unknown as { context: { many: number } }).context.many, 5_000, 'an end is no loop');
    live.stop(true, () => {});
    clock.pass(0);
    assert.equal(live.view().state, 'stopped');
  }
});

test('a reference of XState that was given away: what comes by it waits for a turn, too', () => {
  const { open, clock } = hostCells();
  let self: AnyActorRef | null = null;
  let isAtWork = false;
  const logic = fromTransition((n: number, _: { type: string }, scope) => {
    assert.ok(!isAtWork);
    isAtWork = true;
    self ??= scope.self;
    self.send({ type: 'again' });
    isAtWork = false;
    return n + 1;
  }, 0);
  const live = open(definitionOf('hosted', logic, { mailboxMax: 10 }));
  sendAll(live, 'a');
  for (let turns = 0; turns < 50; turns++) clock.turn();
  assert.ok(live.view().handled > 100, 'it has its turns for ever, and nobody else waits for its end');
  live.stop(true, () => {});
  clock.pass(0);
  assert.equal(live.view().state, 'stopped');
});

test('an unbounded mailbox: XState keeps whatever a busy actor is sent, hosted there is a limit', () => {
  const { open, clock } = hostCells();
  const logic = fromTransition((n: number, { type }: { type: string }, { self }) => {
    if (type === 'go') for (let left = actorLimits.mailboxMost + 1; left > 0; left--) self.send({ type: 'more' });
    return n + 1;
  }, 0);
  const live = open(definitionOf('hosted', logic));
  sendAll(live, 'go');
  clock.settle();
  assert.equal(live.view().state, 'backoff');
  assert.match(live.view().reason!, /events of its own wait/);
});

test('events to stopped actors: XState drops them in silence, hosted they are dead letters', () => {
  const { open, clock, deadLetters } = hostCells();
  let self: AnyActorRef | null = null;
  let child: AnyActorRef | null = null;
  const childLogic = fromTransition((n: number) => n + 1, 0);
  const logic = setup({ actors: { child: childLogic } }).createMachine({
    initial: 'with',
    states: {
      with: {
        invoke: { src: 'child', id: 'kid' },
        on: {
          go: {
            target: 'without',
            actions: (args) => {
              self = args.self;
              child = args.self.getSnapshot().children.kid!;
            },
          },
        },
      },
      without: {},
    },
  });
  const live = open(definitionOf('hosted', logic));
  sendAll(live, 'go');
  clock.settle();
  child!.send({ type: 'to the child' });
  live.stop(true, () => {});
  clock.settle();
  self!.send({ type: 'to the actor' });
  assert.deepEqual(deadLetters(), ['hosted/1@n1 to the child ACTOR_STOPPED', 'hosted/1@n1 to the actor ACTOR_STOPPED']);
});

// ---------------------------------------------------------------- errors

const failsAt = {
  transition: fromTransition((_: null, { type }: { type: string }) => {
    if (type === 'boom') throw new Error('boom');
    return null;
  }, null),
  chart: setup({}).createMachine({
    on: {
      boom: {
        actions: () => {
          throw new Error('boom');
        },
      },
    },
  }),
};

test('an error in a transition: XState ends the actor and throws it on a timer; hosted it fails and begins anew', async () => {
  for (const logic of Object.values(failsAt)) {
    const raw = createActor(logic as typeof failsAt.chart);
    const uncaught = await uncaughtIn(() => {
      raw.start();
      raw.send({ type: 'boom' });
    });
    assert.deepEqual([uncaught, raw.getSnapshot().status], [['boom'], 'error']);
    const { open, clock } = hostCells();
    const live = open(definitionOf('hosted', logic));
    const hosted = await uncaughtIn(() => {
      sendAll(live, 'boom');
      clock.pass(50);
    });
    assert.deepEqual([hosted, live.view().state, live.view().restarts], [[], 'running', 1]);
  }
});

test('errors of observers, of children without an observer, of a promise, an observable and a callback: hosted none is uncaught', async () => {
  const observed = setup({ actors: { child: failsAt.transition } }).createMachine({
    invoke: { src: 'child', id: 'kid' },
    entry: ({ self }) => {
      self.subscribe(() => {
        throw new Error('observer');
      });
      self.subscribe({});
      self.on('*', () => {
        throw new Error('listener');
      });
    },
    on: { go: { actions: sendTo('kid', { type: 'boom' }) } },
  });
  const promise = fromPromise(() => Promise.reject(new Error('promise')));
  const observable = fromObservable(
    () =>
      ({
        subscribe: ({ error }: { error?: (error: unknown) => void }) => {
          error?.(new Error('observable'));
          return { unsubscribe() {} };
        },
      }) as never,
  );
  const callback = fromCallback(({ receive }) => {
    receive(() => {
      throw new Error('callback');
    });
  });
  const begins = fromCallback(() => {
    throw new Error('begins');
  });
  const reasons: (string | null)[] = [];
  for (const logic of [observed, promise, observable, callback, begins]) {
    const { open, clock } = hostCells();
    const live = open(definitionOf('hosted', logic as never));
    const uncaught = await uncaughtIn(() => {
      sendAll(live, 'go');
      clock.settle();
      setImmediate(() => clock.settle());
    });
    assert.deepEqual([uncaught, live.view().state], [[], 'backoff']);
    reasons.push(live.view().reason);
  }
  assert.deepEqual(
    reasons,
    ['observer', 'promise', 'observable', 'callback', 'begins'].map((why) => `Error: ${why}`),
  );
});

test('what an incarnation says that has failed is not the next one, whoever kept a reference of it', () => {
  const { open, clock, deadLetters } = hostCells();
  const kept: AnyActorRef[] = [];
  const logic = setup({}).createMachine({
    entry: ({ self }) => void kept.push(self),
    on: failsAt.chart.config.on as never,
  });
  const live = open(definitionOf('hosted', logic));
  sendAll(live, 'boom');
  clock.pass(50);
  (kept[0] as Actor<typeof logic>).stop();
  kept[0]!.send({ type: 'boom' });
  kept[0]!.subscribe({
    error() {
      throw new Error('late');
    },
  });
  clock.pass(50);
  assert.deepEqual([kept.length, live.view().state, live.view().restarts], [2, 'running', 1]);
  assert.deepEqual(deadLetters(), ['hosted/1@n1 boom ACTOR_FAILED', 'hosted/1@n1 boom ACTOR_STOPPED']);
});

test('a transition that throws leaves children behind that go on: hosted they end with it', () => {
  const stopped: string[] = [];
  const child = fromCallback(() => () => void stopped.push('child'));
  const logic = setup({ actors: { child } }).createMachine({
    invoke: { src: 'child' },
    on: {
      boom: {
        actions: assign(() => {
          throw new Error('boom');
        }),
      },
    },
  });
  const raw = createActor(logic);
  raw.subscribe({ error() {} });
  raw.start();
  raw.send({ type: 'boom' });
  assert.deepEqual(stopped, []);
  const { open, clock } = hostCells();
  const live = open(definitionOf('hosted', logic));
  sendAll(live, 'boom');
  clock.settle();
  assert.deepEqual(stopped, ['child']);
});

// ---------------------------------------------------------------- timers

const waits = setup({}).createMachine({ initial: 'a', states: { a: { after: { 1000: 'b' } }, b: {} } });

test('stopping one actor looks at the timers of all in its system: hosted, each has a system of its own', () => {
  const many = 300;
  const parent = setup({ actors: { waits } }).createMachine({
    context: ({ spawn }) => {
      for (let n = 0; n < many; n++) spawn('waits', { id: String(n) });
      return {};
    },
    on: { one: { actions: stopChild('7') } },
  });
  const raw = createActor(parent).start();
  let looked = 0;
  const { _snapshot: inside } = raw.system as unknown as { _snapshot: { _scheduledEvents: object } };
  inside._scheduledEvents = new Proxy(inside._scheduledEvents, {
    get(events, id) {
      looked++;
      return Reflect.get(events, id);
    },
  });
  raw.send({ type: 'one' });
  assert.ok(looked >= many);
  raw.stop();

  const { open, clock, cells } = hostCells();
  const lives = Array.from({ length: many }, (_, n) => open(definitionOf('hosted', waits), String(n)));
  const systems = lives.map((live) => (live as unknown as { engine: { root: AnyActorRef } }).engine.root.system);
  assert.equal(new Set(systems).size, many);
  for (const live of lives) live.stop(true, () => {});
  clock.settle();
  assert.equal(cells.size, 0);
  clock.pass(10_000);
});

test('a restart sets timers anew; those of the one before never ring', () => {
  const rung: string[] = [];
  const logic = setup({}).createMachine({
    initial: 'a',
    states: { a: { after: { 1000: { actions: () => void rung.push('rang') } } } },
    on: failsAt.chart.config.on as never,
  });
  const { open, clock } = hostCells();
  const live = open(definitionOf('hosted', logic));
  clock.pass(900);
  sendAll(live, 'boom');
  clock.pass(999);
  assert.deepEqual(rung, []);
  clock.pass(100);
  assert.deepEqual(rung, ['rang']);
});

test('delays that Node cannot wait for in one piece are waited for', () => {
  const month = 40 * 24 * 3_600_000;
  const waitsLong = setup({}).createMachine({ initial: 'a', states: { a: { after: { [month]: 'b' } }, b: { type: 'final' } } });
  const { open, clock } = hostCells();
  const pieces: number[] = [];
  const { after } = clock;
  clock.after = (ms, wake) => {
    pieces.push(ms);
    return after(ms, wake);
  };
  const ends = endsOf(open(definitionOf('hosted', waitsLong)));
  clock.pass(month - 1);
  assert.equal(ends.length, 0);
  clock.pass(1);
  assert.deepEqual([ends.length, pieces.every((ms) => ms < 2 ** 31)], [1, true]);
});

test('delayed events can be cancelled, and one that was set under the same id again goes on', () => {
  const heard: string[] = [];
  const logic = setup({}).createMachine({
    on: {
      set: { actions: sendTo(({ self }) => self, { type: 'ring' }, { id: 'bell', delay: 100 }) },
      unset: {
        actions: ({ self }) =>
          void (self.system as never as { scheduler: { cancel(a: unknown, id: string): void } }).scheduler.cancel(self, 'bell'),
      },
      ring: { actions: () => void heard.push('ring') },
    },
  });
  const { open, clock } = hostCells();
  const live = open(definitionOf('hosted', logic));
  sendAll(live, 'set', 'unset');
  clock.pass(200);
  assert.deepEqual(heard, []);
  sendAll(live, 'set', 'set', 'unset');
  clock.pass(200);
  assert.deepEqual(heard, ['ring']);
  sendAll(live, 'set', 'set');
  clock.settle();
  live.stop(true, () => {});
  clock.pass(200);
  assert.equal(heard.length, 1);
});

// ---------------------------------------------------------------- what nobody may see

test('session ids, Date.now and Math.random: hosted, two runs are the same', () => {
  const seen = (): unknown[] => {
    const told: unknown[] = [];
    const child = fromTransition((n: number) => n + 1, 0);
    const logic = setup({ actors: { child } }).createMachine({
      context: ({ spawn, self }) => {
        const [one, other] = [spawn('child'), spawn('child')];
        told.push(self.sessionId, self.id, one.id, one.sessionId, other.id);
        return {};
      },
      on: { go: { actions: sendTo(({ self }) => self, { type: 'later' }, { delay: 10 }) } },
    });
    const { open, clock } = hostCells();
    const live = open(definitionOf('hosted', logic));
    live.tap((one) => void told.push(one));
    sendAll(live, 'go');
    clock.pass(100);
    return told;
  };
  const [date, random] = [Date.now, Math.random];
  const first = seen();
  Date.now = () => 1;
  Math.random = () => 0.5;
  const second = seen();
  Date.now = date;
  Math.random = random;
  assert.deepEqual(JSON.stringify(first), JSON.stringify(second));
  assert.deepEqual(first.slice(0, 3), ['hosted/1@n1', 'hosted/1@n1', 'x:1']);
});

test('promises run, and answer in a turn', async () => {
  const { open, clock } = hostCells();
  const live = open(
    definitionOf(
      'hosted',
      fromPromise(async () => 42),
    ),
  );
  const ends = endsOf(live);
  await tick();
  assert.equal(live.snapshot().status, 'active', 'not on the stack of the promise');
  clock.settle();
  assert.deepEqual(ends, [{ address: live.address, reason: 'done', output: 42 }]);
});
