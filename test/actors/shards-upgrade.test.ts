// A cluster rolled from one version of a replicated actor to the next, node by node, under those who ask; and a version that cannot read
// what there is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromTransition } from 'xstate';
import { type ActorDefinition, restartDefault } from '../../actors/actor-api.ts';
import type { Outcome } from '../../actors/api.ts';
import type { ActorAddress } from '../../machines/entity/address.ts';
import { createHandCluster, type HandNode } from './hand-cluster.ts';

const groups = ['kv', 'actors-1', 'actors-2'];
const balance = { isOn: true, everyMs: 50, graceMs: 200, settleMs: 200, pauseMs: 100, restMs: 500 };

type Old = { context: number };
type New = { context: { count: number; currency: string } };

const counter = (changes: Partial<ActorDefinition>): ActorDefinition => ({
  ...{ name: 'counter', version: 1, durability: 'replicated', placement: 'sharded', input: () => undefined },
  ...{ restart: restartDefault, mailboxMax: 1_000, passivateAfterMs: null, remember: false },
  ...{ timers: 'deadline', resume: {}, migrate: {}, redact: [] },
  logic: fromTransition((count: number) => count + 1, 0),
  replies: { add: ({ snapshot }) => (snapshot as unknown as Old).context },
  ...changes,
});
const v1 = counter({});
const upgraded: Partial<ActorDefinition> = {
  logic: fromTransition(({ count, currency }: New['context']) => ({ count: count + 1, currency }), {
    count: 0,
    currency: 'EUR',
  }),
  replies: { add: ({ snapshot }) => Object.values((snapshot as unknown as New).context).join(' ') },
};
const v2 = counter({
  ...upgraded,
  version: 2,
  migrate: { 1: (snapshot) => ({ ...(snapshot as Old), context: { count: (snapshot as Old).context, currency: 'EUR' } }) },
});
const withoutPath = counter({ ...upgraded, version: 3 });
const at = (key: string): ActorAddress => ({ type: 'counter', key, node: null });

const form = () => {
  const cluster = createHandCluster({ groups, balance });
  const nodes: HandNode[] = cluster.form();
  for (const { api } of nodes) assert.equal(api.actors.host(v1), null);
  return {
    ...{ cluster, nodes },
    add(key: string, node: HandNode): Outcome<unknown> {
      let outcome: Outcome<unknown> | null = null;
      node.api.actors.ask(at(key), { type: 'add' }, { timeoutMs: 10_000 }, (given) => {
        outcome = given;
      });
      cluster.until(() => outcome !== null, 11_000);
      return outcome!;
    },
    /** As an operator does: it stops, its program is replaced, it starts again. */
    roll(node: HandNode, definition: ActorDefinition): HandNode {
      let isStopped = false;
      node.api.stop(() => {
        isStopped = true;
      });
      cluster.until(() => isStopped);
      const contents = cluster.kill(node);
      const again = cluster.start(node.name, { contents });
      assert.equal(again.api.actors.host(definition), null);
      cluster.until(() => again.api.status().state === 'ready', 20_000);
      nodes.splice(nodes.indexOf(node), 1, again);
      return again;
    },
  };
};

test('a cluster is rolled to a version that migrates, one node after the other, and no event is lost', () => {
  const { cluster, nodes, add, roll } = form();
  const keys = ['a', 'b', 'c', 'd'];
  let count = 0;
  const addAll = (): void => {
    count++;
    for (const key of keys) {
      const outcome = add(key, nodes[count % nodes.length]!);
      // Before or after its migration: both are there while the cluster is rolled.
      assert.ok(
        outcome.ok && (outcome.value === count || outcome.value === `${count} EUR`),
        `${key} ${count}: ${JSON.stringify(outcome)}`,
      );
    }
  };
  addAll();
  for (const node of [...nodes]) {
    addAll();
    cluster.pass(800);
    roll(node, v2);
    addAll();
    cluster.pass(800);
  }
  addAll();
  assert.deepEqual(add('a', nodes[0]!), { ok: true, value: `${count + 1} EUR` });
});

test('a version without a path refuses and changes nothing, and its node does not keep the group', () => {
  const { cluster, nodes, add, roll } = form();
  assert.deepEqual(add('a', nodes[0]!), { ok: true, value: 1 });
  cluster.pass(800);
  const strange = roll(nodes[0]!, withoutPath);
  const group = strange.api.shards.groupOf(at('a'))!;
  const leads = (node: HandNode): boolean => node.api.shards.leadership(group).leader === node.peer;
  let isMoved = false;
  cluster.until(() => nodes.some(leads));
  strange.api.changeGroup(group, { type: 'transfer', node: strange.name }, {}, () => {
    isMoved = true;
  });
  cluster.until(() => isMoved);
  assert.deepEqual(add('a', nodes[1]!), { ok: true, value: 2 }, 'whoever asks waits until it has handed over');
  assert.equal(leads(strange), false);
});
