// Who looks on sees what is there and what happens, as plain data without secrets; whom nobody looks at pays nothing; and a slow, greedy or
// broken reader hurts only himself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { assign, fromTransition, setup } from 'xstate';
import { refMark } from '../../actors/actor-api.ts';
import type { ActorDescription, FollowWanted, InspectBatch, InspectItem } from '../../actors/inspect-api.ts';
import { chartOf } from '../../actors/inspect-chart.ts';
import { isSecretName, shown, shownLimits } from '../../actors/inspect-shown.ts';
import { parseAddress } from '../../machines/entity/address.ts';
import type { Failure } from '../../machines/errors.ts';
import { raftChart } from '../../machines/raft/index.ts';
import { createHandClock } from './hand-clock.ts';
import { createInspectAlone } from './inspect-alone.ts';
import { definitionOf } from './stand-in-actors.ts';

const lamp = setup({
  types: {} as {
    context: { switched: number; apiKey: string; card: string };
    events: { type: 'toggle' | 'break'; pin?: string };
  },
}).createMachine({
  id: 'lamp',
  initial: 'off',
  context: { switched: 0, apiKey: 'k-123', card: '4111' },
  on: { break: '.broken' },
  states: {
    off: { on: { toggle: { target: 'on', actions: assign({ switched: ({ context }) => context.switched + 1 }) } } },
    on: { after: { 60000: 'off' }, on: { toggle: 'off' } },
    broken: { type: 'final' },
  },
});
const lamps = definitionOf('lamp', lamp, { redact: ['card'] });
const counters = definitionOf(
  'counter',
  fromTransition((state: { count: number }) => ({ count: state.count + 1 }), { count: 0 }),
);

const address = (text: string) => parseAddress(text)!;
const trail = { source: 'cart/7', correlation: 'c-1' };

const alone = (options: { isOn?: boolean } = {}) => {
  const clock = createHandClock();
  const one = createInspectAlone(clock, options);
  const describe = (text: string): ActorDescription | Failure['code'] => {
    let told: ActorDescription | Failure['code'] = 'INTERNAL';
    one.api.describe(address(text), {}, (outcome) => {
      told = outcome.ok ? outcome.value : outcome.failure.code;
    });
    return told;
  };
  const follow = (wanted: FollowWanted) => {
    const batches: InspectBatch[] = [];
    const ends: Failure['code'][] = [];
    const end = one.api.follow(
      wanted,
      (batch) => void batches.push(batch),
      ({ code }) => void ends.push(code),
    );
    const items = (): InspectItem[] => batches.flatMap((batch) => batch.items);
    const lines = (): string[] => items().map(lineOf);
    return { batches, ends, end, items, lines };
  };
  return { ...one, clock, describe, follow };
};

const lineOf = (item: InspectItem): string => {
  if (item.type === 'node') return `node ${item.node} ${item.failure?.code ?? 'followed'}`;
  const where = `${item.type} ${item.address}${item.path === '' ? '' : `#${item.path}`}`;
  switch (item.type) {
    case 'event':
      return `${where} ${(item.event as { type: string }).type} ${item.source} ${item.correlation}`;
    case 'snapshot':
    case 'actor':
      return `${where} ${JSON.stringify(item.snapshot.value ?? item.snapshot.context)}`;
    case 'ended':
      return `${where} ${item.reason}`;
  }
};

// ---------------------------------------------------------------- what is shown

test('what is secret is hidden at any depth, by its name, in lists of pairs and in values of headers', () => {
  const hidden = [
    'password',
    'userPassword',
    'X-Api-Key',
    'access_token',
    'clientSecret',
    'Set-Cookie',
    'pin',
    'creditCredentials',
  ];
  for (const name of hidden) assert.ok(isSecretName(name), name);
  for (const name of ['pinned', 'key', 'author', 'passage', 'session', 'keyboard']) assert.ok(!isSecretName(name), name);
  const value = {
    list: [{ token: { deep: 1 } }, ['Cookie', 'abc'], ['Accept', 'x']],
    map: new Map<string, unknown>([
      ['secret', 1],
      ['open', 2],
    ]),
    header: 'Bearer abcdefgh123',
    card: '4111',
  };
  assert.deepEqual(shown(value, new Set(['card'])), {
    list: [{ token: '[redacted]' }, ['Cookie', '[redacted]'], ['Accept', 'x']],
    map: [
      ['secret', '[redacted]'],
      ['open', 2],
    ],
    ...{ header: '[redacted]', card: '[redacted]' },
  });
});

test('no code of a program runs to show a value, and whatever it is becomes plain data', () => {
  let ran = 0;
  const value: Record<string, unknown> = {
    get getter() {
      return ++ran;
    },
    toJSON: () => ++ran,
    error: new TypeError('boom'),
    bytes: new Uint8Array(3),
    big: 10n,
    ref: { [refMark]: { type: 'cart', key: '1', node: null } },
    proxy: new Proxy(
      {},
      {
        ownKeys() {
          throw new Error('no');
        },
      },
    ),
    half: '\ud800',
    not: Number.NaN,
    gone: undefined,
    set: new Set([1]),
    sym: Symbol('s'),
    when: new Date(0),
  };
  value.self = value;
  assert.deepEqual(shown(value), {
    ...{
      getter: '[getter]',
      toJSON: '[function]',
      error: { name: 'TypeError', message: 'boom' },
      bytes: '[3 bytes]',
      big: '10n',
    },
    ...{ ref: { $ref: 'cart/1' }, proxy: '[unreadable]', half: '\ufffd', not: 'NaN', set: [1], sym: '[symbol]' },
    ...{ when: '1970-01-01T00:00:00.000Z', self: '[circular]' },
  });
  assert.equal(ran, 0);
});

test('what is shown is bounded and JSON, whatever it was', () => {
  fc.assert(
    fc.property(fc.anything({ withBigInt: true, withMap: true, withSet: true, withTypedArray: true, maxDepth: 6 }), (value) => {
      const text = JSON.stringify(shown({ value }));
      assert.deepEqual(JSON.parse(text), shown({ value }));
    }),
    { numRuns: 200 },
  );
  const large = Array.from({ length: 200 }, () => Array.from({ length: 200 }, () => 'x'.repeat(5_000)));
  assert.ok(JSON.stringify(shown(large)).length < 4 * shownLimits.charsMax);
  let deep: unknown = 1;
  for (let at = 0; at < 10_000; at++) deep = [deep];
  assert.ok(JSON.stringify(shown(deep)).length < 1_000);
});

test('a chart is what its author wrote, with functions by their names and without a context', () => {
  const chart = chartOf(lamp);
  assert.deepEqual(chart, {
    ...{ id: 'lamp', initial: 'off', on: { break: '.broken' } },
    states: {
      off: { on: { toggle: { target: 'on', actions: { type: 'xstate.assign' } } } },
      on: { after: { 60000: 'off' }, on: { toggle: 'off' } },
      broken: { type: 'final' },
    },
  });
  assert.equal(chartOf(lamp), chart);
  assert.equal(chartOf(counters.logic), null);
  assert.equal((chartOf(raftChart) as { type: string }).type, 'parallel');
});

// ---------------------------------------------------------------- lists and descriptions

test("actors are listed by address in pages, the runtime's own among them", () => {
  const { actors, api } = alone();
  for (const key of ['b', 'a', 'c']) actors.add(lamps, key, null);
  actors.add(counters, 'x', 'n1');
  const page = (query: Parameters<typeof api.list>[0]) => {
    const listed = api.list(query);
    return listed.ok ? [listed.value.actors.map((actor) => actor.address), listed.value.more] : listed.failure.code;
  };
  const all = ['counter/x@n1', 'lamp/a', 'lamp/b', 'lamp/c', 'polity/node@n1', 'polity/raft/kv@n1'];
  assert.deepEqual(page({}), [all, false]);
  assert.deepEqual(page({ limit: 2 }), [all.slice(0, 2), true]);
  assert.deepEqual(page({ limit: 4, after: 'lamp/a' }), [all.slice(2), false]);
  assert.deepEqual(page({ type: 'lamp', prefix: 'b' }), [['lamp/b'], false]);
  assert.deepEqual(page({ type: 'polity', prefix: 'raft/' }), [['polity/raft/kv@n1'], false]);
  for (const wrong of [{ type: 'No Type' }, { limit: 0 }, { limit: 1_001 }, { prefix: 7 as never }])
    assert.equal(page(wrong), 'INVALID_REQUEST');
});

test('a description holds the chart, the state, the context without secrets, and what happened lately', () => {
  const { actors, clock, describe } = alone();
  const actor = actors.add(lamps, 'a', null);
  actor.send({ type: 'toggle' }, trail);
  assert.equal(actor.taps, 0);
  const first = describe('lamp/a') as ActorDescription;
  assert.deepEqual([first.view.address, first.view.node, first.view.value, first.view.handled], ['lamp/a', 'n1', 'on', 1]);
  assert.deepEqual(first.snapshot, {
    status: 'active',
    value: 'on',
    context: { switched: 1, apiKey: '[redacted]', card: '[redacted]' },
  });
  assert.equal((first.definition as { id: string }).id, 'lamp');
  assert.deepEqual([first.recent, actor.taps], [[], 1]);
  actor.send({ type: 'toggle', pin: '1234' } as never, trail);
  const { recent } = describe('lamp/a') as ActorDescription;
  assert.deepEqual(recent.map(lineOf), ['event lamp/a toggle cart/7 c-1', 'snapshot lamp/a "off"']);
  assert.deepEqual((recent[0] as { event: unknown }).event, { type: 'toggle', pin: '[redacted]' });
  assert.equal((recent[1] as { correlation: string }).correlation, 'c-1');
  for (let at = 0; at < 100; at++) actor.send({ type: 'toggle' }, trail);
  assert.equal((describe('lamp/a') as ActorDescription).recent.length, 50);
  clock.pass(75_000);
  assert.equal(actor.taps, 0);
  assert.equal(describe('lamp/z'), 'NOT_FOUND');
  assert.equal(describe('lamp/a@n1'), 'NOT_FOUND');
  assert.equal(describe('lamp/a@n9'), 'MEMBER_NOT_FOUND');
});

test('a replica of Raft is shown as its chart has it, and its moves as they happen', () => {
  const { clock, describe, follow, groups } = alone();
  const { view, snapshot } = describe('polity/raft/kv') as ActorDescription;
  assert.deepEqual(view.value, { role: 'follower', standing: 'voter', attention: 'awake', disk: 'working' });
  assert.equal((snapshot.context as { term: number }).term, 3);
  const reader = follow({ addresses: [address('polity/raft/kv')] });
  groups[0] = { ...groups[0]!, role: 'leader', term: 4, leader: 'n1' };
  clock.pass(1_000);
  assert.deepEqual(
    reader.lines().map((line) => line.replace(/,"standing.*/, '')),
    ['actor polity/raft/kv@n1 {"role":"follower"', 'snapshot polity/raft/kv@n1 {"role":"leader"'],
  );
  assert.deepEqual(Object.keys(reader.batches[0]!.charts), ['polity raft']);
});

test('breakers and places are actors of their own, with the charts that they move by, while there are any', () => {
  const { breakers, clock, describe, follow } = alone();
  const report = {
    peer: 'p2',
    node: 'n2',
    service: 'mail',
    status: 'open',
    isForced: false,
    openForMs: 5,
    failures: 3,
    refused: 1,
  };
  breakers.push(report as (typeof breakers)[number]);
  const { view, definition, snapshot } = describe('polity/breaker/n2/mail') as ActorDescription;
  assert.deepEqual([view.value, view.durability, (definition as { id: string }).id], ['open', 'runtime', 'breaker']);
  assert.equal((snapshot.context as { failures: number }).failures, 3);
  const reader = follow({ addresses: [address('polity/breaker/n2/mail')] });
  breakers[0] = { ...breakers[0]!, status: 'half-open' };
  clock.pass(300);
  breakers.length = 0;
  clock.pass(600);
  assert.deepEqual(reader.lines(), [
    'actor polity/breaker/n2/mail@n1 "open"',
    'snapshot polity/breaker/n2/mail@n1 "half-open"',
    // One that is forgotten is closed.
    'snapshot polity/breaker/n2/mail@n1 "closed"',
    'ended polity/breaker/n2/mail@n1 gone',
  ]);
});

// ---------------------------------------------------------------- what happens

test('who follows an address sees it come, what happens to it, and its end; whom nobody follows has no tap', () => {
  const { actors, clock, follow } = alone();
  const reader = follow({ addresses: [address('lamp/a')] });
  clock.pass(1_000);
  assert.deepEqual(reader.items(), []);
  const actor = actors.add(lamps, 'a', null);
  const other = actors.add(lamps, 'b', null);
  clock.pass(1_000);
  actor.send({ type: 'toggle' }, trail);
  actor.seeChild({ type: 'actor', path: 'child', src: 'timer' });
  actor.seeChild({ type: 'event', path: 'child', event: { type: 'go' }, trail: null });
  clock.pass(50);
  actor.end('stopped');
  actors.all.delete('lamp/a');
  clock.pass(1_000);
  assert.deepEqual(reader.lines(), [
    'actor lamp/a "off"',
    'event lamp/a toggle cart/7 c-1',
    'snapshot lamp/a "on"',
    'actor lamp/a#child undefined',
    'event lamp/a#child go  ',
    'ended lamp/a stopped',
  ]);
  assert.deepEqual([actor.taps, other.taps], [1, 0]);
  reader.end();
  clock.pass(70_000);
  assert.deepEqual([actor.taps, reader.ends], [0, []]);
});

test('a new life under the same address is followed, and one that vanished without a word has ended', () => {
  const { actors, clock, follow } = alone();
  actors.add(lamps, 'a', null);
  const reader = follow({ addresses: [address('lamp/a')] });
  clock.pass(300);
  actors.isSilent = true;
  actors.add(lamps, 'a', null).send({ type: 'toggle' }, trail);
  clock.pass(600);
  actors.all.clear();
  clock.pass(600);
  assert.deepEqual(reader.lines(), ['actor lamp/a "off"', 'ended lamp/a gone', 'actor lamp/a "on"', 'ended lamp/a gone']);
});

test('all of a type are followed, with one chart, those that come later too; a correlation picks what belongs to it', () => {
  const { actors, clock, follow } = alone();
  const a = actors.add(lamps, 'a', null);
  const all = follow({ types: ['lamp'] });
  const some = follow({ types: ['lamp'], correlation: 'c-2' });
  clock.pass(100);
  const b = actors.add(lamps, 'b', null);
  clock.pass(1_100);
  a.send({ type: 'toggle' }, trail);
  b.send({ type: 'toggle' }, { source: 'lamp/a', correlation: 'c-2' });
  clock.pass(50);
  assert.equal(all.batches.flatMap(({ charts }) => Object.keys(charts)).join(), 'lamp 1');
  assert.deepEqual(all.lines().length, 6);
  assert.deepEqual(some.lines().slice(2), ['event lamp/b toggle lamp/a c-2', 'snapshot lamp/b "on"']);
  assert.equal(a.taps, 1);
});

test('what is more than a reader wants in a second is counted, not shown; batches come at most every 50 ms', () => {
  const { actors, clock, follow } = alone();
  const actor = actors.add(counters, 'a', null);
  const reader = follow({ addresses: [actor.address], perSecond: 10 });
  clock.pass(50);
  for (let at = 0; at < 1_000; at++) actor.send({ type: 'inc' }, trail);
  assert.equal(reader.batches.length, 1);
  clock.pass(50);
  assert.deepEqual([reader.batches.length, reader.batches[1]!.items.length, reader.batches[1]!.leftOut], [2, 10, 1_990]);
  clock.pass(1_000);
  actor.send({ type: 'inc' }, trail);
  clock.pass(50);
  assert.deepEqual([reader.batches.at(-1)!.items.length, reader.batches.at(-1)!.leftOut], [2, 0]);
});

test('wishes that make no sense are refused, a reader that throws is ended, and so are all when the node stops', () => {
  const { actors, api, clock, follow, stop } = alone();
  actors.add(lamps, 'a', null);
  const wrong: FollowWanted[] = [
    {},
    { types: ['No'] },
    { types: ['a'], perSecond: 0 },
    { types: ['a'], scope: 'world' as never },
    { addresses: Array.from({ length: 65 }, () => address('a/b')) },
    { addresses: ['lamp/a' as never] },
    { types: ['a'], correlation: 'x'.repeat(129) },
  ];
  for (const wanted of wrong) assert.deepEqual(follow(wanted).ends, ['INVALID_REQUEST']);
  const thrown: string[] = [];
  api.follow(
    { types: ['lamp'] },
    () => {
      throw new Error('no');
    },
    ({ code }) => void thrown.push(code),
  );
  const readers = Array.from({ length: 65 }, () => follow({ types: ['lamp'] }));
  clock.pass(50);
  assert.deepEqual([thrown, readers.at(-1)!.ends], [['INTERNAL'], ['OVERLOADED']]);
  assert.equal(actors.all.get('lamp/a')!.taps, 1);
  stop();
  assert.deepEqual([readers[0]!.ends, actors.all.get('lamp/a')!.taps], [['STOPPING'], 0]);
  assert.deepEqual(follow({ types: ['lamp'] }).ends, ['NOT_READY']);
});

test('a node that lets nobody look on shows nothing', () => {
  const { actors, api, describe, follow } = alone({ isOn: false });
  actors.add(lamps, 'a', null);
  const listed = api.list({});
  assert.equal(listed.ok || listed.failure.code, 'FORBIDDEN');
  assert.equal(describe('lamp/a'), 'FORBIDDEN');
  assert.deepEqual(follow({ types: ['lamp'] }).ends, ['FORBIDDEN']);
  api.listAll({}, (outcome) => assert.equal(outcome.ok || outcome.failure.code, 'FORBIDDEN'));
});
