// Actors on whole nodes: what is said to one from another node finds it, and is answered; references in messages work at the other side.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EventObject, fromTransition } from 'xstate';
import { type ActorDefinition, refMark, restartDefault } from '../../actors/actor-api.ts';
import type { Outcome } from '../../actors/api.ts';
import type { ActorAddress } from '../../machines/entity/address.ts';
import { createHandCluster, type HandNode } from './hand-cluster.ts';

type Counted = { count: number; seen: EventObject[] };

const counter = (changes: Partial<ActorDefinition> = {}): ActorDefinition => ({
  ...{ name: 'counter', version: 1, durability: 'none', placement: 'node', input: () => undefined, restart: restartDefault },
  logic: fromTransition(
    (state: Counted, event: EventObject & { by?: number }) => ({
      count: state.count + (event.by ?? 1),
      seen: [...state.seen, event],
    }),
    { count: 0, seen: [] },
  ),
  replies: {
    add: ({ snapshot }) => (snapshot as unknown as { context: Counted }).context.count,
    peek: ({ snapshot }) => (snapshot as unknown as { context: Counted }).context.seen.at(-2),
  },
  ...{ mailboxMax: 100, passivateAfterMs: null, remember: false, timers: 'deadline', resume: {}, migrate: {}, redact: [] },
  ...changes,
});

const formRef = (address: ActorAddress) => ({ [refMark]: address });
const at = (node: HandNode | null, key = 'a'): ActorAddress => ({ type: 'counter', key, node: node?.name ?? null });

const setUp = () => {
  const cluster = createHandCluster();
  const nodes = ['n1', 'n2', 'n3'].map((name) => cluster.start(name, { formRef }));
  for (const { api } of nodes) assert.equal(api.actors.host(counter()), null);
  cluster.until(() => nodes.every(({ api }) => api.status().state === 'ready'));
  return { cluster, nodes: nodes as [HandNode, HandNode, HandNode] };
};

test('asked from another node, an actor answers; references come and go as references', () => {
  const { cluster, nodes } = setUp();
  const [n1, n2] = nodes;
  const outcomes: Outcome<unknown>[] = [];
  const note = (outcome: Outcome<unknown>) => void outcomes.push(outcome);
  n1.api.actors.ask(at(n2), { type: 'add', by: 2 } as EventObject, {}, note);
  n1.api.actors.ask(at(n2), { type: 'add', to: formRef(at(n1)) } as EventObject, {}, note);
  n1.api.actors.ask(at(n2), { type: 'peek' }, {}, note);
  cluster.pass(50);
  assert.deepEqual(outcomes, [
    { ok: true, value: 2 },
    { ok: true, value: 3 },
    { ok: true, value: { type: 'add', to: formRef(at(n1)) } },
  ]);
  n1.api.actors.send(at(n2), { type: 'add' });
  cluster.pass(20);
  assert.deepEqual(n2.api.actors.find(at(n2))?.view().handled, 4);
  assert.deepEqual(
    n2.api.actors.list({ type: 'counter', limit: 10 }).map(({ address, handled }) => [address, handled]),
    [[at(n2), 4]],
  );
  assert.ok(n2.api.actors.list({ type: 'polity', limit: 100 }).some(({ address }) => address.key === 'actors'));
});
