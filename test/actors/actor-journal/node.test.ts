// Actors of durability 'local' on a whole node that is killed and begins anew.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assign, setup } from 'xstate';
import { refMark } from '../../../actors/actor-api.ts';
import type { Outcome } from '../../../actors/api.ts';
import type { ActorAddress } from '../../../machines/entity/address.ts';
import { createHandCluster } from '../hand-cluster.ts';
import { define } from './world.ts';

const bell = setup({ types: {} as { context: { rung: number; set: number } } }).createMachine({
  context: { rung: 0, set: 0 },
  initial: 'still',
  states: {
    still: { on: { set: { target: 'set', actions: assign({ set: ({ context }) => context.set + 1 }) } } },
    set: { after: { 3000: { target: 'still', actions: assign({ rung: ({ context }) => context.rung + 1 }) } } },
  },
});

const bells = define(bell, {
  name: 'bell',
  replies: { look: ({ snapshot }) => (snapshot as unknown as { context: unknown }).context },
});

const formRef = (address: ActorAddress) => ({ [refMark]: address });
const tower: ActorAddress = { type: 'bell', key: 'tower', node: 'n2' };

test('what was acknowledged outlives the process, and a timer rings though nobody asks', () => {
  const cluster = createHandCluster();
  const [n1, n2] = ['n1', 'n2', 'n3'].map((name) => cluster.start(name, { formRef }));
  cluster.until(() => [...cluster.nodes.values()].every(({ api }) => api.status().state === 'ready'));
  for (const { api } of cluster.nodes.values()) assert.equal(api.actors.host(bells), null);
  const outcomes: Outcome<unknown>[] = [];
  const note = (outcome: Outcome<unknown>): void => void outcomes.push(outcome);
  n1!.api.actors.deliver(tower, { type: 'set' }, { id: 'once' }, note);
  cluster.pass(50);
  assert.deepEqual(outcomes, [{ ok: true, value: null }]);

  const contents = cluster.kill(n2!);
  cluster.pass(500);
  const again = cluster.start('n2', { formRef, contents });
  assert.equal(again.api.actors.host(bells), null);
  cluster.until(() => again.api.status().state === 'ready');
  cluster.pass(3_000);
  n1!.api.actors.deliver(tower, { type: 'set' }, { id: 'once' }, note);
  n1!.api.actors.ask(tower, { type: 'look' }, {}, note);
  cluster.pass(500);
  assert.deepEqual(outcomes.slice(1), [
    { ok: true, value: null },
    { ok: true, value: { rung: 1, set: 1 } },
  ]);
  assert.equal(again.api.actors.list({ type: 'bell', limit: 10 }).length, 1);
});
