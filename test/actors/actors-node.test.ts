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

const settled = (
  cluster: ReturnType<typeof createHandCluster>,
  from: HandNode,
  address: ActorAddress,
  event: EventObject,
  timeoutMs = 20_000,
) => {
  const outcomes: Outcome<unknown>[] = [];
  from.api.actors.ask(address, event, { timeoutMs }, (outcome) => void outcomes.push(outcome));
  cluster.until(() => outcomes.length > 0, timeoutMs + 1_000);
  return outcomes[0];
};

test('a replicated actor is asked from any node, and the loss of the one where it lives costs its callers time alone', () => {
  const cluster = createHandCluster();
  const nodes = ['n1', 'n2', 'n3'].map((name) => cluster.start(name, { formRef }));
  const replicated = counter({ name: 'account', durability: 'replicated', placement: 'sharded' });
  for (const { api } of nodes) assert.equal(api.actors.host(replicated), null);
  cluster.until(() => nodes.every(({ api }) => api.status().state === 'ready'));
  const account: ActorAddress = { type: 'account', key: 'a', node: null };
  for (const [at, node] of nodes.entries())
    assert.deepEqual(settled(cluster, node, account, { type: 'add' }), { ok: true, value: at + 1 });
  const leader = cluster.leader();
  const others = nodes.filter((node) => node !== leader);
  const outcomes: Outcome<unknown>[] = [];
  // Some are on their way to the leader, some have been handled there and not answered.
  for (let asked = 0; asked < 5; asked++) {
    others[0]!.api.actors.ask(account, { type: 'add' }, { timeoutMs: 20_000 }, (outcome) => void outcomes.push(outcome));
    cluster.network.deliver();
    cluster.clock.settle();
  }
  cluster.kill(leader);
  cluster.until(() => outcomes.length === 5, 25_000);
  // Each once. Who lost the answer to what was handled is answered from the state as it is now.
  const values = outcomes.map((outcome) => (outcome.ok ? (outcome.value as number) : 0));
  assert.ok(values.every((value) => value >= 4 && value <= 8) && values.includes(8), `${values}`);
  assert.deepEqual(settled(cluster, others[1]!, account, { type: 'add' }), { ok: true, value: 9 });
});

test('a local actor is where it was when its node is back, and whoever asked meanwhile is answered', () => {
  const cluster = createHandCluster();
  const [n1, , n3] = cluster.form();
  const definition = counter({ name: 'book', durability: 'local' });
  for (const { api } of [n1, n3]) assert.equal(api.actors.host(definition), null);
  const book: ActorAddress = { type: 'book', key: 'a', node: 'n3' };
  assert.deepEqual(settled(cluster, n1, book, { type: 'add' }), { ok: true, value: 1 });
  const outcomes: Outcome<unknown>[] = [];
  n1.api.actors.ask(book, { type: 'add' }, { timeoutMs: 30_000 }, (outcome) => void outcomes.push(outcome));
  cluster.network.deliver();
  cluster.clock.settle();
  const contents = cluster.kill(n3);
  cluster.pass(500);
  const again = cluster.start('n3', { contents, formRef });
  assert.equal(again.api.actors.host(definition), null);
  cluster.until(() => outcomes.length > 0, 20_000);
  assert.deepEqual(outcomes, [{ ok: true, value: 2 }]);
  assert.deepEqual(settled(cluster, n1, book, { type: 'add' }), { ok: true, value: 3 });
});

test('who watches an actor that is given up is told, before and after, near and far', () => {
  const cluster = createHandCluster();
  const nodes = ['n1', 'n2', 'n3'].map((name) => cluster.start(name, { formRef })) as [HandNode, HandNode, HandNode];
  const kinds = (['none', 'local', 'replicated'] as const).map((durability) =>
    counter({
      ...{ name: durability, durability, placement: durability === 'replicated' ? 'sharded' : 'node' },
      restart: { ...restartDefault, failuresMax: 0 },
      logic: fromTransition((count: number, { type }: EventObject) => {
        if (type === 'break') throw new Error('it broke');
        return count + 1;
      }, 0),
      replies: { add: () => 'added', break: () => 'never' },
    }),
  );
  for (const { api } of nodes) for (const kind of kinds) assert.equal(api.actors.host(kind), null);
  cluster.until(() => nodes.every(({ api }) => api.status().state === 'ready'));
  const [n1, n2] = nodes;
  for (const { name, placement } of kinds) {
    const address: ActorAddress = { type: name, key: 'a', node: placement === 'node' ? 'n1' : null };
    assert.deepEqual(settled(cluster, n2, address, { type: 'add' }), { ok: true, value: 'added' });
    const ends: string[] = [];
    const watch = (): void => {
      for (const { api } of [n1, n2]) api.actors.watch(address, ({ reason }) => void ends.push(reason));
      cluster.pass(500);
    };
    watch();
    assert.deepEqual(ends, [], name);
    const outcome = settled(cluster, n2, address, { type: 'break' });
    assert.equal(outcome?.ok === false && outcome.failure.code, 'ACTOR_FAILED', name);
    cluster.pass(500);
    assert.deepEqual(ends, ['failed', 'failed'], name);
    watch();
    assert.deepEqual(ends.splice(0), ['failed', 'failed', 'failed', 'failed'], name);
    const again = settled(cluster, n2, address, { type: 'add' });
    assert.match(again?.ok === false ? again.failure.message : '', /failed too often/);
    n1.api.actors.stop(address, {}, () => {});
    cluster.pass(500);
    watch();
    assert.deepEqual(ends, ['never-lived', 'never-lived'], name);
    assert.deepEqual(settled(cluster, n2, address, { type: 'add' }), { ok: true, value: 'added' });
  }
});
