// Queues of real nodes in one process: one that leads the group and one that has no replica of it.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { z } from 'zod';
import { createNode, type Node, PolityError, type Queue, type QueueStats } from '../../src/index.ts';
import { until } from './transport/world.ts';

const directory = mkdtempSync(join(tmpdir(), 'polity-queue-'));
const secret = randomBytes(32).toString('hex');
let near: Node;
let far: Node;

const start = async (name: string, others: readonly Node[]): Promise<Node> => {
  const node = await createNode({
    ...{ name, cluster: 'queues', data: join(directory, name), listen: ['/ip4/127.0.0.1/tcp/0'], secret },
    ...{ bootstrap: others.length === 0 ? [name] : [], join: others.flatMap((other) => other.status().listen) },
    log: { level: 'error' },
  });
  await until(() => node.status().listen.length > 0, `${name} listens`);
  return node;
};

before(async () => {
  near = await start('n1', []);
  await near.ready();
  far = await start('n2', [near]);
  await far.ready();
});
after(async () => {
  await far.stop();
  await near.stop();
  rmSync(directory, { recursive: true, force: true });
});

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof PolityError ? error.code : String(error)),
  );

const appliedIndex = async (): Promise<number> =>
  (await near.kv().read({ op: 'list', prefix: 'nothing', limit: 1 }, { consistency: 'local' })).index;

const untilStats = async (queue: Queue, wanted: (stats: QueueStats) => boolean): Promise<void> => {
  for (let tries = 0; tries < 500; tries++) {
    if (wanted(await queue.stats())) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`never so: ${JSON.stringify(await queue.stats())}`);
};

describe('a queue', () => {
  it('gives what one node sent to who waits at another, once', async () => {
    const jobs = far.queue<{ n: number }>('jobs');
    const waiting = jobs.receive({ waitMs: 10_000 });
    await near.queue('jobs').send({ n: 1 }, { ordering: 'a' });
    const [delivery] = await waiting;
    assert.deepEqual(delivery?.value, { n: 1 });
    assert.equal(delivery.deliveries, 1);
    assert.deepEqual(await near.queue('jobs').receive(), [], 'nobody else gets it');
    await delivery.extend(60_000);
    await delivery.ack();
    assert.equal(await codeOf(delivery.ack()), 'RECEIPT_EXPIRED');
    const { ready, out, dead } = await jobs.stats();
    assert.deepEqual({ ready, out, dead }, { ready: 0, out: 0, dead: 0 });
  });

  it('writes nothing while nobody sends, however many wait', async () => {
    const waitInVain = async (): Promise<number> => {
      const before = await appliedIndex();
      const end = new AbortController();
      const waits = Array.from({ length: 20 }, (_, at) =>
        [near, far][at % 2]!.queue('idle').receive({ waitMs: at < 10 ? 100 : 20_000, signal: end.signal }),
      );
      assert.deepEqual(
        await Promise.all(waits.slice(0, 10)),
        Array.from({ length: 10 }, () => []),
      );
      end.abort(new Error('enough'));
      for (const wait of waits.slice(10)) await assert.rejects(wait, /enough/);
      return (await appliedIndex()) - before;
    };
    // Replicas of data are listed in the same group, once, when a node has begun.
    let written = await waitInVain();
    for (let again = 0; written > 0 && again < 5; again++) written = await waitInVain();
    assert.equal(written, 0);
  });

  it('gives back what comes when nobody waits any more, and does not count it', async () => {
    const end = new AbortController();
    const wait = far.queue('late').receive({ waitMs: 20_000, signal: end.signal });
    await far.queue('late').receive();
    end.abort(new Error('enough'));
    await assert.rejects(wait, /enough/);
    await near.queue('late').send('x');
    const [delivery] = await near.queue('late').receive({ waitMs: 10_000 });
    assert.equal(delivery?.value, 'x');
    assert.equal(delivery.deliveries, 1);
  });

  it('keeps dead letters until somebody looks after them', async () => {
    const jobs = near.queue<string>('dying');
    await jobs.configure({ maxDeliveries: 2 });
    await jobs.send('bad');
    await (await jobs.receive())[0]!.nack({ reason: 'first' });
    assert.deepEqual(await (await jobs.receive())[0]!.nack({ reason: 'second' }), { dead: true });
    const { letters } = await far.queue<string>('dying').dead();
    assert.deepEqual(
      letters.map(({ value, deliveries, reason }) => ({ value, deliveries, reason })),
      [{ value: 'bad', deliveries: 2, reason: 'second' }],
    );
    assert.equal(await jobs.redrive([letters[0]!.id]), 1);
    assert.equal((await jobs.receive())[0]?.deliveries, 1);
    assert.equal(await codeOf(jobs.delete()), 'QUEUE_NOT_EMPTY');
    assert.equal(await jobs.purge(), 1);
    await jobs.delete();
    assert.equal(await codeOf(jobs.stats()), 'QUEUE_NOT_FOUND');
  });

  it('takes what fits its schema, and puts aside what does not', async () => {
    const checked = near.queue('checked', { schema: z.object({ n: z.number() }) });
    assert.equal(await codeOf(checked.send({ n: 'one' } as never)), 'INVALID_REQUEST');
    await near.queue('checked').send({ other: true });
    await checked.send({ n: 1 });
    const deliveries = await checked.receive({ max: 10 });
    assert.deepEqual(
      deliveries.map(({ value }) => value),
      [{ n: 1 }],
    );
    await untilStats(near.queue('checked'), ({ delayed }) => delayed === 1);
    const raw = near.queue('bytes', { raw: true });
    await raw.send(Uint8Array.of(0, 255));
    assert.deepEqual((await raw.receive())[0]?.value, Uint8Array.of(0, 255));
  });
});

describe('a consumer', () => {
  it('works on so many at a time, each of a key in its turn, and ends with what it has', async () => {
    const jobs = near.queue<{ key: string; n: number }>('work');
    let running = 0;
    let most = 0;
    const seen: { key: string; n: number }[] = [];
    const consumer = far.queue<{ key: string; n: number }>('work').consume(
      async (value) => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 2));
        running--;
        seen.push(value);
      },
      { concurrency: 3 },
    );
    const sent = [];
    for (let n = 0; n < 30; n++) {
      const value = { key: `k${n % 4}`, n };
      sent.push(value);
      await jobs.send(value, { ordering: value.key });
    }
    await until(() => seen.length === 30, 'all are done');
    await consumer.stop();
    assert.ok(most <= 3);
    for (const key of ['k0', 'k1', 'k2', 'k3'])
      assert.deepEqual(
        seen.filter((one) => one.key === key),
        sent.filter((one) => one.key === key),
      );
    const { ready, out } = await jobs.stats();
    assert.deepEqual({ ready, out }, { ready: 0, out: 0 });
  });

  it('tries again what fails, keeps what takes long, and says what goes wrong', async () => {
    const jobs = near.queue<string>('trouble');
    const told: unknown[] = [];
    const calls: string[] = [];
    const consumer = jobs.consume(
      async (value, { delivery }) => {
        calls.push(`${value}/${delivery.deliveries}`);
        if (value === 'slow') await new Promise((resolve) => setTimeout(resolve, 500));
        if (value === 'fails' && delivery.deliveries === 1) throw new Error('not yet');
      },
      { concurrency: 2, visibilityMs: 200, backoffMs: { min: 10 }, onError: (error) => told.push(error) },
    );
    await jobs.send('slow');
    await jobs.send('fails');
    await until(() => calls.length === 3, 'all were tried');
    await untilStats(near.queue('trouble'), ({ ready, delayed, out }) => ready + delayed + out === 0);
    await consumer.stop();
    assert.deepEqual(calls.toSorted(), ['fails/1', 'fails/2', 'slow/1']);
    assert.deepEqual(
      told.map((error) => (error as Error).message),
      ['not yet'],
    );
  });

  it('survives what a program throws where nobody catches it, and refuses what is no handler and no schema', async () => {
    const jobs = near.queue<string>('wicked');
    const isInvalid = { code: 'INVALID_REQUEST' };
    assert.throws(() => jobs.consume(undefined as never), isInvalid);
    assert.throws(() => jobs.consume(() => {}, { concurrency: Number.NaN }), isInvalid);
    assert.throws(() => near.queue('wicked', { schema: 5 as never }), isInvalid);
    const noText = Object.create(null) as object;
    let calls = 0;
    const consumer = jobs.consume(
      () => {
        if (++calls === 1) throw noText;
      },
      { backoffMs: { min: 10 } },
    );
    await jobs.send('x');
    await untilStats(near.queue('wicked'), ({ ready, delayed, out }) => calls === 2 && ready + delayed + out === 0);
    await consumer.stop();
  });
});
