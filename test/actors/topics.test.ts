// Topics over whole nodes moved by hand: who hears what, in which order, and what survives whose death.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../../actors/api.ts';
import type { Feed, FeedEvent, FeedWanted, Publication, Published } from '../../actors/topic-api.ts';
import type { FencingToken } from '../../machines/register/index.ts';
import { bytesOf, collector, createHandCluster, type HandNode } from './hand-cluster.ts';

type Cluster = ReturnType<typeof createHandCluster>;

const logged = (text: string, more: Partial<Publication> = {}): Publication => ({
  ...{ topic: 'prices', body: bytesOf(text), delivery: 'at-least-once', ...more },
});

const publish = (cluster: Cluster, { api }: HandNode, publication: Publication): Outcome<Published> => {
  const published = collector<Published>();
  api.topics.publish(publication, {}, published.done());
  cluster.until(() => published.outcomes.length === 1);
  return published.outcomes[0]!;
};

/** Reads until it is told to stop; handles what it reads unless told otherwise. */
const reader = (node: HandNode, wanted: Partial<FeedWanted> = {}, options: { handles?: boolean } = {}) => {
  const feed: Feed = node.api.topics.feed({ topic: 'prices', delivery: 'at-least-once', ...wanted });
  const events: FeedEvent[] = [];
  const texts: string[] = [];
  const on = (event: FeedEvent): void => {
    events.push(event);
    if (event.type === 'message') {
      texts.push(Buffer.from(event.body).toString());
      if (options.handles !== false && event.sequence !== null) feed.handled(event.sequence);
    }
    if (event.type !== 'failed') feed.next(on);
  };
  feed.next(on);
  const types = (): string[] => events.map(({ type }) => type).filter((type) => type !== 'message');
  return { feed, events, texts, types };
};

const nextOf = (cluster: Cluster, { api }: HandNode, subscription: string): number | undefined => {
  const told: (number | undefined)[] = [];
  api.topics.describe('prices', {}, (outcome) => {
    const whole = outcome.ok ? outcome.value : null;
    told.push(whole?.subscriptions.find(({ name }) => name === subscription)?.next);
  });
  cluster.until(() => told.length === 1);
  return told[0];
};

test('what is published anywhere is read everywhere, in one order, from where each reader asked', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  for (let n = 1; n <= 5; n++) assert.equal(publish(cluster, nodes[n % 3]!, logged(`m${n}`)).ok, true);
  const oldest = nodes.map((node) => reader(node, { from: 'oldest' }));
  const third = reader(nodes[1], { from: 3 });
  const fresh = reader(nodes[2]);
  cluster.pass(50);
  for (let n = 6; n <= 8; n++) publish(cluster, nodes[n % 3]!, logged(`m${n}`));
  cluster.until(() => oldest.every(({ texts }) => texts.length === 8) && fresh.texts.length === 3);
  const all = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `m${n}`);
  for (const { texts } of oldest) assert.deepEqual(texts, all);
  assert.deepEqual(third.texts, all.slice(2));
  assert.deepEqual(fresh.texts, all.slice(5));
  for (const { feed } of [...oldest, third, fresh]) feed.end();
});

test('the same id twice is one message; a member that hosts no replica reads and publishes all the same', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  const fourth = cluster.start('n4');
  cluster.until(() => fourth.api.status().clusterId !== null);
  const { texts } = reader(fourth, { from: 'oldest', subscription: 's' });
  const first = publish(cluster, nodes[0], logged('once', { id: 'x' }));
  assert.deepEqual(publish(cluster, fourth, logged('once', { id: 'x' })), first);
  const other = publish(cluster, fourth, logged('other', { id: 'x' }));
  assert.equal(other.ok ? 'ok' : other.failure.code, 'IDEMPOTENCY_CONFLICT');
  cluster.pass(1_000);
  publish(cluster, nodes[1], logged('later'));
  cluster.until(() => texts.length === 2);
  assert.deepEqual(texts, ['once', 'later']);
  // What only waits is no reason to put off a stop.
  let isStopped = false;
  const startMs = cluster.clock.nowMs();
  fourth.api.stop(() => {
    isStopped = true;
  });
  cluster.until(() => isStopped);
  assert.ok(cluster.clock.nowMs() - startMs < 1_000, `${cluster.clock.nowMs() - startMs} ms`);
});

test('a subscription goes on at another node when the one that handles it dies, from what was handled', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  const first = reader(nodes[2], { subscription: 's', from: 'oldest' });
  cluster.until(() => first.types().includes('active'));
  const second = reader(nodes[0], { subscription: 's' });
  cluster.until(() => second.types().includes('standby'));
  for (let n = 1; n <= 4; n++) publish(cluster, nodes[1], logged(`m${n}`));
  cluster.until(() => nextOf(cluster, nodes[1], 's') === 5);
  assert.deepEqual(first.texts, ['m1', 'm2', 'm3', 'm4']);
  cluster.kill(nodes[2]);
  publish(cluster, nodes[0], logged('m5'));
  cluster.until(() => second.texts.length === 1, 60_000);
  assert.deepEqual(second.texts, ['m5']);
  assert.deepEqual(second.types(), ['standby', 'active']);
});

test('a subscription that is let go is handled by who stands by, at once; nothing is written while nothing happens', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  const first = reader(nodes[0], { subscription: 's' });
  cluster.until(() => first.types().includes('active'));
  const second = reader(nodes[0], { subscription: 's' });
  const third = reader(nodes[1]);
  cluster.until(() => second.types().includes('standby'));
  // Replicated objects write who takes part when nodes come.
  cluster.pass(3_000);
  const lastIndex = (): number => Math.max(...nodes.map(({ api }) => api.status().groups[0]!.lastIndex));
  const before = lastIndex();
  cluster.pass(25_000);
  assert.equal(lastIndex(), before);
  let isEnded = false;
  first.feed.end(() => {
    isEnded = true;
  });
  cluster.until(() => isEnded && second.types().includes('active'), 1_000);
  publish(cluster, nodes[1], logged('x'));
  cluster.until(() => second.texts.length === 1 && third.texts.length === 1);
  assert.deepEqual(first.texts, []);
});

test('what was given and not handled comes again; who was overtaken is fenced off and stands by', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  for (let n = 1; n <= 3; n++) publish(cluster, nodes[0], logged(`m${n}`));
  const first = reader(nodes[0], { subscription: 's', from: 'oldest' }, { handles: false });
  cluster.until(() => first.texts.length === 3);
  const [active] = first.events;
  assert.ok(active?.type === 'active');
  first.feed.handled(1);
  cluster.until(() => nextOf(cluster, nodes[0], 's') === 2);
  const holder = { node: 'n9', peer: 'p-n9', epoch: 1, consumer: 'x' };
  const claimed = collector<unknown>();
  nodes[1].api.write(
    { op: 'topic-subscribe', topic: 'prices', subscription: 's', from: 0, holder, instead: active.token },
    {},
    claimed.done(),
  );
  cluster.until(() => claimed.codes()[0] === 'ok');
  first.feed.handled(3);
  cluster.until(() => first.types().includes('standby'));
  assert.equal(nextOf(cluster, nodes[0], 's'), 2, 'who was overtaken commits nothing');
  // n9 does not exist: after a while the one who stands by takes over, and is given what nobody handled.
  cluster.until(() => first.texts.length === 5, 30_000);
  assert.deepEqual(first.texts.slice(3), ['m2', 'm3']);
});

test('a subscription that falls behind what is kept hears how much it lost, and its commits say so', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  const slow = reader(nodes[1], { subscription: 's', from: 'oldest' }, { handles: false });
  publish(cluster, nodes[0], logged('m1'));
  cluster.until(() => slow.texts.length === 1);
  slow.feed.end();
  const configured = collector<null>();
  nodes[0].api.topics.configure('prices', { messagesMax: 2 }, {}, configured.done());
  cluster.until(() => configured.codes()[0] === 'ok');
  for (let n = 2; n <= 6; n++) publish(cluster, nodes[0], logged(`m${n}`));
  const again = reader(nodes[2], { subscription: 's' });
  cluster.until(() => nextOf(cluster, nodes[0], 's') === 7);
  const [, lost] = again.events;
  assert.deepEqual(lost, { type: 'lost', from: 1, count: 4 });
  assert.deepEqual(again.texts, ['m5', 'm6']);
  const told: number[] = [];
  nodes[0].api.topics.describe('prices', {}, (outcome) => {
    if (outcome.ok) told.push(outcome.value!.subscriptions[0]!.lost);
  });
  cluster.until(() => told.length === 1);
  assert.deepEqual(told, [4]);
});

test('a quorum: published is told once enough have handled it; who has not is named, and it stays published', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  const nobody = publish(cluster, nodes[0], logged('x', { delivery: 'quorum' }));
  assert.equal(nobody.ok ? 'ok' : nobody.failure.code, 'NO_QUORUM');
  const busy = reader(nodes[1], { subscription: 'busy' }, { handles: false });
  const well = reader(nodes[2], { subscription: 'well' });
  const also = reader(nodes[0], { subscription: 'also' });
  cluster.until(() => [busy, well, also].every(({ types }) => types().includes('active')));
  assert.deepEqual(publish(cluster, nodes[0], logged('x', { delivery: 'quorum' })), {
    ok: true,
    value: { sequence: 1, acknowledged: 2 },
  });
  const all = collector<Published>();
  nodes[0].api.topics.publish(logged('y', { delivery: 'quorum', acknowledgements: 3 }), { timeoutMs: 300 }, all.done());
  cluster.until(() => all.outcomes.length === 1);
  const [outcome] = all.outcomes;
  assert.ok(outcome?.ok === false && outcome.failure.code === 'NOT_ACKNOWLEDGED');
  assert.deepEqual(outcome.failure.details, { sequence: 2, acknowledged: 2, needed: 3, missing: 'busy' });
  assert.deepEqual(well.texts, ['x', 'y']);
  const gone = collector<null>();
  nodes[1].api.topics.unsubscribe('prices', 'busy', {}, gone.done());
  cluster.until(() => gone.codes()[0] === 'ok' && busy.types().includes('failed'));
  const later = publish(cluster, nodes[2], logged('z', { delivery: 'quorum' }));
  assert.deepEqual(later.ok && later.value, { sequence: 3, acknowledged: 2 });
});

test('fire and forget reaches whoever listens, and is kept for nobody', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  const live = { delivery: 'fire-and-forget' } as const;
  const readers = nodes.map((node) => reader(node, live));
  cluster.pass(100);
  assert.deepEqual(publish(cluster, nodes[0], logged('now', live)), {
    ok: true,
    value: { sequence: null, acknowledged: null },
  });
  cluster.until(() => readers.every(({ texts }) => texts.length === 1));
  const large = publish(cluster, nodes[0], { ...live, topic: 'prices', body: new Uint8Array(20_000) });
  assert.equal(large.ok ? 'ok' : large.failure.code, 'TOO_LARGE');
  assert.equal(reader(nodes[0], { ...live, subscription: 's' }).events.length, 0);
  const refused = reader(nodes[0], { ...live, subscription: 's' });
  cluster.pass(10);
  assert.deepEqual(refused.types(), ['failed']);
});

test('what is over is told to whoever reads: a topic that is deleted, a node that stops', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  publish(cluster, nodes[0], logged('x'));
  const named = reader(nodes[1], { subscription: 's' });
  const free = reader(nodes[2], { from: 'oldest' });
  cluster.until(() => free.texts.length === 1 && named.types().includes('active'));
  const deleted = collector<null>();
  nodes[0].api.topics.delete('prices', {}, deleted.done());
  cluster.until(() => [named, free].every(({ types }) => types().includes('failed')));
  const [last] = free.events.slice(-1);
  assert.ok(last?.type === 'failed' && last.failure.code === 'NOT_FOUND');
  const other = reader(nodes[1], { topic: 'other', subscription: 's' });
  cluster.until(() => other.types().includes('active'));
  let isStopped = false;
  nodes[1].api.stop(() => {
    isStopped = true;
  });
  cluster.until(() => isStopped, 5_000);
  assert.deepEqual(other.types(), ['active', 'failed']);
  const token: FencingToken = { term: 1, index: 1 };
  const foreign = collector<null>();
  nodes[0].api.topics.commit('other', 's', { token, from: 1, next: 2 }, {}, foreign.done());
  cluster.until(() => foreign.outcomes.length === 1);
  assert.deepEqual(foreign.codes(), ['FENCED']);
});
