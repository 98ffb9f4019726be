// What is shown of actors in a terminal: a chart as a tree, what happens in words, a view that fits any screen; and the commands.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createMachine } from 'xstate';
import { chartOf } from '../../../actors/inspect-chart.ts';
import { raftChart } from '../../../machines/raft/index.ts';
import { chartTree, stateText } from '../../../src/cli/chart-tree.ts';
import { drawn, Story } from '../../../src/cli/inspect-story.ts';
import { ActorView } from '../../../src/cli/inspect-view.ts';
import { createClient } from '../../../src/client/index.ts';
import type { InspectedEvent, ShownDescription } from '../../../src/client/inspection.ts';
import { PolityError } from '../../../src/errors.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { definitionOf, type StandIn } from '../../actors/stand-in-actors.ts';
import { FakeNode } from '../gateway/fake-node.ts';
import { openTestGateway } from '../gateway/open.ts';
import { launch, many, written } from './polity.ts';

const shop = createMachine({
  id: 'shop',
  initial: 'open',
  states: {
    open: {
      initial: 'idle',
      on: { CLOSE: { target: 'closed', guard: 'empty' } },
      states: { idle: { on: { ADD: 'busy' } }, busy: { after: { 500: 'idle' } } },
    },
    closed: { type: 'final' },
  },
});

const treeText = (value: unknown, all = true): string[] =>
  chartTree(chartOf(shop), value, all).map(
    ({ depth, name, kind, isActive, arrows }) =>
      `${' '.repeat(depth)}${isActive ? '*' : ''}${name}${kind} ${arrows.join(', ')}`,
  );

test('a chart is a tree with the states that it is in, and the arrows that leave them', () => {
  assert.deepEqual(treeText({ open: 'busy' }), [
    ...['*shop ', ' *open CLOSE [empty] → closed', '  idle ADD → busy', '  *busy after 500 ms → idle', ' closedfinal '],
  ]);
  assert.deepEqual(treeText('closed', false), ['*shop ', ' open CLOSE [empty] → closed', ' *closedfinal ']);
  assert.deepEqual(chartTree('no chart', 7, true).length, 1);
  const active = chartTree(
    chartOf(raftChart),
    { role: 'leader', standing: 'voter', attention: 'awake', disk: 'working' },
    true,
  );
  assert.deepEqual(
    active.filter((row) => row.isActive && !row.isCompound).map(({ name }) => name),
    ['leader', 'voter', 'awake', 'working'],
  );
  assert.deepEqual(
    [stateText({ open: 'busy' }), stateText({ a: 'x', b: { c: 'y' } }), stateText(null)],
    ['open.busy', 'a.x b.c.y', '-'],
  );
});

const event = (type: string, fields: Record<string, unknown>): InspectedEvent => ({
  ...{ type, sessionId: 'cart/1', createdAt: '0', polity: { node: 'n1' }, ...fields },
});
const came = event('@xstate.event', {
  event: { type: 'ADD', sku: 'a' },
  polity: { node: 'n1', source: 'shop/1', correlation: 'c-7' },
});
const became = (value: unknown, context: unknown = {}): InspectedEvent =>
  event('@xstate.snapshot', { snapshot: { status: 'active', value, context } });

test('what happens is told in words: from which state to which, after whose event, with its correlation', () => {
  const story = new Story();
  const told = (one: InspectedEvent): string | null => {
    const line = story.tell(one)?.line;
    return line === undefined ? null : drawn(line, 200, false);
  };
  const lines = [
    event('@xstate.actor', { snapshot: { status: 'active', value: 'idle', context: {} } }),
    came,
    became('busy', { count: 1, other: 2 }),
    became('busy', { count: 2, other: 2 }),
    became('busy', { count: 2, other: 2 }),
    became({ a: 'x', b: 'y' }),
    became({ a: 'z', b: 'y' }),
    event('@xstate.snapshot', { snapshot: { status: 'done' }, polity: { node: 'n1', reason: 'done' } }),
    event('@polity.left-out', { count: 7 }),
    event('@polity.node', { node: 'n2', problem: { code: 'UNREACHABLE', detail: 'gone' } }),
    event('@other', {}),
  ].map(told);
  const at = '00:00:00.000 n1 cart/1';
  assert.deepEqual(lines, [
    ...[`${at} is idle`, `${at} ← ADD from shop/1 #c-7  sku=a`, `${at} idle → busy`, `${at} count=2`, null],
    ...[`${at} busy → a.x b.y`, `${at} a.x → a.z`, `${at} has ended: done`],
    ...['7 events were left out: they came too fast', '00:00:00.000 n2 is not followed: UNREACHABLE: gone', null],
  ]);
});

test('a line is cut to its width, and nothing in it moves the cursor', () => {
  assert.equal(
    drawn(
      [
        ['abcdef', 'none'],
        ['ghi', 'bold'],
      ],
      8,
      false,
    ),
    'abcdefg…',
  );
  assert.equal(drawn([['abc', 'bold']], 8, true), '\u001b[1mabc\u001b[0m');
  assert.equal(drawn([['a\u001b[2Jb\u202e', 'none']], 80, true), 'a·[2Jb·');
});

const description: ShownDescription = {
  view: {
    ...{ address: 'cart/1', node: 'n1', durability: 'replicated', placement: 'sharded', version: 2, state: 'running' },
    ...{ handled: 9, waiting: 0, restarts: 1, reason: 'Error: boom', token: '3.17', children: [], value: { open: 'idle' } },
  },
  ...{
    definition: chartOf(shop),
    snapshot: { status: 'active', value: { open: 'idle' }, context: { items: ['a'], total: 3 } },
  },
  ...{ children: [{ path: 'pay', src: 'charge', chart: null, snapshot: { status: 'active' } }], charts: {}, recent: [] },
};

test('a view has the chart, the context, the children and what happened, and fits whatever screen there is', () => {
  const view = new ActorView('cart/1', description);
  const text = (columns: number, rows: number): string[] =>
    view.lines(columns, rows).map((line) => drawn(line, columns, false));
  for (let at = 0; at < 3; at++) view.apply(came);
  view.apply(became({ open: 'busy' }, { items: ['a', 'b'], total: 6 }));
  assert.deepEqual(text(100, 30), [
    'cart/1  running  at n1 · replicated · version 2 · handled 9 · waiting 0 · restarts 1 · token 3.17',
    'last failure: Error: boom',
    'context  items=["a","b"]  total=6',
    'child    pay (charge) active',
    '',
    'shop',
    '● open   CLOSE [empty] → closed',
    '  ○ idle   ADD → busy',
    '  ● busy   after 500 ms → idle',
    '○ closed (final)',
    '',
    '00:00:00.000 ← ADD ×3 from shop/1 #c-7  sku=a',
    '00:00:00.000  → open.busy',
    'q or Ctrl-C ends',
  ]);
  for (const columns of [20, 40, 200])
    for (const rows of [4, 8, 16, 50]) {
      const lines = text(columns, rows);
      assert.ok(lines.length <= rows && lines.every((line) => [...line].length <= columns), `${columns} ${rows}`);
    }
  for (let at = 0; at < 2_000; at++) view.apply(became(at % 2 === 0 ? 'closed' : { open: 'idle' }));
  assert.equal(text(80, 24).length, 24);
  view.apply(event('@xstate.snapshot', { snapshot: { status: 'stopped' }, polity: { node: 'n1', reason: 'moved' } }));
  assert.match(text(80, 24)[0]!, /^cart\/1 {2}moved/);
});

test('children are shown with the charts of their own, those that come later too, as far as there is room', () => {
  const till = createMachine({ id: 'till', initial: 'shut', states: { shut: { on: { COIN: 'open' } }, open: {} } });
  const child = { path: 'till', src: 'till', chart: 'till~1', snapshot: { status: 'active', value: 'shut' } };
  const view = new ActorView('cart/1', { ...description, children: [child], charts: { 'till~1': chartOf(till)! } });
  const text = (rows: number): string[] => view.lines(100, rows).map((line) => drawn(line, 100, false));
  assert.deepEqual(text(40).slice(4, 14), [
    ...['', 'shop', '● open   CLOSE [empty] → closed', '  ● idle   ADD → busy', '  ○ busy   after 500 ms → idle'],
    ...['○ closed (final)', 'child    till (till)', 'till', '● shut   COIN → open', '○ open'],
  ]);
  const of = { sessionId: 'cart/1#till' };
  view.apply(event('@xstate.snapshot', { ...of, snapshot: { status: 'active', value: 'open' }, event: { type: 'COIN' } }));
  assert.ok(text(40).includes('● open'));
  const later = { sessionId: 'cart/1#b', name: 'till', definition: JSON.stringify(chartOf(till)) };
  view.apply(event('@xstate.actor', { ...later, snapshot: { status: 'active', value: 'shut' } }));
  view.apply(
    event('@xstate.actor', { ...later, sessionId: 'cart/1#c', definition: '{', snapshot: { status: 'active', value: 'shut' } }),
  );
  assert.equal(text(60).filter((line) => line === '● shut   COIN → open').length, 1);
  for (const rows of [4, 8, 12, 16, 24]) assert.ok(text(rows).length <= rows, String(rows));
});

// ---------------------------------------------------------------- the commands

const doors = definitionOf(
  'door',
  createMachine({ initial: 'closed', states: { closed: { on: { open: 'opened' } }, opened: {} } }),
);
let node: FakeNode;
let gateway: Gateway;
let front: StandIn;
before(async () => {
  node = new FakeNode();
  front = node.inspected.actors.add(doors, 'front', null);
  gateway = await openTestGateway(node);
});
after(async () => {
  await gateway.close();
  node.stop(() => {});
});

test('a client lists, describes and follows actors, and is told why it may not', async () => {
  const client = createClient({ urls: [gateway.url] });
  const { actors, next } = await client.inspection.list({ type: 'door' });
  assert.deepEqual([actors.map(({ address }) => address), next], [['door/front'], null]);
  assert.equal((await client.inspection.describe('door/front')).view.value, 'closed');
  await assert.rejects(client.inspection.describe('door/none'), { code: 'NOT_FOUND' });
  await assert.rejects(client.inspection.describe('none'), { code: 'INVALID_REQUEST' });
  const seen: string[] = [];
  for await (const one of client.inspection.follow({ addresses: ['door/front'] })) {
    seen.push(one.type);
    if (seen.length === 1) front.send({ type: 'open' }, { source: '', correlation: '' });
    if (seen.length === 3) break;
  }
  assert.deepEqual(seen, ['@xstate.actor', '@xstate.event', '@xstate.snapshot']);
  const reason = async (run: AsyncGenerator<unknown>) => {
    try {
      for await (const _ of run);
      return 'ended';
    } catch (error) {
      return error instanceof PolityError ? error.code : (error as Error).message;
    }
  };
  assert.equal(await reason(client.inspection.follow({ types: ['No'] })), 'INVALID_REQUEST');
  assert.equal(
    await reason(client.inspection.follow({ types: ['door'], signal: AbortSignal.abort(new Error('mine')) })),
    'mine',
  );
  client.close();
});

test('who follows goes on at another node when one is gone, and is told that a stream broke off', async () => {
  const first = await openTestGateway(node);
  const { url } = first;
  const client = createClient({ urls: [url, gateway.url] });
  const follow = () => client.inspection.follow({ addresses: ['door/front'] });
  const before = follow();
  assert.equal((await before.next()).value?.type, '@xstate.actor');
  await first.close();
  await assert.rejects(
    async () => {
      for await (const _ of before);
    },
    { retryable: true },
  );
  for await (const { type } of follow()) {
    assert.equal(type, '@xstate.actor');
    break;
  }
  client.close();
  // Nothing was heard of the first one: the next is asked at once.
  const late = createClient({ urls: [url, gateway.url] });
  for await (const { type } of late.inspection.follow({ types: ['door'] })) {
    assert.equal(type, '@xstate.actor');
    break;
  }
  late.close();
  const nobody = createClient({ urls: [url, url] });
  await assert.rejects(nobody.inspection.follow({ types: ['door'] }).next(), { code: 'UNREACHABLE' });
  nobody.close();
});

test('polity actors prints a table, and polity inspect lines where there is no terminal', async () => {
  const [table, json, none, wrong] = await many(
    [
      ['actors', '--type', 'door'],
      ['actors', '--prefix', 'raft/', '--json'],
      ['actors', '--type', 'none', '--all'],
      ['inspect'],
    ],
    { POLITY_NODE: gateway.url },
  );
  assert.match(table!.stdout, /^ADDRESS {5}STATE {4}CHART/);
  assert.match(table!.stdout, /\ndoor\/front {2}running {2}opened {2}/);
  assert.equal((JSON.parse(json!.stdout) as { actors: { address: string }[] }).actors[0]!.address, 'polity/raft/kv@n1');
  assert.deepEqual([none!.stdout, wrong!.code], ['no actors\n', 2]);
  const running = launch(['inspect', 'door/front'], { env: { POLITY_NODE: gateway.url } });
  await written(running, /n1 door\/front is opened/);
  front.send({ type: 'knock' }, { source: 'cat/1', correlation: 'c-9' });
  await written(running, /door\/front ← knock from cat\/1 #c-9/);
  running.child.kill('SIGINT');
  assert.equal((await running.ended).code, 0);
});

test('polity actor shards prints who leads what and why, and where an actor is', async () => {
  const voters = [
    { node: 'n1', standing: 'able' as const },
    { node: 'n2', standing: 'lacking' as const },
  ];
  const one = { voters, token: null, actors: 2, remembered: 1 };
  node.shardViews = [
    { ...one, group: 'actors-1', leader: 'n2', preferred: 'n1' },
    { ...one, group: 'actors-2', leader: null, preferred: null, voters: [] },
  ];
  const [all, place, lost, json, wrong] = await many(
    [
      ['actor', 'shards'],
      ['actor', 'shards', 'cart/a'],
      ['actor', 'shards', 'cart/lost'],
      ['actor', 'shards', 'cart/a@n2', '--json'],
      ['actor', 'shards', 'cart'],
    ],
    { POLITY_NODE: gateway.url },
  );
  assert.match(
    all!.stdout,
    /actors-1 +n2 +n1 +- +2 +1 +n1 should lead, and is handed it when it can be \(n2 lacks types or versions\)/,
  );
  assert.match(all!.stdout, /actors-2 +- +- +- +2 +1 +no leader is known/);
  assert.match(place!.stdout, /^cart\/a is at n1: its key belongs to 'actors-1', whose leader keeps its actors\nGROUP/);
  assert.doesNotMatch(place!.stdout, /actors-2/);
  assert.match(lost!.stdout, /^cart\/lost is nowhere now; NO_QUORUM: nobody leads/);
  const { place: at } = JSON.parse(json!.stdout) as { place: { group: null; node: string } };
  assert.deepEqual([at.group, at.node, wrong!.code], [null, 'n2', 2]);
});
