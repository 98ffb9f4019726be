// What XState 5.33.3 does with a reference of ours, pinned: its versions are exact, and a new one may ask for more.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assign, createActor, forwardTo, type InspectionEvent, sendTo, setup } from 'xstate';
import type { ActorAddress } from '../../../machines/entity/address.ts';
import { defineActor, Ref } from '../../../src/actor/index.ts';
import { StandIn } from './stand-in.ts';

const address: ActorAddress = { type: 'counter', key: 'a', node: 'n1' };

const open = () => {
  const sent: unknown[] = [];
  const actors = Object.assign(new StandIn(), { send: (to: ActorAddress, event: unknown) => void sent.push([to, event]) });
  return { sent, actors, ref: new Ref({ actors, thrown: assert.fail }, address) };
};

const asker = setup({
  types: { context: {} as { other: Ref }, events: {} as { type: 'go' | 'later' | 'forward' }, input: {} as Ref },
}).createMachine({
  context: ({ input }) => ({ other: input }),
  on: {
    go: { actions: sendTo(({ context }) => context.other, { type: 'add', by: 1 }) },
    later: { actions: sendTo(({ context }) => context.other, { type: 'add', by: 2 }, { delay: 10, id: 'x' }) },
    forward: { actions: forwardTo(({ context }) => context.other) },
  },
});

test('a machine sends to it, now, later and what it got itself', () => {
  const { sent, ref } = open();
  const timers: (() => void)[] = [];
  const clock = { setTimeout: (run: () => void) => timers.push(run), clearTimeout() {} };
  const seen: InspectionEvent[] = [];
  const actor = createActor(asker, { input: ref, clock, inspect: (event) => seen.push(event) });
  actor.start();
  actor.send({ type: 'go' });
  actor.send({ type: 'forward' });
  actor.send({ type: 'later' });
  assert.equal(sent.length, 2);
  for (const timer of timers) timer();
  assert.deepEqual(sent, [
    [address, { type: 'add', by: 1 }],
    [address, { type: 'forward' }],
    [address, { type: 'add', by: 2 }],
  ]);
  const told = seen.filter((event) => event.type === '@xstate.event' && event.actorRef === (ref as unknown));
  assert.equal(told.length, 3);
  actor.stop();
});

test('it stays itself in a context that is persisted, and is no child', () => {
  const { ref } = open();
  const actor = createActor(asker, { input: ref });
  actor.start();
  const { context, children } = actor.getPersistedSnapshot() as unknown as { context: { other: unknown }; children: object };
  assert.equal(context.other, ref);
  assert.deepEqual(children, {});
  const again = createActor(asker, { input: ref, snapshot: actor.getPersistedSnapshot() });
  assert.equal(again.getSnapshot().context.other, ref);
});

test('what XState asks of an actor beside itself', () => {
  const { ref, actors } = open();
  actors.host(defineActor('counter', { logic: setup({}).createMachine({ context: { n: 1 }, entry: assign({}) }) }));
  assert.deepEqual([ref.id, ref.sessionId, ref.src], ['counter/a@n1', 'counter/a@n1', 'counter']);
  assert.deepEqual(ref.getSnapshot(), { status: 'active', output: undefined, error: undefined });
  ref.subscribe(() => {});
  assert.deepEqual((ref.getSnapshot() as unknown as { context: object }).context, { n: 1 });
  ref.start();
  assert.equal((ref as unknown as { '@@observable'(): unknown })['@@observable'](), ref);
  for (const asked of [() => ref.system, () => ref.getPersistedSnapshot(), () => ref.select()])
    assert.throws(asked, { code: 'INVALID_REQUEST' });
  // An enumerable field `ref` would make XState take it for a child of the machine (persistContext).
  assert.deepEqual([...Object.keys(ref), 'ref' in ref], [false]);
});
