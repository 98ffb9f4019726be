// Where something that is offered is to be had, between whole nodes: from the catalog, in the right order, and by asking where it does not know.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Place } from '../../actors/places-door.ts';
import type { Offer } from '../../machines/catalog/index.ts';
import { encodeEnvelope, wireVersion } from '../../machines/wire/envelope.ts';
import { createHandCluster, type HandNode } from './hand-cluster.ts';

const offer = (name: string, version = '1.0.0'): Offer => ({
  ...{ kind: 'service', name, version, methods: {}, resources: {}, capabilities: [], tags: [] },
});

const gather = () => {
  const hands = createHandCluster();
  const nodes = ['n1', 'n2', 'n3'].map((name) => hands.start(name)) as [HandNode, HandNode, HandNode];
  hands.until(() => nodes.every(({ api }) => api.status().state === 'ready'));
  hands.pass(2_000);
  const locate = (from: HandNode, lookup: object, prefer: string | null = null) => {
    const told: { places: readonly Place[] | null; code: string | null } = { places: null, code: null };
    from.api.routes.locate(lookup as { name: string }, prefer, (outcome) => {
      if (outcome.ok) told.places = outcome.value;
      else told.code = outcome.failure.code;
    });
    return told;
  };
  return { hands, nodes, locate };
};

const nodesOf = ({ places }: { places: readonly Place[] | null }): (string | null)[] | undefined =>
  places?.map(({ node }) => node);

test('the catalog answers at once: here first, then where it is preferred, and not where all is not well', () => {
  const { hands, nodes, locate } = gather();
  const [n1, n2, n3] = nodes;
  for (const { api } of nodes) api.catalog.offer(offer('sums'), () => {});
  hands.pass(200);
  const told = locate(n1, { name: 'sums' });
  assert.equal(nodesOf(told)?.[0], 'n1');
  assert.deepEqual(nodesOf(told)?.toSorted(), ['n1', 'n2', 'n3']);
  assert.equal(locate(n1, { name: 'sums' }).places, told.places, 'it is remembered');
  assert.deepEqual(nodesOf(locate(n1, { name: 'sums' }, 'n3')), ['n1', 'n3', 'n2']);
  assert.deepEqual(nodesOf(locate(n1, { name: 'sums' }, n2.peer)), ['n1', 'n2', 'n3']);
  n1.api.commandBreaker({ node: 'n2', service: 'sums' }, 'open');
  assert.deepEqual(nodesOf(locate(n1, { name: 'sums' })), ['n1', 'n3']);
  assert.equal(locate(n1, { name: 'sums', range: 'whatever' }).code, 'INVALID_REQUEST');
  void n3;
});

test('what the catalog does not know others are asked for, and whoever offers it says so himself', () => {
  const { hands, nodes, locate } = gather();
  const [n1, n2, n3] = nodes;
  hands.lose(
    (letter, { target }) => letter.to === n1.peer && (letter.lane === 'topic' || target === 'catalog' || target === 'gossip'),
  );
  n3.api.catalog.offer(offer('sums', '1.2.3'), () => {});
  hands.pass(500);
  assert.equal(n1.api.catalog.find({ name: 'sums' }).ok, true);
  const told = locate(n1, { name: 'sums', range: '^1.0.0' });
  hands.pass(20);
  assert.deepEqual(
    told.places?.map(({ node, version }) => [node, version]),
    [['n3', '1.2.3']],
  );
  assert.deepEqual(nodesOf(locate(n1, { name: 'sums', range: '^1.0.0' })), ['n3'], 'it is remembered');
  const other = locate(n1, { name: 'sums', range: '^2.0.0' });
  hands.pass(20);
  assert.deepEqual(nodesOf(other), []);
  // What another says of somebody is no offer: it must be reached and say so.
  hands.network.disconnect(n1.peer, n3.peer);
  const cut = locate(n1, { name: 'sums', range: '~1.2.0' });
  hands.pass(20);
  assert.deepEqual(nodesOf(cut), []);
  void n2;
});

test('a peer that asks nonsense, or too much, is told nothing', () => {
  const { hands, nodes } = gather();
  const [n1, n2] = nodes;
  const port = hands.network.port(n2.peer);
  const ask = (type: string, body: unknown): void => {
    const envelope = {
      version: wireVersion,
      source: 'x',
      target: 'routes',
      type,
      id: 1,
      correlation: 0,
      timeLeftMs: 9,
      trace: '',
    };
    port.send(n1.peer, 'control', encodeEnvelope({ ...envelope, body }));
    hands.deliver();
  };
  const nonsense = [
    null,
    [],
    ['x'],
    [1, null, null, null, null],
    ['x', 'y', null, null, null],
    ['x', null, '>', null, [1]],
    ['x', null, null, 7, 7],
  ];
  for (const body of nonsense) for (const type of ['who-offers', 'offers-it']) ask(type, body);
  assert.equal(n1.counts.get('messages_refused_total ROUTES_MALFORMED'), 2 * nonsense.length);
  for (let many = 0; many < 300; many++) ask('who-offers', ['sums', null, null, null, null]);
  assert.equal(n1.api.status().actors.find(({ address }) => address === 'routes')?.restarts, 0);
});
