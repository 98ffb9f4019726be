// Looking on across nodes: lists of all members, descriptions wherever an actor lives, and one message followed from node to node by its
// correlation, while connections are lost and members come and go.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMachine, forwardTo, fromTransition, setup } from 'xstate';
import type { ActorDescription, ActorPage, FollowWanted, InspectItem } from '../../actors/inspect-api.ts';
import { chartOf } from '../../actors/inspect-chart.ts';
import type { NetworkEvent } from '../../actors/ports/index.ts';
import { createRouter } from '../../actors/router.ts';
import { parseAddress } from '../../machines/entity/address.ts';
import type { Failure } from '../../machines/errors.ts';
import type { MemberView } from '../../machines/membership/index.ts';
import { createHandClock } from './hand-clock.ts';
import { createHandCluster } from './hand-cluster.ts';
import { createHandNetwork } from './hand-network.ts';
import { createInspectAlone } from './inspect-alone.ts';
import { definitionOf } from './stand-in-actors.ts';

const light = createMachine({
  initial: 'red',
  states: { red: { on: { go: 'green' } }, green: { on: { go: 'red' } } },
});
const lights = definitionOf('light', light);
const address = (text: string) => parseAddress(text)!;

/** Nodes with nothing but looking on, over a network moved by hand. */
const world = (names: readonly string[]) => {
  const clock = createHandClock();
  const network = createHandNetwork();
  const refused: string[] = [];
  const sink = { log: () => {}, count: (name: string) => void (name === 'messages_refused_total' && refused.push(name)) };
  const nodes = names.map((name) => {
    const peer = `p-${name}`;
    const router = createRouter({ network: network.port(peer) as never, clock, sink });
    const one = createInspectAlone(clock, { name, router });
    network.listen(peer, (event: NetworkEvent) => {
      if (event.type === 'message') router.receive(event.peer, event.lane, event.bytes);
      if (event.type !== 'peer-close') return;
      router.peerClosed(event.peer);
      one.peerClosed(event.peer);
    });
    return { name, peer, ...one };
  });
  const member = (name: string, self: boolean): MemberView =>
    ({ peer: `p-${name}`, name, self, status: 'alive' }) as unknown as MemberView;
  for (const node of nodes) node.members.push(...names.map((name) => member(name, name === node.name)));
  for (const a of nodes) for (const b of nodes) if (a.peer < b.peer) network.connect(a.peer, b.peer);
  const pass = (ms: number): void => {
    for (let at = 0; at < ms; at += 5) {
      clock.pass(5);
      network.deliverAll(clock.settle);
    }
  };
  return { clock, network, nodes, pass, refused };
};

type Node = ReturnType<typeof world>['nodes'][number];

const follow = (node: Node, wanted: FollowWanted) => {
  const items: InspectItem[] = [];
  const charts: string[] = [];
  const ends: string[] = [];
  const end = node.api.follow(
    wanted,
    (batch) => {
      items.push(...batch.items);
      charts.push(...Object.keys(batch.charts));
    },
    ({ code }) => void ends.push(code),
  );
  const lines = (): string[] =>
    items.map((item) =>
      item.type === 'node'
        ? `${item.node} ${item.failure?.code ?? 'followed'}`
        : `${item.node} ${item.type} ${item.address}${item.type === 'event' ? ` from ${item.source}` : ''}`,
    );
  return { items, charts, ends, end, lines };
};

test('one message is followed across nodes by its correlation', () => {
  const { nodes, pass, refused } = world(['n1', 'n2', 'n3']);
  const [n1, n2, n3] = nodes as [Node, Node, Node];
  const a = n1.actors.add(lights, 'a', null);
  const b = n2.actors.add(lights, 'b', null);
  const reader = follow(n3, { types: ['light'], scope: 'cluster', correlation: 'order-7' });
  pass(1_500);
  a.send({ type: 'go' }, { source: 'n3', correlation: 'order-7' });
  b.send({ type: 'go' }, { source: 'light/a', correlation: 'order-7' });
  b.send({ type: 'go' }, { source: 'light/z', correlation: 'order-8' });
  pass(300);
  const lines = reader.lines();
  assert.deepEqual(lines.slice(0, 4).sort(), ['n1 actor light/a', 'n1 followed', 'n2 actor light/b', 'n2 followed']);
  assert.deepEqual(lines.slice(4).sort(), [
    'n1 event light/a from n3',
    'n1 snapshot light/a',
    'n2 event light/b from light/a',
    'n2 snapshot light/b',
  ]);
  assert.deepEqual([reader.charts, a.taps], [['light 1', 'light 1'], 1]);
  reader.end();
  pass(100_000);
  assert.deepEqual([a.taps, b.taps, refused], [0, 0, []]);
});

test('an actor of the cluster is followed wherever it lives; one of a node only there', () => {
  const { nodes, pass } = world(['n1', 'n2', 'n3']);
  const [n1, n2, n3] = nodes as [Node, Node, Node];
  n2.actors.add(lights, 'a', null);
  const reader = follow(n1, { addresses: [address('light/a'), address('light/x@n9')] });
  pass(1_000);
  n2.actors.all.clear();
  n3.actors.add(lights, 'a', null).send({ type: 'go' }, { source: '', correlation: '' });
  pass(1_000);
  assert.deepEqual(
    reader.lines().filter((line) => !line.includes('followed')),
    [
      // That it vanished at the second without a word is found by looking, later.
      ...['n9 MEMBER_NOT_FOUND', 'n2 actor light/a', 'n3 actor light/a', 'n3 event light/a from ', 'n3 snapshot light/a'],
      'n2 ended light/a',
    ],
  );
  const here = follow(n1, { addresses: [address('polity/raft/kv@n2')] });
  pass(1_000);
  assert.deepEqual(here.lines(), ['n2 actor polity/raft/kv@n2', 'n2 followed'].sort().reverse());
});

test('a lost connection and a member that goes are told, and followed again when they are back', () => {
  const { nodes, pass, network } = world(['n1', 'n2']);
  const [n1, n2] = nodes as [Node, Node];
  const b = n2.actors.add(lights, 'b', null);
  const reader = follow(n1, { types: ['light'], scope: 'cluster' });
  pass(1_000);
  network.disconnect(n1.peer, n2.peer);
  pass(2_500);
  assert.equal(b.taps, 1);
  network.connect(n1.peer, n2.peer);
  pass(2_000);
  const gone = n1.members.splice(1);
  pass(1_500);
  n1.members.push(...gone);
  pass(1_500);
  const followed = ['n2 followed', 'n2 actor light/b'];
  assert.deepEqual(reader.lines(), [...followed, 'n2 UNREACHABLE', ...followed, 'n2 UNREACHABLE', ...followed]);
});

test('a reader that is too slow for a node is told how much it missed, and the node keeps little for it', () => {
  const { nodes, pass } = world(['n1', 'n2']);
  const [n1, n2] = nodes as [Node, Node];
  const b = n2.actors.add(lights, 'b', null);
  let leftOut = 0;
  let count = 0;
  n1.api.follow(
    { types: ['light'], scope: 'cluster', perSecond: 5_000 },
    (batch) => {
      leftOut += batch.leftOut;
      count += batch.items.filter(({ type }) => type === 'event').length;
    },
    () => {},
  );
  pass(1_000);
  for (let at = 0; at < 5_000; at++) b.send({ type: 'go' }, { source: '', correlation: '' });
  pass(6_000);
  assert.deepEqual([count > 0, leftOut >= 5_000, count + leftOut <= 10_000], [true, true, true], `${count} ${leftOut}`);
});

test('lists of all members are one page, in order; who does not answer is named', () => {
  const { nodes, pass, network } = world(['n1', 'n2', 'n3']);
  const [n1, n2, n3] = nodes as [Node, Node, Node];
  for (const key of ['a', 'd']) n1.actors.add(lights, key, null);
  for (const key of ['b', 'e']) n2.actors.add(lights, key, null);
  for (const key of ['c', 'f']) n3.actors.add(lights, key, null);
  const list = (query: Parameters<typeof n1.api.listAll>[0]): ActorPage => {
    let page: ActorPage | null = null;
    n1.api.listAll({ timeoutMs: 500, ...query }, (outcome) => {
      if (outcome.ok) page = outcome.value;
    });
    pass(600);
    assert.ok(page !== null);
    return page;
  };
  const told = ({ actors, more, silent }: ActorPage) => [
    actors.map((actor) => `${actor.address} ${actor.node} ${actor.value}`).join(', '),
    more,
    silent.map(({ node, failure }) => `${node} ${failure.code}`).join(),
  ];
  assert.deepEqual(told(list({ type: 'light', limit: 4 })), [
    ...['light/a n1 red, light/b n2 red, light/c n3 red, light/d n1 red', true, ''],
  ]);
  assert.deepEqual(told(list({ type: 'light', limit: 4, after: 'light/d' })), ['light/e n2 red, light/f n3 red', false, '']);
  assert.deepEqual(told(list({ type: 'light', limit: 1 })), ['light/a n1 red', true, '']);
  network.disconnect(n1.peer, n3.peer);
  assert.deepEqual(told(list({ type: 'light', prefix: 'c' })), ['', false, 'n3 UNREACHABLE']);
});

test('a description comes from wherever the actor lives', () => {
  const { nodes, pass } = world(['n1', 'n2', 'n3']);
  const [n1, , n3] = nodes as [Node, Node, Node];
  n3.actors.add(lights, 'a', null);
  const describe = (text: string): ActorDescription | Failure | null => {
    let told: ActorDescription | Failure | null = null;
    n1.api.describe(address(text), {}, (outcome) => {
      told = outcome.ok ? outcome.value : outcome.failure;
    });
    pass(200);
    return told;
  };
  const { view, definition, snapshot } = describe('light/a') as ActorDescription;
  assert.deepEqual(
    [view.node, view.value, snapshot.value, (definition as { initial: string }).initial],
    ['n3', 'red', 'red', 'red'],
  );
  assert.equal((describe('polity/raft/kv@n2') as ActorDescription).view.node, 'n2');
  assert.deepEqual(
    [describe('light/z') as Failure, describe('light/z@n2') as Failure, describe('light/z@n9') as Failure].map(
      ({ code }) => code,
    ),
    ['NOT_FOUND', 'NOT_FOUND', 'MEMBER_NOT_FOUND'],
  );
  assert.match((describe('light/z') as Failure).message, /any of 3 nodes/);
});

test('a message is followed from actor to actor across whole nodes, by the correlation that goes on with it', () => {
  const cluster = createHandCluster();
  const [a, b, c] = cluster.form();
  const target = { type: 'light', key: 'b', node: 'n2' };
  const send = () => a.api.actors.send(target, { type: 'go' });
  const sender = createMachine({ initial: 'idle', states: { idle: { on: { go: { actions: send } } } } });
  for (const { api } of [a, b]) {
    assert.equal(api.actors.host(definitionOf('sender', sender)), null);
    assert.equal(api.actors.host(lights), null);
  }
  const seen: string[] = [];
  const stop = c.api.inspect.follow(
    { types: ['sender', 'light'], scope: 'cluster', correlation: 'order-7' },
    ({ items }) => {
      for (const item of items)
        if (item.type === 'event') seen.push(`${item.node} ${item.address} ${item.source} ${item.correlation}`);
        else if (item.type === 'snapshot') seen.push(`${item.node} ${item.address} ${item.snapshot.value} ${item.correlation}`);
    },
    () => {},
  );
  // They live, and are found.
  a.api.actors.send({ type: 'sender', key: 'a', node: 'n1' }, { type: 'wake' });
  a.api.actors.send(target, { type: 'wake' });
  cluster.pass(1_500);
  c.api.actors.send(
    { type: 'sender', key: 'a', node: 'n1' },
    { type: 'go' },
    { trail: { source: 'n3', correlation: 'order-7' } },
  );
  cluster.pass(500);
  assert.deepEqual(seen.sort(), [
    'n1 sender/a@n1 idle order-7',
    'n1 sender/a@n1 n3 order-7',
    'n2 light/b@n2 green order-7',
    'n2 light/b@n2 sender/a@n1 order-7',
  ]);
  const told = c.api.inspect;
  let listed: string[] = [];
  told.listAll({ type: 'light' }, (outcome) => {
    if (outcome.ok)
      listed = outcome.value.actors.map(({ address: at, node, value, handled }) => `${at} ${node} ${value} ${handled}`);
  });
  cluster.pass(200);
  assert.deepEqual(listed, ['light/b@n2 n2 green 2']);
  stop();
});

test("in a cluster of whole nodes the runtime's own actors are listed, described and followed", () => {
  const cluster = createHandCluster();
  const [a, b] = cluster.form();
  const listed = a.api.inspect.list({ type: 'polity' });
  assert.ok(listed.ok);
  const names = listed.value.actors.map((actor) => actor.address);
  for (const name of ['node', 'raft/kv', 'group/kv', 'membership', 'discovery', 'gossip', 'inspect'])
    assert.ok(names.includes(`polity/${name}@n1`), `${name} of ${names.join(' ')}`);
  const leader = cluster.leader();
  let description: ActorDescription | null = null;
  b.api.inspect.describe(address(`polity/raft/kv@${leader.name}`), {}, (outcome) => {
    if (outcome.ok) description = outcome.value;
  });
  cluster.until(() => description !== null);
  assert.deepEqual(description!.view.value, { role: 'leader', standing: 'voter', attention: 'awake', disk: 'working' });
  const lines: string[] = [];
  const stop = b.api.inspect.follow(
    { addresses: [address(`polity/raft/kv@${leader.name}`)] },
    ({ items }) => {
      for (const item of items)
        if (item.type === 'event') lines.push(`${(item.event as { type: string }).type} ${item.source}`);
    },
    () => {},
  );
  cluster.pass(200);
  a.api.write({ op: 'put', key: 'k', value: new Uint8Array(1) }, {}, () => {});
  cluster.until(() => lines.some((line) => /^raft append-reply n\d$/.test(line)));
  stop();
  const handled = b.api.inspect.list({ type: 'polity', prefix: 'group/' });
  assert.ok(handled.ok && handled.value.actors[0]!.handled > 0);
  for (const node of [a, b]) assert.ok(!node.lines.some(({ level }) => level === 'error'), JSON.stringify(node.lines));
});

test('the first event of an actor is seen by who follows its type, or its address, whatever keeps it', () => {
  const hands = createHandCluster();
  const nodes = hands.form();
  const counter = fromTransition((count: number) => count + 1, 0);
  const made = [
    definitionOf('brief', counter),
    definitionOf('kept', counter, { durability: 'local' }),
    definitionOf('shared', counter, { placement: 'sharded' }),
    definitionOf('agreed', counter, { placement: 'sharded', durability: 'replicated' }),
  ];
  for (const { api } of nodes) for (const one of made) assert.equal(api.actors.host(one), null);
  hands.pass(2_000);
  const [first] = nodes;
  const seen: string[] = [];
  const follow = (wanted: FollowWanted): void =>
    void first.api.inspect.follow(
      { scope: 'cluster', ...wanted },
      ({ items }) => {
        for (const item of items) if (item.type === 'event') seen.push(`${item.address} ${JSON.stringify(item.event)}`);
      },
      ({ message }) => assert.fail(message),
    );
  follow({ types: made.map(({ name }) => name) });
  hands.pass(300);
  const to = (name: string, key = 'a') => ({ type: name, key, node: name === 'brief' || name === 'kept' ? 'n1' : null });
  const done = (outcome: { ok: boolean }): void => assert.ok(outcome.ok);
  for (const { name } of made) first.api.actors.deliver(to(name), { type: 'add' }, {}, done);
  hands.pass(500);
  assert.deepEqual(
    seen.sort(),
    ['agreed/a', 'brief/a@n1', 'kept/a@n1', 'shared/a'].map((text) => `${text} {"type":"add"}`),
  );
  seen.length = 0;
  follow({ addresses: [to('brief', 'b')] });
  hands.pass(300);
  first.api.actors.send(to('brief', 'b'), { type: 'add' });
  hands.pass(500);
  // By its address and by its type.
  assert.equal(seen.length, 2);
});

test('children are described, and told to who follows, with charts of their own, whatever keeps the actor', () => {
  const hands = createHandCluster();
  const nodes = hands.form();
  const bulb = createMachine({ id: 'bulb', initial: 'dark', states: { dark: { on: { glow: 'bright' } }, bright: {} } });
  const lamp = setup({ actors: { bulb } }).createMachine({
    id: 'lamp',
    initial: 'off',
    states: {
      off: { on: { on: 'lit' } },
      lit: { invoke: { src: 'bulb', id: 'b' }, on: { glow: { actions: forwardTo('b') } } },
    },
  });
  const made = [
    definitionOf('brief', lamp),
    definitionOf('kept', lamp, { durability: 'local' }),
    definitionOf('agreed', lamp, { placement: 'sharded', durability: 'replicated' }),
  ];
  for (const { api } of nodes) for (const one of made) assert.equal(api.actors.host(one), null);
  hands.pass(2_000);
  const [first, second] = nodes;
  const charts: string[] = [];
  const told: string[] = [];
  first.api.inspect.follow(
    { types: made.map(({ name }) => name), scope: 'cluster' },
    (batch) => {
      charts.push(...Object.keys(batch.charts));
      for (const item of batch.items) if (item.type === 'actor' && item.path !== '') told.push(`${item.address} ${item.chart}`);
    },
    ({ message }) => assert.fail(message),
  );
  hands.pass(300);
  const name: string[] = [];
  for (const { name: type } of made) {
    const address = { type, key: 'a', node: type === 'agreed' ? null : 'n1' };
    const done = (outcome: { ok: boolean }): void => assert.ok(outcome.ok);
    first.api.actors.deliver(address, { type: 'on' }, {}, done);
    hands.pass(300);
    first.api.actors.deliver(address, { type: 'glow' }, {}, done);
    hands.pass(300);
    // From another node, too.
    for (const { api } of [first, second]) {
      let described: ActorDescription | null = null;
      api.inspect.describe(address, {}, (outcome) => {
        described = outcome.ok ? outcome.value : assert.fail(outcome.failure.message);
      });
      hands.until(() => described !== null);
      const { children, charts: of } = described as unknown as ActorDescription;
      assert.deepEqual(
        children.map(({ path, src, snapshot }) => [path, src, snapshot.value]),
        [['b', 'bulb', 'bright']],
        type,
      );
      name.push(children[0]!.chart!);
      assert.deepEqual(of[children[0]!.chart!], chartOf(bulb), type);
    }
  }
  assert.equal(new Set(name).size, 1, 'the same chart has the same name everywhere');
  assert.equal(charts.filter((one) => one === name[0]).length >= 1, true);
  assert.ok(told.includes(`brief/a@n1 ${name[0]}`) && told.includes(`kept/a@n1 ${name[0]}`), told.join());
});
