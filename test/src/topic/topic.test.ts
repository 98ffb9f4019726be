// Topics as programs use them: handlers that fail, are slow, are stopped; schemas; what is told of what was lost.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { failure, PolityError } from '../../../machines/errors.ts';
import { Topic, type TopicMessage, type TopicOptions } from '../../../src/topic/index.ts';
import { FakeNode } from '../gateway/fake-node.ts';

const price = z.object({ symbol: z.string(), cents: z.number() });

const open = (options: TopicOptions<typeof price> = {}) => {
  const node = new FakeNode();
  return { node, topic: new Topic(node.topics, 'prices', { schema: price, ...options }) };
};
const value = (cents: number) => ({ symbol: 'ACME', cents });
const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  const error = await promise.then(
    () => null,
    (why: unknown) => why,
  );
  return error instanceof PolityError ? error.code : String(error);
};

/** Resolves once it holds; the test's own limit ends it otherwise. */
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
};

test('values go in and come out one after the other, whoever handles them next goes on after them', async () => {
  const { topic } = open();
  for (let n = 1; n <= 3; n++) assert.equal((await topic.publish(value(n))).sequence, n);
  const seen: number[] = [];
  let atOnce = 0;
  let atOnceMost = 0;
  const handler = async ({ value: { cents } }: TopicMessage<z.infer<typeof price>>): Promise<void> => {
    atOnce++;
    atOnceMost = Math.max(atOnceMost, atOnce);
    await new Promise((resolve) => setTimeout(resolve, 1));
    seen.push(cents);
    atOnce--;
  };
  const first = topic.subscribe(handler, { subscription: 's', from: 'oldest' });
  await until(() => seen.length === 3);
  const standing: boolean[] = [];
  const other = topic.subscribe(handler, { subscription: 's', onActive: (is) => standing.push(is) });
  await until(() => standing.length === 1);
  await other.stop();
  assert.deepEqual(standing, [false]);
  assert.equal(first.isActive, true);
  await first.stop();
  await topic.publish(value(4));
  const second = topic.subscribe(handler, { subscription: 's' });
  await until(() => seen.length === 4);
  await second.stop();
  await second.ended;
  assert.deepEqual(seen, [1, 2, 3, 4]);
  assert.equal(atOnceMost, 1);
  assert.equal((await topic.describe())?.subscriptions[0]?.next, 5);
  await topic.unsubscribe('s');
  assert.equal((await topic.describe())?.subscriptions.length, 0);
});

test('what does not fit the schema is not published, and what others publish and does not fit is never handled', async () => {
  const { node, topic } = open();
  assert.equal(await codeOf(topic.publish({ symbol: 'x' } as never)), 'INVALID_REQUEST');
  await new Topic(node.topics, 'prices', {}).publish('no price at all');
  await topic.publish(value(7));
  const failed: (number | null)[] = [];
  const seen: number[] = [];
  const strict = topic.subscribe(() => {}, { from: 'oldest' });
  assert.equal(await codeOf(strict.ended), 'SERVICE_FAILED');
  const lenient = topic.subscribe(({ value: { cents } }) => seen.push(cents), {
    from: 'oldest',
    onFailed: (_error, { sequence }) => failed.push(sequence),
  });
  await until(() => seen.length === 1);
  await lenient.stop();
  assert.deepEqual([failed, seen], [[1], [7]]);
});

test('a handler that fails is asked again; what it never handles ends the subscription, which begins with it the next time', async () => {
  const { topic } = open();
  for (const cents of [1, 2]) await topic.publish(value(cents));
  const tries: [number, number][] = [];
  const poisoned = topic.subscribe(
    ({ value: { cents }, attempt }) => {
      tries.push([cents, attempt]);
      if (cents === 1 && attempt < 2) throw new Error('not yet');
      if (cents === 2) throw new Error('never');
    },
    { subscription: 's', from: 'oldest', attempts: 2 },
  );
  assert.equal(await codeOf(poisoned.ended), 'SERVICE_FAILED');
  assert.deepEqual(tries, [
    [1, 1],
    [1, 2],
    [2, 1],
    [2, 2],
  ]);
  const passedOver: unknown[] = [];
  const again = topic.subscribe(
    () => {
      throw new Error('never');
    },
    { subscription: 's', attempts: 1, onFailed: (_error, { sequence }) => passedOver.push(sequence) },
  );
  await until(() => passedOver.length === 1);
  await again.stop();
  assert.deepEqual(passedOver, [2]);
  assert.equal((await topic.describe())?.subscriptions[0]?.next, 3);
});

test('who comes too late for what was kept hears COMPACTED, or how much it was and goes on', async () => {
  const { topic } = open();
  await topic.retain({ messagesMax: 1 });
  for (let n = 1; n <= 3; n++) await topic.publish(value(n));
  assert.equal(await codeOf(topic.subscribe(() => {}, { from: 1 + 1 }).ended), 'COMPACTED');
  const lost: unknown[] = [];
  const seen: number[] = [];
  const on = topic.subscribe(({ value: { cents } }) => seen.push(cents), { from: 2, onLost: (what) => lost.push(what) });
  await until(() => seen.length === 1);
  await on.stop();
  assert.deepEqual([lost, seen], [[{ from: 2, count: 1 }], [3]]);
});

test('a quorum counts handlers that have ended; a signal tells a handler that it shall end', async () => {
  const { node } = open();
  const topic = new Topic(node.topics, 'orders', { delivery: 'quorum' });
  assert.equal(await codeOf(topic.publish('x')), 'NO_QUORUM');
  const well = topic.subscribe(() => {}, { subscription: 'well' });
  await until(() => well.isActive);
  assert.deepEqual(await topic.publish('x'), { sequence: 1, acknowledged: 1 });
  await well.stop();
  let isHeard = false;
  const stuck = topic.subscribe(
    ({ signal }) =>
      new Promise<void>((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          isHeard = true;
          reject(new Error('stopped'));
        });
      }),
    { subscription: 'well' },
  );
  await until(() => stuck.isActive);
  const why = await topic.publish('y', { timeoutMs: 50 }).catch((error: unknown) => error);
  assert.ok(why instanceof PolityError && why.code === 'NOT_ACKNOWLEDGED' && !why.definite);
  assert.equal(why.details.missing, 'well');
  await stuck.stop();
  assert.ok(isHeard);
  assert.equal((await topic.describe())?.subscriptions[0]?.next, 2, 'what the handler did not end comes again');
});

test('fire and forget, ids, mistakes', async () => {
  const { node, topic } = open();
  const live = new Topic(node.topics, 'live', { delivery: 'fire-and-forget' });
  const heard: unknown[] = [];
  const listening = live.subscribe(({ value: what, source }) => heard.push([what, source]));
  assert.deepEqual(await live.publish({ a: 1 }), { sequence: null, acknowledged: null });
  await until(() => heard.length === 1);
  assert.deepEqual(heard, [[{ a: 1 }, 'peer-1']]);
  await listening.stop();
  assert.equal(await codeOf(live.publish(1, { id: 'x' })), 'INVALID_REQUEST');
  assert.equal(await codeOf(live.publish(() => {})), 'INVALID_REQUEST');
  assert.equal(await codeOf(live.subscribe(() => {}, { subscription: 's' }).ended), 'INVALID_REQUEST');
  assert.deepEqual(await topic.publish(value(1), { id: 'x' }), await topic.publish(value(1), { id: 'x' }));
  assert.equal(await codeOf(topic.publish(value(2), { id: 'x' })), 'IDEMPOTENCY_CONFLICT');
  assert.equal(await codeOf(topic.subscribe(() => {}, { from: 99, subscription: 'n' }).ended), 'INVALID_REQUEST');
  assert.throws(() => topic.subscribe(() => {}, { attempts: 0 }), /attempts/);
  assert.throws(() => topic.subscribe(undefined as never), /by a function/);
  assert.throws(() => new Topic(node.topics, 'x', { schema: {} as never }), /Standard Schema/);
  node.intercept = () => failure('STOPPING', 'over');
  assert.equal(await codeOf(topic.subscribe(() => {}).ended), 'STOPPING');
});
