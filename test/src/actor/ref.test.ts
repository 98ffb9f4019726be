// References: what is asked of an actor, what comes back, and what is told when nobody waits or it ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { emit, fromPromise, fromTransition, setup } from 'xstate';
import type { ActorEnd } from '../../../actors/actor-api.ts';
import { refMark } from '../../../actors/actor-api.ts';
import { plainOf } from '../../../actors/actor-values.ts';
import { failure } from '../../../machines/errors.ts';
import { ActorHosting, defineActor } from '../../../src/actor/index.ts';
import { failureIn } from '../service/alone.ts';
import { StandIn } from './stand-in.ts';

const counter = defineActor('counter', {
  logic: fromTransition(
    (state: { count: number }, event: { type: 'add'; by: number } | { type: 'fail' } | { type: 'read' }) => {
      if (event.type === 'fail') throw new Error('no luck');
      return event.type === 'add' ? { count: state.count + event.by } : state;
    },
    { count: 0 },
  ),
  replies: {
    add: ({ snapshot }) => snapshot.context.count,
    read({ snapshot }) {
      if (snapshot.context.count > 99) throw new Error('too many');
      return snapshot.context.count >= 3 ? snapshot.context.count : undefined;
    },
  },
});
const greeting = defineActor('greeting', {
  logic: fromPromise(async ({ input }: { input: { name: string } }) => `hello ${input.name}`),
  input: (key) => ({ name: key }),
});

const open = () => {
  const actors = new StandIn();
  const thrown: unknown[] = [];
  let made = 0;
  const hosting = new ActorHosting({
    ...{ port: { actors, thrown: (error: unknown) => void thrown.push(error) }, self: 'n1' },
    random: { uint32: () => 0, bytes: (length) => new Uint8Array(length).fill(++made) },
  });
  hosting.host(counter);
  hosting.host(greeting);
  return { actors, hosting, thrown, visits: hosting.ref(counter, 'visits', {}) };
};

test('it sends, delivers and asks, and the reply may come later', async () => {
  const { visits, actors } = open();
  visits.send({ type: 'add', by: 1 });
  const later = visits.ask({ type: 'read' });
  await visits.deliver({ type: 'add', by: 1 }, { id: 'once' });
  await visits.deliver({ type: 'add', by: 1 }, { id: 'once' });
  assert.equal(await visits.ask({ type: 'add', by: 5 }), 7);
  assert.equal(await later, 7);
  visits.send({ type: 'add', by: 100 });
  assert.equal((await failureIn(visits.ask({ type: 'read' }))).code, 'ACTOR_REFUSED');
  assert.equal(actors.deadLetters().total, 0);
});

test('what is no event, no option and no question is refused at once', async () => {
  const { visits } = open();
  for (const event of [null, 5, {}, { type: '' }, { type: 'x'.repeat(300) }, { type: 'xstate.done.actor.pay' }, { type: '*' }])
    assert.throws(() => visits.send(event as never), { code: 'INVALID_REQUEST' });
  assert.match((await failureIn(visits.ask({ type: 'fail' } as never))).message, /counter has no reply to 'fail'/);
  assert.match((await failureIn(visits.deliver({ type: 'fail' }, { timeout: 5 } as never))).message, /no option 'timeout'/);
  assert.match((await failureIn(visits.deliver({ type: 'fail' }, { signal: 5 } as never))).message, /AbortSignal/);
  const subscribe = visits.subscribe.bind(visits) as (...args: unknown[]) => unknown;
  for (const args of [[], ['context'], [3, () => {}], [null], ['context', { next: 5 }]])
    assert.throws(() => subscribe(...args), { code: 'INVALID_REQUEST' });
});

test('nobody waits once the signal aborts', async () => {
  const { visits, actors } = open();
  actors.silent.add('counter/visits@n1');
  const controller = new AbortController();
  const asked = failureIn(visits.ask({ type: 'read' }, { signal: controller.signal }));
  const delivered = failureIn(visits.deliver({ type: 'fail' }, { signal: controller.signal }));
  controller.abort(new Error('enough'));
  assert.deepEqual([(await asked).code, (await delivered).code, actors.givenUp], ['CANCELLED', 'CANCELLED', 2]);
  assert.equal((await failureIn(visits.ended({ signal: controller.signal }))).code, 'CANCELLED');
  const error = (await visits.ask({ type: 'read' }, { signal: controller.signal }).catch((why: unknown) => why)) as Error;
  assert.equal((error.cause as Error).message, 'enough');
});

test('it is looked at: whole, by a path, as an observer, by iteration', async () => {
  const { visits, thrown } = open();
  const seen: unknown[] = [];
  const subscriptions = [
    visits.subscribe('context.count', (count) => seen.push(count)),
    visits.subscribe(undefined, ({ context }) => seen.push(context)),
    visits.subscribe({ next: ({ status }) => seen.push(status) }),
    visits.subscribe(() => {
      throw new Error('mine');
    }),
  ];
  assert.deepEqual(seen.splice(0), [0, { count: 0 }, 'active']);
  visits.send({ type: 'add', by: 2 });
  assert.deepEqual(seen.splice(0), [2, { count: 2 }, 'active']);
  visits.send({ type: 'read' });
  assert.deepEqual(seen, []);
  for (const subscription of subscriptions) subscription.unsubscribe();
  visits.send({ type: 'add', by: 2 });
  assert.deepEqual(seen, []);
  assert.equal(thrown.length, 2);
  assert.deepEqual(await visits.snapshot(), { status: 'active', context: { count: 4 } });

  const counts: number[] = [];
  for await (const count of visits.values('context.count')) {
    counts.push(count);
    // Who is slow gets the latest.
    visits.send({ type: 'add', by: 1 });
    visits.send({ type: 'add', by: 1 });
    if (counts.length === 3) break;
  }
  assert.deepEqual(counts, [4, 6, 8]);
  const controller = new AbortController();
  const iterated = (async () => {
    for await (const _snapshot of visits.values(undefined, { signal: controller.signal })) controller.abort();
  })();
  assert.equal((await failureIn(iterated)).code, 'CANCELLED');
});

test('its end is told once: done, failed, stopped, or that it never lived', async () => {
  const { visits, hosting } = open();
  const ends: ActorEnd['reason'][] = [];
  visits.watch(({ reason }) => ends.push(reason));
  assert.deepEqual(ends.splice(0), ['never-lived']);
  visits.send({ type: 'add', by: 1 });
  const told: unknown[] = [];
  visits.subscribe(undefined, {
    error: (error) => told.push((error as { code: string }).code),
    complete: () => told.push('end'),
  });
  visits.watch(({ reason }) => ends.push(reason));
  const ended = visits.ended();
  await visits.stop();
  assert.deepEqual([ends, (await ended).reason, told.splice(0)], [['stopped'], 'stopped', ['end']]);
  visits.send({ type: 'add', by: 1 });
  visits.subscribe(undefined, { error: (error) => told.push((error as { code: string }).code) });
  const iterated = failureIn(
    (async () => {
      for await (const _snapshot of visits) visits.send({ type: 'fail' });
    })(),
  );
  assert.deepEqual([(await iterated).code, told], ['ACTOR_FAILED', ['ACTOR_FAILED']]);

  const anna = hosting.ref(greeting, 'anna', {});
  const outputs: unknown[] = [];
  for await (const { status, output } of anna) outputs.push([status, output]);
  assert.deepEqual(outputs, [
    ['active', undefined],
    ['done', 'hello anna'],
  ]);
});

test('what does not live has no snapshot', async () => {
  const { actors, visits } = open();
  actors.unreachable.set('counter/visits@n1', failure('UNREACHABLE', 'n1 is away'));
  assert.equal((await failureIn(visits.snapshot())).code, 'UNREACHABLE');
  assert.equal((await failureIn(visits.snapshot({ timeoutMs: 0 }))).code, 'INVALID_REQUEST');
  assert.equal(actors.deadLetters().total, 0);
  visits.send({ type: 'add', by: 1 });
  assert.equal(actors.deadLetters().recent[0]?.reason, 'UNREACHABLE');
});

test('as a value it is its address', () => {
  const { hosting, visits } = open();
  const other = hosting.ref(counter, 'a@b c', { node: 'n2' });
  assert.equal(`${other}`, 'counter/a%40b%20c@n2');
  assert.deepEqual(JSON.parse(JSON.stringify({ visits })), { visits: { $ref: 'counter/visits@n1' } });
  assert.equal(inspect({ visits }), '{ visits: Ref counter/visits@n1 }');
  assert.ok(visits.equals(hosting.ref(counter, 'visits', {})) && !visits.equals(other) && !visits.equals({}));
  assert.deepEqual(visits, hosting.ref(counter, 'visits', {}));
  assert.deepEqual(visits[refMark], { type: 'counter', key: 'visits', node: 'n1' });
  assert.deepEqual(plainOf({ to: [visits] }), { ok: true, value: { to: [{ $ref: 'counter/visits@n1' }] } });
});

test('a key and a node as the placement has them', () => {
  const { hosting } = open();
  const logic = counter.logic;
  const sharded = defineActor('cart', { logic, durability: 'replicated' });
  const single = defineActor('clock', { logic, placement: 'singleton' });
  const each = defineActor('gauge', { logic, placement: 'each' });
  assert.equal(`${hosting.ref(sharded, 'k', {})}`, 'cart/k');
  assert.equal(`${hosting.ref(single, undefined, {})}`, 'clock/-');
  assert.equal(`${hosting.ref(each, undefined, {})} ${hosting.ref(each, undefined, { node: 'n2' })}`, 'gauge/-@n1 gauge/-@n2');
  const refused = (run: () => unknown, why: RegExp): void =>
    assert.throws(
      run,
      (error: { code: string; message: string }) => error.code === 'INVALID_REQUEST' && why.test(error.message),
    );
  refused(() => hosting.ref(sharded, 'k', { node: 'n2' }), /placed by the cluster/);
  refused(() => hosting.ref(sharded, undefined, {}), /a key of cart .*, not undefined$/);
  refused(() => hosting.ref(counter, 'k'.repeat(257), {}), /not one of 257 characters$/);
  refused(() => hosting.ref(counter, 'a\nb', {}), /not "a\\nb"$/);
  refused(() => hosting.ref(counter, 'k', null as never), /options are an object/);
  refused(() => hosting.ref(counter, 'k', { nodes: 'n2' } as never), /no option 'nodes'/);
  refused(() => hosting.spawn(counter, null as never), /options are an object/);
  refused(() => hosting.ref(single, 'k', {}), /there are no keys/);
  refused(() => hosting.ref(counter, 'k', { node: 'N 2' }), /no name of a node/);
  refused(() => hosting.ref({} as never, 'k', {}), /what defineActor gave/);
  refused(() => hosting.host(defineActor('counter', { logic })), /another counter is hosted/);
  refused(() => hosting.spawn(sharded, {}), /only those placed 'node'/);
});

test('an actor without a name begins at once, with an input of its own', async () => {
  const { hosting, actors } = open();
  const one = hosting.spawn(greeting, { input: { name: 'you' } });
  assert.equal(`${one}`, `greeting/${'01'.repeat(12)}@n1`);
  assert.ok(actors.find(one.address));
  const [end] = await Promise.all([one.ended(), one.values('output')[Symbol.asyncIterator]().next()]);
  assert.deepEqual([end.reason, end.output], ['done', 'hello you']);
  const two = hosting.spawn(greeting, { key: 'anna' });
  assert.equal((await two.ended()).output, 'hello anna');
  const kept = hosting.spawn(counter, { key: 'k' });
  assert.throws(() => hosting.spawn(counter, { key: 'k', input: 5 as never }), { code: 'INVALID_REQUEST' });
  assert.equal(await kept.ask({ type: 'add', by: 1 }), 1);
});

test('what an actor emits is heard by type or all of it, until nobody wants it; what keeps it from being heard is said', () => {
  const { hosting, thrown, actors } = open();
  const bell = defineActor('bell', {
    logic: setup({}).createMachine({
      on: { ring: { actions: [emit({ type: 'rang' }), emit({ type: 'echoed' })] } },
    }),
  });
  hosting.host(bell);
  const ref = hosting.ref(bell, 'door', {});
  const heard: string[] = [];
  const one = ref.on('rang', ({ type }: { type: string }) => heard.push(`one ${type}`));
  ref.on('*', ({ type }: { type: string }) => heard.push(`all ${type}`));
  ref.send({ type: 'ring' });
  one.unsubscribe();
  ref.send({ type: 'ring' });
  assert.deepEqual(heard.sort(), ['all echoed', 'all echoed', 'all rang', 'all rang', 'one rang']);
  ref.on('rang', () => {
    throw new Error('mine');
  });
  ref.send({ type: 'ring' });
  assert.deepEqual(thrown.map(String), ['Error: mine']);
  assert.throws(() => ref.on('', () => {}), { code: 'INVALID_REQUEST' });
  assert.throws(() => ref.on('rang', undefined as never), { code: 'INVALID_REQUEST' });
  const ends: string[] = [];
  const gone = 'visits/gone';
  actors.unreachable.set('bell/gone@n1', failure('UNREACHABLE', gone));
  const far = hosting.ref(bell, 'gone', {});
  far.on('rang', () => {});
  far.on(
    'rang',
    () => {},
    ({ reason }) => ends.push(reason),
  );
  assert.deepEqual([thrown.length, ends], [2, ['failed']]);
});
