// A cluster rolled from one version of an actor to the next, node by node. What keeps state is a stand-in that does what a backing of
// replicated actors does: it has the state of each group, opens what its version can read, and never makes anything older.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ActorDefinition } from '../../actors/actor-api.ts';
import { type ActorAddress, addressText } from '../../machines/entity/address.ts';
import { migrate } from '../../machines/entity/versions.ts';
import { createHandCluster, type HandNode } from './hand-cluster.ts';

const groups = ['kv', 'actors-1', 'actors-2'];
const balance = { isOn: true, everyMs: 50, graceMs: 200, settleMs: 200, pauseMs: 100, restMs: 500 };

type State = { items: number; currency?: string };
type Kept = Map<string, { version: number; state: unknown }>;

const cart = (version: number, steps: ActorDefinition['migrate'] = {}): ActorDefinition =>
  ({
    ...{ name: 'cart', placement: 'sharded', durability: 'replicated', remember: false, version, migrate: steps },
  }) as unknown as ActorDefinition;
const v1 = cart(1);
const v2 = cart(2, { 1: (state) => ({ ...(state as State), currency: 'EUR' }) });
const v3 = cart(3);

/** A node that hosts one version; `kept` is what its groups replicate to every node. */
const hostCarts = (node: HandNode, definition: ActorDefinition, kept: Kept) => {
  const { shards } = node.api;
  shards.serve({
    definitions: () => [definition],
    open: (_definition, _address, done) => done(null),
    persisted(group) {
      const isIn = ([name]: [string, unknown]): boolean =>
        shards.groupOf({ type: 'cart', key: name.slice('cart/'.length) }) === group;
      const versions = [...kept].filter(isIn).map(([, { version }]) => version);
      const range = { oldest: Math.min(...versions), newest: Math.max(...versions) };
      return new Map(versions.length === 0 ? [] : [['cart', range]]);
    },
  });
  return {
    node,
    definition,
    /** One more item, or why not; null: the actor is not here. */
    add(address: ActorAddress): number | string | null {
      if (shards.locate(definition, address).where !== 'here') return null;
      const text = addressText(address);
      const before = kept.get(text);
      const read = before === undefined ? null : migrate(definition, before.version, before.state);
      if (read?.ok === false) return read.failure.code;
      const state = (read?.snapshot ?? { items: 0 }) as State;
      const next = { ...state, items: state.items + 1 };
      kept.set(text, { version: definition.version, state: next });
      return next.items;
    },
  };
};

test('a cluster is rolled to a version that migrates, one node after the other, and no state is lost', () => {
  const cluster = createHandCluster({ groups, balance });
  const kept: Kept = new Map();
  const hosts = cluster.form().map((node) => hostCarts(node, v1, kept));
  const keys = Array.from({ length: 4 }, (_, n) => ({ type: 'cart', key: `c${n}`, node: null }));
  const counts = new Map<string, number>();
  const add = (address: ActorAddress): void => {
    let items: number | string | null = null;
    cluster.until(() => {
      for (const host of hosts) items ??= host.add(address);
      if (items === 'ACTOR_VERSION') items = null;
      return items !== null;
    }, 20_000);
    const expected = (counts.get(address.key) ?? 0) + 1;
    assert.equal(items, expected, address.key);
    counts.set(address.key, expected);
  };
  for (const key of keys) add(key);
  for (const [at, { node }] of [...hosts].entries()) {
    const contents = cluster.kill(node);
    hosts.splice(at, 1);
    for (const key of keys) add(key);
    const again = cluster.start(node.name, { contents });
    hosts.splice(at, 0, hostCarts(again, v2, kept));
    cluster.until(() => again.api.status().state === 'ready', 20_000);
    for (const key of keys) add(key);
    cluster.pass(1_500);
    for (const key of keys) add(key);
  }
  assert.ok([...kept.values()].every(({ version, state }) => version === 2 && (state as State).currency === 'EUR'));
});

test('a version without a path refuses and changes nothing, and its node does not keep the group', () => {
  const cluster = createHandCluster({ groups, balance });
  const kept: Kept = new Map();
  const nodes = cluster.form();
  const hosts = nodes.map((node, at) => hostCarts(node, at === 0 ? v3 : v2, kept));
  const key = { type: 'cart', key: 'c1', node: null };
  kept.set('cart/c1', { version: 2, state: { items: 5, currency: 'EUR' } });
  const group = nodes[0].api.shards.groupOf(key)!;
  let isMoved = false;
  cluster.until(() => nodes[0].api.shards.leadership(group).leader !== null);
  nodes[0].api.changeGroup(group, { type: 'transfer', node: 'n1' }, {}, () => {
    isMoved = true;
  });
  let refused: number | string | null = null;
  cluster.until(() => {
    refused = hosts[0]!.add(key);
    return isMoved && refused !== null;
  }, 20_000);
  assert.equal(refused, 'ACTOR_VERSION');
  cluster.until(() => hosts[1]!.add(key) === 6 || hosts[2]!.add(key) === 6, 20_000);
  kept.set('cart/c1', { version: 2, state: { items: 5, currency: 'EUR' } });
  cluster.pass(2_000);
  assert.equal(hosts[0]!.add(key), null);
  assert.deepEqual(kept.get('cart/c1'), { version: 2, state: { items: 5, currency: 'EUR' } });
});
