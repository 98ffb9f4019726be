// Stories of queues that a random history seldom tells: idempotency keys, order around dead letters, reads, records that are not ours.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { QueueMessage, QueueWriteResult } from '../../../machines/queue/index.ts';
import { query, RegisterFault, restore } from '../../../machines/register/index.ts';
import { createRegister } from '../../../machines/register/state.ts';
import { bytes, createReplica } from '../register/replica.ts';

const text = (body: Uint8Array): string => Buffer.from(body).toString();

const createQueue = () => {
  const replica = createReplica();
  const q = 'q';
  return {
    ...replica,
    send: (body: string, more: { ordering?: string; dedup?: string; delayMs?: number } = {}, session?: string) =>
      replica.done({ op: 'queue-send', queue: q, body: bytes(body), ...more }, session) as Extract<
        QueueWriteResult,
        { op: 'queue-send' }
      >,
    receive(max = 10, session?: string): QueueMessage[] {
      const result = replica.done({ op: 'queue-receive', queue: q, max, waitMs: 0, visibilityMs: 100 }, session);
      return result.op === 'queue-receive' ? result.messages : [];
    },
    ack: ({ message, token }: QueueMessage, session?: string) =>
      replica.write({ op: 'queue-ack', queue: q, receipt: { message, token } }, session),
    nack: ({ message, token }: QueueMessage, delayMs = 0) =>
      replica.write({ op: 'queue-nack', queue: q, receipt: { message, token }, delayMs }),
  };
};

describe('an idempotency key', () => {
  it('makes a send, an acknowledgement and a refusal that are repeated what they were', () => {
    const queue = createQueue();
    const sent = queue.send('x', {}, 's1');
    assert.deepEqual(queue.send('x', {}, 's1'), sent);
    assert.equal(queue.code({ op: 'queue-send', queue: 'q', body: bytes('y') }, 's1'), 'IDEMPOTENCY_CONFLICT');
    const [message] = queue.receive();
    const acked = queue.ack(message!, 's2');
    assert.deepEqual(queue.ack(message!, 's2'), acked);
    assert.equal(queue.ack(message!, 's3').ok, false);
  });

  it('makes a repeated receive give what is still out of the first', () => {
    const queue = createQueue();
    for (const body of ['a', 'b', 'c']) queue.send(body);
    const first = queue.receive(3, 's');
    queue.ack(first[1]!);
    queue.send('d');
    assert.deepEqual(
      queue.receive(3, 's').map(({ body }) => text(body)),
      ['a', 'c'],
    );
    assert.deepEqual(queue.receive(3, 's')[0]!.token, first[0]!.token, 'under the same receipts');
    queue.at.timeMs += 200;
    assert.deepEqual(queue.receive(3, 's'), [], 'they came into sight again');
    assert.equal(queue.receive(5, 't').length, 3);
  });
});

describe('an ordering key', () => {
  it('waits for what is out, delayed or given back, and goes on behind a dead letter', () => {
    const queue = createQueue();
    queue.done({ op: 'queue-configure', queue: 'q', options: { maxDeliveries: 2 } });
    for (const body of ['1', '2', '3']) queue.send(body, { ordering: 'k' });
    queue.send('other');
    const got = queue.receive();
    assert.deepEqual(
      got.map(({ body }) => text(body)),
      ['1', 'other'],
    );
    queue.nack(got[0]!, 50);
    assert.deepEqual(queue.receive(), [], '1 is delayed and holds up the others');
    queue.at.timeMs += 60;
    const again = queue.receive();
    assert.equal(text(again[0]!.body), '1');
    queue.nack(again[0]!);
    const behind = queue.receive();
    assert.equal(text(behind[0]!.body), '2', '1 is dead');
    queue.done({ op: 'queue-redrive', queue: 'q' });
    assert.deepEqual(queue.receive(), [], 'one of them is out');
    queue.ack(behind[0]!);
    const [redriven] = queue.receive();
    assert.deepEqual([text(redriven!.body), redriven!.deliveries], ['1', 1], 'it is in its old place');
  });
});

it('what is unseen does not count, and what is too old is gone wherever it is', () => {
  const queue = createQueue();
  queue.done({ op: 'queue-configure', queue: 'q', options: { retentionMs: 1_000, maxDeliveries: 1 } });
  queue.send('a');
  const [message] = queue.receive();
  const { token } = message!;
  queue.done({ op: 'queue-nack', queue: 'q', receipt: { message: message!.message, token }, unseen: true });
  assert.equal(queue.receive()[0]!.deliveries, 1);
  queue.at.timeMs += 150;
  queue.send('b');
  const stats = () => {
    const outcome = query(queue.state, queue.keyspace.read, { op: 'queue-stats', queue: 'q' }, queue.at.index);
    assert.ok(outcome.ok && outcome.result.op === 'queue-stats');
    return outcome.result.stats;
  };
  assert.deepEqual([stats().dead, stats().ready], [1, 1]);
  queue.at.timeMs += 860;
  queue.done({ op: 'expire' });
  assert.deepEqual([stats().dead, stats().ready, stats().bytes], [0, 1, 1]);
});

it('a full queue refuses, and takes again what is less', () => {
  const queue = createQueue();
  queue.done({ op: 'queue-configure', queue: 'q', options: { messagesMax: 2 } });
  queue.send('a', { dedup: 'a' });
  queue.send('b');
  assert.equal(queue.code({ op: 'queue-send', queue: 'q', body: bytes('c'), dedup: 'c' }), 'OVERLOADED');
  assert.equal(queue.send('a', { dedup: 'a' }).duplicate, true, 'that is in it already');
  queue.ack(queue.receive(1)[0]!);
  assert.equal(queue.send('c', { dedup: 'c' }).duplicate, false);
});

it('a page of dead letters ends where it has the bytes of a page', () => {
  const queue = createQueue();
  queue.done({ op: 'queue-configure', queue: 'q', options: { maxDeliveries: 1 } });
  const large = 'x'.repeat(900_000);
  for (let n = 0; n < 4; n++) queue.send(large);
  for (let given = queue.receive(); given.length > 0; given = queue.receive()) {
    assert.ok(given.length <= 3, 'so does a receive');
    for (const message of given) queue.nack(message);
  }
  const seen: number[] = [];
  for (let after: number | undefined; ; after = seen.at(-1)) {
    const read = { op: 'queue-dead' as const, queue: 'q', limit: 10, ...(after === undefined ? {} : { after }) };
    const outcome = query(queue.state, queue.keyspace.read, read, 1);
    assert.ok(outcome.ok && outcome.result.op === 'queue-dead');
    assert.ok(outcome.result.letters.length <= 3);
    seen.push(...outcome.result.letters.map(({ message }) => message));
    if (!outcome.result.more) break;
  }
  assert.equal(new Set(seen).size, 4);
});

it('records that are not ours stop the replica', () => {
  const queue = createQueue();
  queue.send('x', { dedup: 'd', ordering: 'o' });
  const records = queue.keyspace.records();
  for (const [at, [key, value]] of records.entries()) {
    // A body is whatever it is.
    if (key[0] !== 0x71 || key[1] === 3) continue;
    const broken = [...records];
    broken[at] = [key, value.subarray(1)];
    assert.throws(() => restore(createRegister(), broken), RegisterFault);
    if (key[1] === 1)
      assert.throws(
        () =>
          restore(
            createRegister(),
            records.filter((_, other) => other !== at),
          ),
        RegisterFault,
      );
  }
  assert.throws(() => restore(createRegister(), [[Uint8Array.of(0x71, 9), new Uint8Array(1)]]), RegisterFault);
});
