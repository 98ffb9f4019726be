// What bodies rely on inside of XState 5.33.3 (actors/actor-inside.ts). When one of these fails after an upgrade, that file has to be read
// again next to the new sources; nothing else in Polity's bodies knows of XState's inside.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import {
  assign,
  createActor,
  createMachine,
  fromCallback,
  fromEventObservable,
  fromObservable,
  fromPromise,
  raise,
  sendTo,
  setup,
  spawnChild,
} from 'xstate';
import { innerOf } from '../../../actors/actor-inside.ts';
import { kindOf } from '../../../actors/actor-logics.ts';

test('the version is the one that was read', () => {
  assert.equal((createRequire(import.meta.url)('xstate/package.json') as { version: string }).version, '5.33.3');
});

test('an actor is announced in its constructor, with its scope and its system, before its state is made', () => {
  const seen: unknown[] = [];
  const context = () => {
    seen.push('context');
    return {};
  };
  createActor(createMachine({ context }), {
    inspect(event) {
      if (event.type !== '@xstate.actor') return;
      const actor = innerOf(event.actorRef as never);
      seen.push(event.type, actor._snapshot, typeof actor._actorScope.actionExecutor, actor.sessionId === actor.id);
    },
  });
  assert.deepEqual(seen, ['@xstate.actor', undefined, 'function', true, 'context']);
});

test('a logic that is put in place of another at that moment is the one that is used', () => {
  const other = createMachine({ initial: 'other', states: { other: {} } });
  const actor = createActor(createMachine({ initial: 'one', states: { one: {} } }) as typeof other, {
    inspect: (event) => void (event.type === '@xstate.actor' && (innerOf(event.actorRef as never).logic = other)),
  });
  assert.equal(actor.getSnapshot().value, 'other');
});

test('relay, scheduler, announcements and stops of children go through properties that can be replaced', () => {
  const seen: string[] = [];
  const kid = createMachine({ id: 'kid' });
  const machine = setup({ actors: { kid } }).createMachine({
    invoke: { src: 'kid', id: 'kid' },
    after: { 10: { actions: raise({ type: 'never' }) } },
    on: { go: { actions: sendTo('kid', { type: 'hi' }) }, end: { actions: ({ self }) => self.send({ type: 'go' }) } },
  });
  const actor = createActor(machine, {
    inspect(event) {
      if (event.type !== '@xstate.actor') return;
      const { system, _actorScope: scope } = innerOf(event.actorRef as never);
      const { _relay: relay } = system;
      system._relay = (source, target, told) => {
        seen.push(`relay ${told.type}`);
        relay(source, target, told);
      };
      system._sendInspectionEvent = (told) =>
        void (told.type === '@xstate.actor' && seen.push(`announced ${told.actorRef.id}`));
      system.scheduler = {
        schedule: (_source, _target, told, delayMs, id) => void seen.push(`schedule ${delayMs} ${id === told.type}`),
        cancel() {},
        cancelAll: () => void seen.push('cancelAll'),
      };
      const { actionExecutor: execute, stopChild } = scope;
      scope.actionExecutor = (deed) => {
        seen.push(deed.type);
        execute(deed);
      };
      scope.stopChild = (child) => {
        seen.push('stop');
        stopChild(child);
      };
    },
  });
  actor.start();
  actor.send({ type: 'go' });
  actor.stop();
  assert.deepEqual(seen, [
    'xstate.raise',
    'announced kid',
    'xstate.spawnChild',
    'schedule 10 true',
    'relay go',
    'xstate.sendTo',
    'relay hi',
    'xstate.stopChild',
    'stop',
    'cancelAll',
    'cancelAll',
  ]);
});

test('a child without an id is called as its session; spawnChild keeps it under undefined', () => {
  const kid = createMachine({ id: 'kid' });
  const spawned = createActor(setup({ actors: { kid } }).createMachine({ context: ({ spawn }) => ({ kid: spawn('kid') }) }));
  const child = innerOf((spawned.getSnapshot().context as { kid: never }).kid);
  assert.equal(child.id, child.sessionId);
  const nameless = createActor(setup({ actors: { kid } }).createMachine({ entry: spawnChild('kid') })).start();
  assert.deepEqual(Object.keys(nameless.getSnapshot().children), ['undefined']);
});

test('a restored actor has lost its timers, and changes what it was restored from', () => {
  const kid = createMachine({ id: 'kid' });
  const machine = setup({ actors: { kid } }).createMachine({
    context: ({ spawn }) => ({ kid: spawn('kid', { id: 'kid' }) }),
    after: { 10: '.b' },
    initial: 'a',
    states: { a: {}, b: {} },
  });
  const persisted = JSON.parse(JSON.stringify(createActor(machine).start().getPersistedSnapshot()));
  let scheduled = 0;
  const clock = { setTimeout: () => void scheduled++, clearTimeout() {} };
  createActor(machine, { snapshot: persisted, clock: clock as never }).start();
  assert.equal(scheduled, 0);
  assert.notDeepEqual(JSON.parse(JSON.stringify(persisted.context.kid)), undefined);
  assert.equal('send' in persisted.context.kid, true);
});

test('active states stand in the order in which they were entered, those of a restored machine do not', () => {
  const region = { initial: 'x', states: { x: { on: { go: 'y' } }, y: {} } } as const;
  const machine = createMachine({ id: 'm', type: 'parallel', states: { a: region, b: { initial: 'z', states: { z: {} } } } });
  const actor = createActor(machine).start();
  actor.send({ type: 'go' });
  const idsOf = (snapshot: unknown): string[] => (snapshot as { _nodes: { id: string }[] })._nodes.map(({ id }) => id);
  assert.deepEqual(idsOf(actor.getSnapshot()), ['m', 'm.a', 'm.b', 'm.b.z', 'm.a.y']);
  const restored = createActor(machine, { snapshot: actor.getPersistedSnapshot() });
  assert.deepEqual(idsOf(restored.getSnapshot()), ['m', 'm.a', 'm.b', 'm.a.y', 'm.b.z']);
});

test('an error of the root is told to an observer; that of a child goes to its parent', () => {
  const errors: unknown[] = [];
  const machine = createMachine({
    context: {},
    on: {
      go: {
        actions: assign(() => {
          throw new Error('x');
        }),
      },
    },
  });
  const actor = createActor(machine);
  actor.subscribe({ error: (error) => void errors.push(String(error)) });
  actor.start().send({ type: 'go' });
  assert.deepEqual(errors, ['Error: x']);
});

test('promises, callbacks and observables are known by their start', () => {
  const never = (): never => {
    throw new Error('never');
  };
  assert.deepEqual(
    [fromPromise(never), fromCallback(never), fromObservable(never), fromEventObservable(never)].map((logic) =>
      kindOf(logic as never),
    ),
    ['promise', 'callback', 'observable', 'events'],
  );
  assert.equal(kindOf({ ...fromPromise(never) } as never), 'promise');
  assert.throws(() => kindOf({ ...fromPromise(never), start() {} } as never), /a start of its own/);
});
