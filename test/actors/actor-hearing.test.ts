// What actors emit is heard by who listens, at their node and at others, whatever keeps them: each event once at most, after what is durable
// of it is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assign, type EventObject, emit, fromTransition, setup } from 'xstate';
import type { ActorDefinition } from '../../actors/actor-api.ts';
import type { ActorAddress } from '../../machines/entity/address.ts';
import { createHearing, has, heardTypeOf, hearingOf, hearingWindow, tell } from '../../machines/entity/post-hearing.ts';
import { hostCells } from './hand-cells.ts';
import { createHandCluster, type HandNode } from './hand-cluster.ts';
import { definitionOf } from './stand-in-actors.ts';

const chart = setup({}).createMachine({
  context: { count: 0 },
  on: {
    add: {
      actions: [
        assign({ count: ({ context }) => (context as { count: number }).count + 1 }),
        emit(({ context }) => ({ type: 'added', count: (context as { count: number }).count, token: 't' })),
        emit({ type: 'noise' }),
      ],
    },
    boom: {
      actions: [
        emit(() => ({ type: 'added', count: -1 })),
        assign(() => {
          throw new Error('boom');
        }),
      ],
    },
  },
});
const light = fromTransition((count: number, event: EventObject, { emit: says }) => {
  if (event.type === 'add') (says as (event: EventObject) => void)({ type: 'added', count: count + 1 } as EventObject);
  return count + 1;
}, 0);

const form = (...definitions: ActorDefinition[]) => {
  const hands = createHandCluster({
    balance: { isOn: false, everyMs: 50, graceMs: 300, settleMs: 200, pauseMs: 100, restMs: 1_000 },
  });
  const nodes = hands.form();
  for (const { api } of nodes) for (const one of definitions) assert.equal(api.actors.host(one), null);
  hands.pass(2_000);
  const hear = (node: HandNode, address: ActorAddress, type: string | null) => {
    const heard: unknown[] = [];
    const ends: string[] = [];
    const end = node.api.actors.hear(
      address,
      type,
      (event) => heard.push((event as { count?: number }).count ?? event.type),
      ({ reason }) => ends.push(reason),
    );
    return { heard, ends, end };
  };
  const deliver = (node: HandNode, address: ActorAddress, type: string): boolean => {
    let isOk: boolean | null = null;
    node.api.actors.deliver(address, { type }, {}, ({ ok }) => {
      isOk = ok;
    });
    hands.until(() => isOk !== null);
    hands.pass(20);
    return isOk!;
  };
  return { hands, nodes, hear, deliver };
};

const kinds: [string, ActorDefinition][] = [chart, light].flatMap((logic, n): [string, ActorDefinition][] => [
  ['none', definitionOf(`none${n}`, logic as never)],
  ['local', definitionOf(`local${n}`, logic as never, { durability: 'local' })],
  ['sharded', definitionOf(`sharded${n}`, logic as never, { placement: 'sharded' })],
  ['replicated', definitionOf(`replicated${n}`, logic as never, { placement: 'sharded', durability: 'replicated' })],
]);

for (const [what, definition] of kinds)
  test(`${what} (${definition.name}): what it emits is heard here and elsewhere, by type or all of it`, () => {
    const { nodes, hear, deliver, hands } = form(definition);
    const isOfNode = definition.placement === 'node';
    const address = { type: definition.name, key: 'a', node: isOfNode ? 'n1' : null };
    const readers = [
      hear(nodes[0], address, 'added'),
      hear(nodes[1], address, 'added'),
      hear(nodes[2], address, 'added'),
    ] as const;
    const all = hear(nodes[1], address, null);
    const never = hear(nodes[2], address, 'never');
    hands.pass(500);
    for (const _ of [1, 2, 3]) assert.ok(deliver(nodes[0], address, 'add'));
    for (const { heard } of readers) assert.deepEqual(heard, [1, 2, 3]);
    assert.deepEqual(all.heard, definition.logic === (chart as never) ? [1, 'noise', 2, 'noise', 3, 'noise'] : [1, 2, 3]);
    assert.deepEqual(never.heard, []);
    readers[1].end();
    hands.pass(50);
    deliver(nodes[0], address, 'add');
    assert.deepEqual([readers[0].heard.length, readers[1].heard.length], [4, 3]);
    let isStopped = false;
    nodes[0].api.actors.stop(address, {}, () => {
      isStopped = true;
    });
    hands.until(() => isStopped);
    hands.pass(100);
    assert.deepEqual([readers[0].ends, readers[1].ends, all.ends], [['stopped'], [], ['stopped']]);
  });

test('a replicated actor that moves is heard on; a step that does not count is heard by nobody', () => {
  const { nodes, hear, deliver, hands } = form(
    definitionOf('replicated', chart, { placement: 'sharded', durability: 'replicated' }),
  );
  const address = { type: 'replicated', key: 'a', node: null };
  const ownerOf = (): HandNode => nodes.find(({ api }) => api.actors.find(address) !== null)!;
  deliver(nodes[0], address, 'add');
  const owner = ownerOf();
  const [other] = nodes.filter((node) => node !== owner) as [HandNode];
  const { heard, ends } = hear(other, address, 'added');
  hands.pass(100);
  assert.ok(!deliver(other, address, 'boom'));
  deliver(other, address, 'add');
  assert.deepEqual(heard, [2]);
  hands.kill(owner);
  deliver(other, address, 'add');
  hands.pass(3_000);
  deliver(other, address, 'add');
  assert.deepEqual([heard.at(-1), ends], [4, []]);
  assert.deepEqual(heard, [...new Set(heard)], 'each once at most');
});

test('who listens to a cell is told while it runs, hears the next incarnation too, and hurts nobody by throwing', () => {
  for (const logic of [chart, light]) {
    const { open, clock, sink } = hostCells();
    const live = open(definitionOf('loud', logic as never));
    const heard: EventObject[] = [];
    live.send({ type: 'add' }, { source: '', correlation: '' });
    clock.settle();
    live.hear(() => {
      throw new Error('mine');
    });
    const end = live.hear((event) => void heard.push(event));
    live.send({ type: 'add' }, { source: '', correlation: '' });
    clock.settle();
    assert.deepEqual(
      heard.filter(({ type }) => type === 'added').map((event) => (event as { count?: number }).count),
      [2],
    );
    assert.ok(sink.lines.includes('error ACTOR_LISTENER_THREW'));
    if (logic === chart) {
      live.send({ type: 'boom' }, { source: '', correlation: '' });
      clock.pass(60_000);
      heard.length = 0;
      live.send({ type: 'add' }, { source: '', correlation: '' });
      clock.settle();
      assert.equal((heard[0] as { count?: number }).count, 1);
    }
    heard.length = 0;
    end();
    live.send({ type: 'add' }, { source: '', correlation: '' });
    clock.settle();
    assert.deepEqual(heard, []);
  }
});

test('so many are on their way to one listener; what comes beside is lost, and counted', () => {
  const { nodes, hear, hands } = form(definitionOf('none', chart, { mailboxMax: 1_000 }));
  const address = { type: 'none', key: 'a', node: 'n1' };
  const { heard } = hear(nodes[1], address, 'added');
  hands.pass(100);
  hands.lose((letter) => letter.from === nodes[1].peer && letter.to === nodes[0].peer);
  for (let n = 0; n < hearingWindow + 10; n++) nodes[0].api.actors.send(address, { type: 'add' });
  hands.pass(50);
  assert.equal(heard.length, hearingWindow);
  assert.equal(nodes[0].counts.get('actor_emitted_lost_total'), 10);
});

test('selections of what is emitted, and the window', () => {
  assert.deepEqual([heardTypeOf(hearingOf(null)), heardTypeOf(hearingOf('a.b'))], [null, 'a.b']);
  for (const select of [null, 'context', 'emitted.', 'emittedx', `emitted.${'x'.repeat(300)}`])
    assert.equal(heardTypeOf(select), undefined);
  const hearing = createHearing();
  for (let at = 1; at <= hearingWindow; at++) assert.equal(tell(hearing), at);
  assert.equal(tell(hearing), null);
  has(hearing, 9_999);
  assert.equal(tell(hearing), null);
  has(hearing, 2);
  assert.deepEqual([tell(hearing), tell(hearing), tell(hearing)], [hearingWindow + 1, hearingWindow + 2, null]);
});
