// Actors of the cluster on whole nodes, with the door and the cells that every node has: whoever asks notices nothing of leaders that come
// and go, each key has one actor, and what shall always be there is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EventObject, fromTransition } from 'xstate';
import { type ActorDefinition, restartDefault } from '../../actors/actor-api.ts';
import type { Outcome } from '../../actors/api.ts';
import type { ActorAddress } from '../../machines/entity/address.ts';
import { createHandCluster, type HandNode } from './hand-cluster.ts';

const groups = ['kv', 'actors-1', 'actors-2', 'actors-3'];
const balance = { isOn: true, everyMs: 50, graceMs: 300, settleMs: 200, pauseMs: 100, restMs: 1_000 };

const counter = (changes: Partial<ActorDefinition> = {}): ActorDefinition => ({
  ...{ name: 'counter', version: 1, durability: 'none', placement: 'sharded', input: () => undefined, restart: restartDefault },
  logic: fromTransition((count: number) => count + 1, 0),
  replies: { add: ({ snapshot }) => (snapshot as unknown as { context: number }).context },
  ...{ mailboxMax: 1_000, passivateAfterMs: null, remember: false, timers: 'deadline', resume: {}, migrate: {}, redact: [] },
  ...changes,
});
const at = (key: string, type = 'counter'): ActorAddress => ({ type, key, node: null });
const add: EventObject = { type: 'add' };

const form = (isOn: boolean, ...definitions: ActorDefinition[]) => {
  const cluster = createHandCluster({ groups, balance: { ...balance, isOn } });
  const nodes = cluster.form();
  for (const { api } of nodes) for (const one of definitions) assert.equal(api.actors.host(one), null);
  const ask = (node: HandNode, address: ActorAddress): Outcome<unknown> => {
    let outcome: Outcome<unknown> | null = null;
    node.api.actors.ask(address, add, { timeoutMs: 5_000 }, (given) => {
      outcome = given;
    });
    cluster.until(() => outcome !== null, 6_000);
    return outcome!;
  };
  const owners = (address: ActorAddress): string[] =>
    nodes.filter(({ api }) => api.actors.find(address) !== null).map(({ name }) => name);
  return { cluster, nodes, ask, owners };
};

test('whoever is asked, a key has one actor in the cluster', () => {
  const { cluster, nodes, ask, owners } = form(false, counter());
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f'])
    for (const [turn, node] of nodes.entries()) {
      assert.deepEqual(ask(node, at(key)), { ok: true, value: turn + 1 });
      assert.equal(owners(at(key)).length, 1);
    }
  const spread = new Set(['a', 'b', 'c', 'd', 'e', 'f'].map((key) => nodes[0]!.api.shards.groupOf(at(key))));
  assert.ok(spread.size > 1);
  const [of] = owners(at('a'));
  const node = nodes.find(({ name }) => name === of)!;
  assert.ok(node.api.actors.find(at('a'))!.view().token !== null);
  cluster.pass(10);
});

test('leadership moves under those who ask, and every ask is answered', () => {
  const { cluster, nodes, owners } = form(true, counter());
  const keys = Array.from({ length: 12 }, (_, n) => `k${n}`);
  const outcomes: Outcome<unknown>[] = [];
  let asked = 0;
  const isSettled = (): boolean =>
    nodes.every(({ api }) => api.shards.view().every(({ leader, preferred }) => leader !== null && leader === preferred));
  for (let ms = 0; !isSettled() || ms < 1_000; ms += 10) {
    assert.ok(ms < 20_000);
    const node = nodes[asked % 3]!;
    node.api.actors.ask(at(keys[asked++ % keys.length]!), add, {}, (outcome) => void outcomes.push(outcome));
    cluster.pass(10);
  }
  cluster.until(() => outcomes.length === asked, 6_000);
  assert.deepEqual(
    outcomes.filter(({ ok }) => !ok),
    [],
  );
  const handed = nodes.reduce(
    (sum, { counts }) => sum + [...counts.keys()].filter((of) => of.startsWith('shard_handovers')).length,
    0,
  );
  assert.ok(handed > 0, 'or nothing was seen here');
  for (const key of keys) assert.equal(owners(at(key)).length, 1, key);
});

test('replicated actors count each event once while leadership moves and their owner dies', () => {
  const { cluster, nodes } = form(true, counter({ durability: 'replicated' }));
  const keys = Array.from({ length: 6 }, (_, n) => `k${n}`);
  const answers = new Map<string, unknown[]>(keys.map((key) => [key, []]));
  const failures: unknown[] = [];
  let asked = 0;
  let answered = 0;
  const step = (of: readonly HandNode[]): void => {
    const key = keys[asked % keys.length]!;
    of[asked++ % of.length]!.api.actors.ask(at(key), add, { timeoutMs: 10_000 }, (outcome) => {
      answered++;
      if (outcome.ok) answers.get(key)!.push(outcome.value);
      else failures.push(outcome.failure);
    });
    cluster.pass(10);
  };
  for (let turn = 0; turn < 100; turn++) step(nodes);
  const group = nodes[0].api.shards.groupOf(at('k0'))!;
  const owner = nodes.find(({ api, peer }) => api.shards.leadership(group).leader === peer)!;
  cluster.until(() => answered === asked);
  cluster.kill(owner);
  const others = nodes.filter((node) => node !== owner);
  for (let turn = 0; turn < 40; turn++) step(others);
  cluster.until(() => answered === asked);
  assert.deepEqual(failures, []);
  for (const [key, values] of answers) {
    const sorted = (values as number[]).toSorted((a, b) => a - b);
    assert.deepEqual(
      sorted,
      sorted.map((_, n) => n + 1),
      key,
    );
  }
});

test('the owner dies: the next ask is answered within two seconds, by an actor with a later token', () => {
  const { cluster, nodes, ask, owners } = form(false, counter());
  assert.ok(ask(nodes[0], at('a')).ok);
  const owner = nodes.find(({ name }) => name === owners(at('a'))[0])!;
  const other = nodes.find((node) => node !== owner)!;
  const { token } = owner.api.actors.find(at('a'))!.view();
  cluster.kill(owner);
  const fromMs = cluster.clock.nowMs();
  assert.ok(ask(other, at('a')).ok);
  assert.ok(cluster.clock.nowMs() - fromMs < 2_000, `${cluster.clock.nowMs() - fromMs} ms`);
  const next = nodes.find((node) => node !== owner && node.api.actors.find(at('a')) !== null)!;
  assert.ok(next.api.actors.find(at('a'))!.view().token!.term > token!.term);
});

test('who asks the owner over the very write that its disk refuses is answered by the next one, once', () => {
  const { cluster, nodes, ask } = form(false, counter({ durability: 'replicated' }));
  assert.ok(ask(nodes[0], at('a')).ok);
  const group = nodes[0].api.shards.groupOf(at('a'))!;
  const owner = nodes.find(({ api, peer }) => api.shards.leadership(group).leader === peer)!;
  owner.storage.failWith({ code: 'IO_ERROR', message: 'planted' });
  const fromMs = cluster.clock.nowMs();
  assert.deepEqual(ask(owner, at('a')), { ok: true, value: 2 });
  assert.ok(cluster.clock.nowMs() - fromMs < 2_000, `${cluster.clock.nowMs() - fromMs} ms`);
});

test('a node that stops hands its actors over first, and nobody who asks elsewhere notices', () => {
  const { cluster, nodes, ask, owners } = form(true, counter());
  const keys = Array.from({ length: 9 }, (_, n) => `k${n}`);
  for (const key of keys) assert.ok(ask(nodes[0], at(key)).ok);
  const gone = nodes.find(({ name }) => name === owners(at('k0'))[0])!;
  const others = nodes.filter((node) => node !== gone);
  const outcomes: Outcome<unknown>[] = [];
  let asked = 0;
  let isStopped = false;
  for (let ms = 0; !isStopped || ms < 500; ms += 5) {
    assert.ok(ms < 10_000, 'it never stops');
    if (ms === 100) {
      gone.api.stop(() => {
        isStopped = true;
      });
    }
    others[asked % 2]!.api.actors.ask(at(keys[asked++ % keys.length]!), add, {}, (outcome) => void outcomes.push(outcome));
    cluster.pass(5);
  }
  cluster.until(() => outcomes.length === asked, 6_000);
  assert.deepEqual(
    outcomes.filter(({ ok }) => !ok),
    [],
  );
  assert.ok([...gone.counts.keys()].some((of) => of.startsWith('shard_handovers')));
});

test('a node that stops waits for answers to what was asked there before, but not for ever', () => {
  // Answers when there was a third event.
  const pair = counter({
    replies: {
      add({ snapshot }) {
        const { context } = snapshot as unknown as { context: number };
        return context < 3 ? undefined : context;
      },
    },
  });
  const { cluster, nodes, owners } = form(false, pair);
  const keys = Array.from({ length: 9 }, (_, n) => `k${n}`);
  const outcomes: Outcome<unknown>[] = [];
  const done = (outcome: Outcome<unknown>): void => void outcomes.push(outcome);
  const [first] = nodes;
  for (const key of keys) first.api.actors.send(at(key), add);
  cluster.until(() => keys.every((key) => owners(at(key)).length === 1));
  const elsewhere = keys.filter((key) => owners(at(key))[0] !== first.name);
  assert.ok(elsewhere.length > 1);
  for (const key of elsewhere) first.api.actors.ask(at(key), add, { timeoutMs: 60_000 }, done);
  cluster.pass(50);
  let isStopped = false;
  first.api.stop(() => {
    isStopped = true;
  });
  cluster.pass(300);
  assert.equal(isStopped, false);
  const [left, ...told] = elsewhere;
  for (const key of told) nodes[1].api.actors.send(at(key), add);
  cluster.until(() => outcomes.length >= told.length, 1_000);
  assert.deepEqual(
    outcomes,
    told.map(() => ({ ok: true, value: 3 })),
  );
  assert.ok(left !== undefined && !isStopped);
  cluster.until(() => isStopped, 3_500);
});

test('an owner that was held up for a moment has lost nothing', () => {
  const { cluster, nodes, ask, owners } = form(false, counter());
  const owner = (): HandNode => nodes.find(({ name }) => name === owners(at('a'))[0])!;
  assert.deepEqual(ask(nodes[0], at('a')), { ok: true, value: 1 });
  cluster.pass(500);
  const before = owner();
  cluster.lose(({ to, lane }) => to === before.peer && lane === 'control');
  cluster.pass(190);
  const outcomes: Outcome<unknown>[] = [];
  // To the actor itself, past the door, and from outside.
  before.api.actors
    .find(at('a'))!
    .deliver(add, { id: null, wantsReply: true, leftMs: 2_000, trail: { source: '', correlation: '' } }, (outcome) => {
      outcomes.push(outcome);
    });
  before.api.actors.ask(at('a'), add, {}, (outcome) => void outcomes.push(outcome));
  cluster.pass(5);
  assert.deepEqual(outcomes, [], 'without a lease nothing of it runs');
  cluster.lose(() => false);
  cluster.until(() => outcomes.length === 2, 1_000);
  assert.deepEqual(outcomes, [
    { ok: true, value: 2 },
    { ok: true, value: 3 },
  ]);
  assert.equal(owner(), before);
});

test('what shall always be there is: a singleton, remembered rooms, and one of each node', () => {
  const clerk = counter({ name: 'clerk', placement: 'singleton', remember: true });
  const room = counter({ name: 'room', remember: true });
  const probe = counter({ name: 'probe', placement: 'each' });
  const { cluster, nodes, ask, owners } = form(false, clerk, room, probe);
  cluster.until(
    () =>
      owners(at('-', 'clerk')).length === 1 &&
      nodes.every(({ api, name }) => api.actors.find({ type: 'probe', key: '-', node: name }) !== null),
  );
  const rooms = ['r1', 'r2', 'r3', 'r4', 'r5'].map((key) => at(key, 'room'));
  for (const address of rooms) assert.ok(ask(nodes[0], address).ok);
  let isStopped = false;
  nodes[1].api.actors.stop(rooms[0]!, {}, (outcome) => {
    assert.ok(outcome.ok);
    isStopped = true;
  });
  cluster.until(() => isStopped);
  cluster.kill(nodes[0]);
  const living = (): string[] =>
    rooms.filter((address) => nodes.slice(1).some(({ api }) => api.actors.find(address) !== null)).map(({ key }) => key);
  cluster.until(
    () => living().length === 4 && nodes.slice(1).some(({ api }) => api.actors.find(at('-', 'clerk')) !== null),
    5_000,
  );
  cluster.pass(2_000);
  assert.deepEqual(living(), ['r2', 'r3', 'r4', 'r5']);
});

test('a node that hosts nothing of a type knows whether its actors remember ids, from the first request on', () => {
  const durable = counter({ durability: 'replicated' });
  const fleeting = counter({ name: 'fleeting' });
  const cluster = createHandCluster({ groups, balance: { ...balance, isOn: false } });
  const nodes = cluster.form();
  for (const { api } of nodes) for (const one of [durable, fleeting]) assert.equal(api.actors.host(one), null);
  const client = cluster.start('n4', { bootstrap: [] });
  cluster.until(() => client.api.status().state === 'ready', 20_000);
  cluster.pass(3_000);
  const outcomes: Record<string, unknown> = {};
  const ask = (type: string, key: string): void => {
    client.api.actors.ask(at(key, type), add, { timeoutMs: 20_000 }, (outcome) => {
      outcomes[type] = outcome.ok ? outcome.value : outcome.failure.code;
    });
  };
  const { groupOf } = nodes[0].api.shards;
  const group = groupOf(at('a'))!;
  const beside = Array.from({ length: 100 }, (_, n) => `k${n}`).find((key) => groupOf(at(key, 'fleeting')) === group)!;
  const owner = nodes.find(({ api, peer }) => api.shards.leadership(group).leader === peer)!;
  // Its answers are lost, and then its process.
  cluster.lose(({ from, to }, { target }) => from === owner.peer && to === client.peer && target === 'actors');
  ask('counter', 'a');
  ask('fleeting', beside);
  cluster.pass(100);
  assert.deepEqual(outcomes, {});
  cluster.kill(owner);
  cluster.lose(() => false);
  cluster.until(() => 'counter' in outcomes && 'fleeting' in outcomes, 30_000);
  // Asked again under its id, it has one effect; of the other nobody knows.
  assert.deepEqual(outcomes, { counter: 1, fleeting: 'OUTCOME_UNKNOWN' });
});
