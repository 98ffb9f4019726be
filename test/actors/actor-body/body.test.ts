// What a body does that XState alone does not: nothing happens until it is asked for, everything is data, and it is read again as it was.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AnyActorLogic,
  type AnyActorRef,
  assign,
  cancel,
  createActor,
  createMachine,
  emit,
  fromCallback,
  fromPromise,
  fromTransition,
  log,
  raise,
  sendParent,
  sendTo,
  setup,
} from 'xstate';
import { refMark } from '../../../actors/actor-api.ts';
import { createBody } from '../../../actors/actor-body.ts';
import type { ActorBody, BodyAnswer, BodyArguments, BodyEffect, PersistedBody } from '../../../actors/actor-body-api.ts';
import type { ActorAddress } from '../../../machines/entity/address.ts';
import { createHandClock } from '../hand-clock.ts';

const open = (logic: AnyActorLogic, more: Partial<BodyArguments> = {}): ActorBody =>
  createBody({ logic, id: 'a', from: { input: undefined }, mode: 'recorded', clock: null, ...more });

const again = (logic: AnyActorLogic, persisted: PersistedBody, more: Partial<BodyArguments> = {}): ActorBody =>
  open(logic, { from: { persisted: JSON.parse(JSON.stringify(persisted)) as PersistedBody }, ...more });

const kindsOf = (effects: BodyEffect[]): string[] =>
  effects.map((effect) => ('type' in effect ? `${effect.kind} ${effect.type}` : `${effect.kind} ${effect.path}`));

const formRef = (address: ActorAddress) => ({ [refMark]: address, send() {} });
const friend: ActorAddress = { type: 'friend', key: 'b', node: null };

const done: string[] = [];
const door = setup({
  types: {} as { context: { opened: number; friend: unknown }; input: { friend?: unknown } },
  actions: { ring: (_, params: { loud: boolean }) => void done.push(`ring ${params.loud}`) },
  actors: { work: fromPromise(async ({ input }: { input: number }) => input * 2) },
}).createMachine({
  id: 'door',
  initial: 'shut',
  context: ({ input }) => ({ opened: 0, friend: input?.friend ?? null }),
  states: {
    shut: {
      entry: () => void done.push('shut'),
      on: {
        open: {
          target: 'ajar',
          actions: [
            { type: 'ring', params: { loud: true } },
            assign({ opened: ({ context }) => context.opened + 1 }),
            sendTo(({ context }) => context.friend as never, { type: 'hello' } as never),
            emit({ type: 'creak' }),
            log('opened'),
          ],
        },
      },
    },
    ajar: {
      invoke: { src: 'work', id: 'work', input: ({ context }) => context.opened, onDone: 'wide', onError: 'shut' },
      after: { 1000: 'shut' },
    },
    wide: {},
  },
});

test('a recorded body tells what it wants in order, and does none of it', () => {
  done.length = 0;
  const body = open(door, { from: { input: { friend: formRef(friend) } } });
  assert.deepEqual(kindsOf(body.takeEffects()), ['action #door.shut.entry.0']);
  body.deliver({ type: 'open' });
  const effects = body.takeEffects();
  assert.deepEqual(kindsOf(effects), ['action ring', 'action xstate.log', 'send ', 'emit ', 'invoke work']);
  assert.deepEqual(
    effects.find(({ kind }) => kind === 'send'),
    { kind: 'send', path: '', to: friend, event: { type: 'hello' } },
  );
  assert.deepEqual(effects.at(-1), { kind: 'invoke', path: 'work', src: 'work', input: 1 });
  assert.deepEqual(body.takeTimerChanges(), [{ type: 'set', timer: { id: ':xstate.after.1000.door.ajar', delayMs: 1000 } }]);
  assert.deepEqual(done, []);
  assert.equal(body.run(effects[0] as never), true);
  assert.deepEqual(done, ['ring true']);
});

test('an answer goes on where the promise would have; its timer is cleared, its end is told to nobody twice', () => {
  const body = open(door, { from: { input: { friend: formRef(friend) } } });
  body.deliver({ type: 'open' });
  body.takeEffects();
  body.takeTimerChanges();
  assert.deepEqual(body.invoked(), [{ path: 'work', src: 'work', input: 1 }]);
  assert.equal(body.answer('work', { type: 'done', output: 2 }), true);
  assert.equal((body.snapshot() as unknown as { value: string }).value, 'wide');
  assert.deepEqual(body.takeTimerChanges(), [{ type: 'cleared', id: ':xstate.after.1000.door.ajar' }]);
  assert.equal(body.answer('work', { type: 'done', output: 2 }), false);
  assert.deepEqual(body.invoked(), []);
});

test('a timer that is due fires once; one that was cleared does not', () => {
  const body = open(door, { from: { input: { friend: formRef(friend) } } });
  body.deliver({ type: 'open' });
  const [timer] = body.timers();
  assert.equal(body.fire(timer!.id), true);
  assert.equal((body.snapshot() as unknown as { value: string }).value, 'shut');
  assert.equal(body.fire(timer!.id), false);
});

test('what was written is read again, with timers, references and what is invoked, as often as one likes', () => {
  const body = open(door, { from: { input: { friend: formRef(friend) } } });
  body.deliver({ type: 'open' });
  const persisted = body.persist();
  assert.deepEqual((persisted.snapshot as { context: unknown }).context, { opened: 1, friend: { $ref: 'friend/b' } });
  let copy = again(door, persisted, { formRef });
  for (let times = 0; times < 3; times++) copy = again(door, copy.persist(), { formRef });
  assert.deepEqual(copy.persist(), persisted);
  assert.deepEqual(copy.takeEffects(), []);
  assert.deepEqual(copy.timers(), body.timers());
  assert.deepEqual(copy.invoked(), body.invoked());
  copy.fire(copy.timers()[0]!.id);
  copy.deliver({ type: 'open' });
  assert.equal(
    copy.takeEffects().some((effect) => effect.kind === 'send' && effect.to.type === 'friend'),
    true,
  );
});

test('an action that comes back from a log is found by its name, one that is nowhere is not', () => {
  done.length = 0;
  const body = open(door);
  const effect = (type: string, params?: unknown) =>
    ({ kind: 'action', path: '', type, params, event: { type: 'open' }, context: {} }) as const;
  assert.equal(body.run(effect('ring', { loud: false })), true);
  assert.equal(body.run(effect('#door.shut.entry.0')), true);
  assert.equal(body.run(effect('nowhere')), false);
  assert.deepEqual(done, ['ring false', 'shut']);
});

test('what cannot be written is refused by its path', () => {
  const dated = createMachine({ context: { items: [1, { when: new Date(0) }] } });
  assert.throws(() => open(dated).persist(), /snapshot\.context\.items\[1\]\.when is a Date/);
  const inline = createMachine({
    context: ({ spawn }) => ({
      job: spawn(
        fromPromise(async () => 1),
        { id: 'job' },
      ),
    }),
  });
  assert.throws(() => open(inline).persist(), /snapshot\.children\.job is of a logic that has no name/);
});

test('a chart that changed is told, not guessed: a state, a child or a logic that is not there any more', () => {
  const body = open(door, { from: { input: {} } });
  const { snapshot, ...rest } = body.persist();
  const elsewhere = { ...(snapshot as object), value: 'gone' };
  assert.throws(() => again(door, { ...rest, snapshot: elsewhere }), /State 'gone' does not exist/);
  const orphan = { ...(snapshot as object), children: { x: { src: 'none', snapshot: { status: 'active' } } } };
  assert.throws(() => again(door, { ...rest, snapshot: orphan }), /children\.x: this logic has no 'none'/);
});

test('what user code throws is thrown to whoever delivered, and nowhere else', () => {
  const fragile = createMachine({
    context: {},
    on: {
      break: {
        actions: assign(() => {
          throw new Error('it broke');
        }),
      },
    },
  });
  const body = open(fragile);
  assert.throws(() => body.deliver({ type: 'break' }), /it broke/);
  assert.throws(() => body.deliver({ type: 'other' }), /it broke/);
});

test('an event that leads on for ever ends with an error, the same for whoever has it in a log', () => {
  const kid = setup({}).createMachine({ on: { ball: { actions: sendParent({ type: 'ball' }) } } });
  const logic = setup({ actors: { kid } }).createMachine({
    invoke: { src: 'kid', id: 'kid' },
    initial: 'still',
    states: { still: { on: { spin: 'one' } }, one: { always: 'two' }, two: { always: 'one' } },
    on: {
      raise: { actions: raise({ type: 'raise' }) },
      self: { actions: sendTo(({ self }) => self, { type: 'self' }) },
      ball: { actions: sendTo('kid', { type: 'ball' }) },
    },
  });
  for (const type of ['spin', 'raise', 'self', 'ball'])
    assert.throws(() => open(logic).deliver({ type }), /one event led to more than 25000 transitions/, type);
  const body = open(logic);
  for (let events = 0; events < 25_001; events++) body.deliver({ type: 'nothing' });
  body.stop();
});

test('a child in a context is the same child after a restoration, and one knows its parent', () => {
  const kid = setup({ types: {} as { context: { boss: unknown } } }).createMachine({
    context: ({ input }) => ({ boss: (input as { boss: unknown }).boss }),
    on: { hi: { actions: sendTo(({ context }) => context.boss as never, { type: 'thanks' } as never) } },
  });
  const boss = setup({ types: {} as { context: { kid: unknown; thanked: number } }, actors: { kid } }).createMachine({
    context: ({ spawn, self }) => ({ kid: spawn('kid', { input: { boss: self } }), thanked: 0 }),
    on: {
      greet: { actions: sendTo(({ context }) => context.kid as never, { type: 'hi' } as never) },
      thanks: { actions: assign({ thanked: ({ context }) => context.thanked + 1 }) },
    },
  });
  let body = open(boss);
  for (let times = 1; times <= 3; times++) {
    body.deliver({ type: 'greet' });
    assert.equal((body.snapshot() as unknown as { context: { thanked: number } }).context.thanked, times);
    body = again(boss, body.persist());
  }
  assert.deepEqual(body.children(), ['kid:0']);
});

test('a live body does what XState does', async () => {
  const clock = createHandClock();
  done.length = 0;
  const sent: unknown[] = [];
  const emitted: unknown[] = [];
  const ref = { ...formRef(friend), send: (event: unknown) => void sent.push(event) };
  const body = open(door, {
    from: { input: { friend: ref } },
    mode: 'live',
    clock,
    onEmit: (event) => void emitted.push(event),
  });
  body.deliver({ type: 'open' });
  assert.deepEqual([done, sent, emitted], [['shut', 'ring true'], [{ type: 'hello' }], [{ type: 'creak' }]]);
  clock.pass(1000);
  assert.equal((body.snapshot() as unknown as { value: string }).value, 'shut');
  body.deliver({ type: 'open' });
  await new Promise<void>((resolve) => setImmediate(resolve));
  assert.equal((body.snapshot() as unknown as { value: string }).value, 'wide');
  assert.deepEqual(body.takeEffects(), []);
  body.stop();
});

test('what is invoked begins when asked, is told events, says plain data, and ends', async () => {
  const line = setup({
    actors: {
      line: fromCallback(({ sendBack, receive }) => {
        receive((event) => sendBack({ type: `got ${event.type}` }));
        sendBack({ type: 'begun' });
        return () => void done.push('ended');
      }),
      bad: fromPromise(async () => new Date(0)),
    },
  }).createMachine({
    invoke: [
      { src: 'line', id: 'line' },
      { src: 'bad', id: 'bad', onError: { actions: [] } },
    ],
    on: { say: { actions: sendTo('line', { type: 'said' }) } },
  });
  const body = open(line);
  const effects = body.takeEffects() as Extract<BodyEffect, { kind: 'invoke' }>[];
  const answers: BodyAnswer[] = [];
  const one = body.invoke(effects[0]!, (answer) => void answers.push(answer));
  body.deliver({ type: 'say' });
  for (const effect of body.takeEffects()) if (effect.kind === 'tell') one?.tell(effect.event);
  assert.deepEqual(answers, [
    { type: 'event', event: { type: 'begun' } },
    { type: 'event', event: { type: 'got said' } },
  ]);
  done.length = 0;
  one?.stop();
  assert.deepEqual(done, ['ended']);
  const errors: BodyAnswer[] = [];
  body.invoke(effects[1]!, (answer) => void errors.push(answer));
  await new Promise<void>((resolve) => setImmediate(resolve));
  assert.equal(errors[0]?.type, 'error');
  assert.match((errors[0] as { error: Error }).error.message, /output is a Date/);
});

test('a promise that is stopped hears of it by its signal; what it says afterwards is not heard', async () => {
  let aborted = false;
  const logic = fromPromise(
    ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve((aborted = true)))),
  );
  const body = open(logic);
  const [effect] = body.takeEffects() as Extract<BodyEffect, { kind: 'invoke' }>[];
  const answers: BodyAnswer[] = [];
  body.invoke(effect!, (answer) => void answers.push(answer))?.stop();
  await new Promise<void>((resolve) => setImmediate(resolve));
  assert.deepEqual([aborted, answers], [true, []]);
  assert.equal(body.answer('', { type: 'done', output: 5 }), true);
  assert.equal(body.snapshot().output, 5);
});

test('what an action sends to its own actor outside of a turn comes back through the log', () => {
  const selfish = createMachine({
    context: {},
    on: { go: { actions: ({ self }) => self.send({ type: 'later' }) }, later: '.there' },
    initial: 'here',
    states: { here: {}, there: {} },
  });
  const sent: [string, { type: string }][] = [];
  const body = open(selfish, { onSent: (path, event) => void sent.push([path, event]) });
  body.deliver({ type: 'go' });
  body.run(body.takeEffects()[0] as never);
  assert.deepEqual(sent, [['', { type: 'later' }]]);
  assert.equal((body.snapshot() as unknown as { value: string }).value, 'here');
  body.answer('', { type: 'sent', event: { type: 'later' } });
  assert.equal((body.snapshot() as unknown as { value: string }).value, 'there');
});

test('a tap sees events and snapshots of children, too', () => {
  const parent = setup({ actors: { kid: fromTransition((n: number) => n + 1, 0) } }).createMachine({
    invoke: { src: 'kid', id: 'kid' },
    on: { poke: { actions: sendTo('kid', { type: 'poked' }) } },
  });
  const body = open(parent);
  const seen: string[] = [];
  const end = body.tap((one) => void seen.push(`${one.type} ${one.path}`));
  body.deliver({ type: 'poke' });
  end();
  body.deliver({ type: 'poke' });
  assert.deepEqual(seen, ['event ', 'event kid', 'snapshot kid', 'snapshot ']);
});

test('it has the snapshots that raw XState has', () => {
  const body = open(door, { from: { input: {} } });
  const raw = createActor(door, { input: {} }).start();
  assert.deepEqual((body.persist() as { snapshot: unknown }).snapshot, JSON.parse(JSON.stringify(raw.getPersistedSnapshot())));
  raw.stop();
});

test('regions act in the order of the document, whichever of them moved last, restored or not', () => {
  const ready = ({ context }: { context: { isReady: boolean } }): boolean => context.isReady;
  const machine = setup({
    types: {} as { context: { isReady: boolean } },
    actions: { first: () => {}, second: () => {} },
    guards: { ready },
  }).createMachine({
    type: 'parallel',
    context: { isReady: false },
    on: { ready: { actions: assign({ isReady: true }) } },
    states: {
      a: {
        initial: 'x',
        states: { x: { on: { go: 'y' } }, y: { always: { guard: 'ready', target: 'z', actions: 'first' } }, z: {} },
      },
      b: { initial: 'y', states: { y: { always: { guard: 'ready', target: 'z', actions: 'second' } }, z: {} } },
    },
  });
  const body = open(machine);
  body.deliver({ type: 'go' });
  for (const one of [again(machine, body.persist()), body]) {
    one.deliver({ type: 'ready' });
    assert.deepEqual(kindsOf(one.takeEffects()), ['action first', 'action second']);
  }
});

test('a child whose id is given to another ends; who remembers it speaks to nobody, restored or not', () => {
  const kid = setup({
    types: {} as { context: { heard: number } },
    actors: { work: fromPromise(async () => 1) },
  }).createMachine({
    context: { heard: 0 },
    on: { hi: { actions: assign({ heard: ({ context }) => context.heard + 1 }) } },
    invoke: { src: 'work', id: 'work' },
  });
  const machine = setup({ types: {} as { context: { old: unknown } }, actors: { kid } }).createMachine({
    context: ({ spawn }) => ({ old: spawn('kid', { id: 'kid' }) }),
    on: {
      another: {
        actions: assign(({ spawn }) => {
          spawn('kid', { id: 'kid' });
          return {};
        }),
      },
      greet: { actions: sendTo(({ context }) => context.old as never, { type: 'hi' } as never) },
    },
  });
  let body = open(machine);
  body.takeEffects();
  body.deliver({ type: 'another' });
  assert.deepEqual(kindsOf(body.takeEffects()), ['uninvoke kid/work', 'invoke kid/work']);
  const { old } = (body.snapshot() as unknown as { context: { old: AnyActorRef } }).context;
  assert.equal(old.getSnapshot().status, 'stopped');
  assert.deepEqual(
    body.invoked().map(({ path }) => path),
    ['kid/work'],
  );
  for (let times = 0; times < 2; times++) {
    body.deliver({ type: 'greet' });
    const { snapshot } = body.persist() as unknown as { snapshot: { children: { kid: { snapshot: { context: unknown } } } } };
    assert.deepEqual(snapshot.children.kid.snapshot.context, { heard: 0 });
    body = again(machine, body.persist());
  }
});

test('two delays under one id both end, and cancelling means the later', () => {
  const machine = setup({ types: {} as { context: { late: number } } }).createMachine({
    context: { late: 0 },
    on: {
      go: { actions: raise({ type: 'late' }, { delay: 10, id: 'one' }) },
      stop: { actions: cancel('one') },
      late: { actions: assign({ late: ({ context }) => context.late + 1 }) },
    },
  });
  let body = open(machine);
  for (let times = 0; times < 3; times++) body.deliver({ type: 'go' });
  body = again(machine, body.persist());
  body.deliver({ type: 'stop' });
  const timers = body.timers().map(({ id }) => id);
  assert.deepEqual(timers, [':one', ':one~0']);
  for (const timer of timers) assert.equal(body.fire(timer), true);
  assert.equal((body.snapshot() as unknown as { context: { late: number } }).context.late, 2);
});

test('what was invoked ends before another takes its path, though its actor is in the middle of something', () => {
  const kid = setup({ actors: { work: fromPromise(async () => 1) } }).createMachine({
    invoke: [
      { src: 'work', id: 'work' },
      { src: 'work', id: 'ask', onDone: { actions: sendParent({ type: 'another' }) } },
    ],
  });
  const machine = setup({ actors: { kid } }).createMachine({
    initial: 'a',
    states: { a: { invoke: { src: 'kid', id: 'kid' }, on: { another: { target: 'a', reenter: true } } } },
  });
  const body = open(machine);
  body.takeEffects();
  body.answer('kid/ask', { type: 'done', output: 1 });
  const told = kindsOf(body.takeEffects());
  assert.deepEqual(told, ['uninvoke kid/ask', 'uninvoke kid/work', 'invoke kid/work', 'invoke kid/ask']);
  assert.deepEqual(
    body.invoked().map(({ path }) => path),
    ['kid/work', 'kid/ask'],
  );
});
