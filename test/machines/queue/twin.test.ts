// Queues against their dumb twin under random histories: every answer, what is free, restores midway, every byte of two replicas.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type QueueWrite, queueLimits, type Receipt } from '../../../machines/queue/index.ts';
import {
  apply,
  createRegister,
  dump,
  encodeCommand,
  nextExpiryMs,
  query,
  type RegisterState,
  registerLimits,
  restore,
} from '../../../machines/register/index.ts';
import { createKeyspaceMap, type KeyspaceMap } from '../register/keyspace-map.ts';
import { QueueTwin } from './twin.ts';

const queues = ['a', 'b'];
const queue = fc.constantFrom(...queues);
const maybe = <T>(...values: T[]) => fc.option(fc.constantFrom(...values), { nil: undefined });

type Plan = (twin: QueueTwin) => QueueWrite;

const fixed = (arbitrary: fc.Arbitrary<QueueWrite>): fc.Arbitrary<Plan> => arbitrary.map((write) => () => write);

const given = <T>(fields: { [Name in keyof T]: T[Name] | undefined }): T =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;

const send = fixed(
  fc
    .record({ queue, delayMs: maybe(0, 3, 20), ordering: maybe('x', 'y'), dedup: maybe('d1', 'd2', 'd3') })
    .map((fields) => ({ op: 'queue-send', body: Buffer.from(JSON.stringify(fields)), ...given(fields) }) as QueueWrite),
);

const receive = fixed(
  fc
    .record({ queue, max: fc.integer({ min: 1, max: 4 }), waitMs: fc.constant(0), visibilityMs: maybe(5, 50) })
    .map((fields) => ({ op: 'queue-receive', ...given(fields) }) as QueueWrite),
);

/** A receipt of one that is out now, or of one that was. */
const receiptOf = (twin: QueueTwin, name: string, nth: number, stale: number): Receipt => {
  const out = twin.of(name).filter((one) => one.token !== null);
  const message = out[nth % Math.max(1, out.length)];
  if (message === undefined) return { message: nth, token: { term: 1, index: 1 } };
  return { message: message.id, token: { term: message.token!.term, index: message.token!.index + (stale === 0 ? 1 : 0) } };
};

const handed = fc
  .record({
    queue,
    nth: fc.nat(5),
    stale: fc.nat(8),
    op: fc.constantFrom('queue-ack', 'queue-ack', 'queue-nack', 'queue-extend'),
  })
  .chain(({ queue: name, nth, stale, op }) =>
    fc.record({ delayMs: maybe(0, 7), unseen: maybe(true as const), reason: maybe('why') }).map(
      (more): Plan =>
        (twin) => {
          const receipt = receiptOf(twin, name, nth, stale);
          if (op === 'queue-ack') return { op: 'queue-ack', queue: name, receipt };
          if (op === 'queue-extend') return { op: 'queue-extend', queue: name, receipt, visibilityMs: 9 };
          return { op: 'queue-nack', queue: name, receipt, ...given<object>(more) };
        },
    ),
  );

const dead = fc.record({ queue, op: fc.constantFrom('queue-redrive', 'queue-purge'), isNamed: fc.boolean() }).map(
  ({ queue: name, op, isNamed }): Plan =>
    (twin) => {
      const ids = twin.of(name).filter((_, at) => at % 2 === 0);
      const messages = isNamed && ids.length > 0 ? { messages: ids.map(({ id }) => id) } : {};
      return op === 'queue-redrive'
        ? { op: 'queue-redrive', queue: name, ...messages }
        : { op: 'queue-purge', queue: name, which: 'dead', ...messages };
    },
);

const configure = fixed(
  fc
    .record({
      ...{ visibilityMs: maybe(10, 30), maxDeliveries: maybe(1, 2), dedupMs: maybe(15), messagesMax: maybe(3, 100) },
      retentionMs: fc.option(fc.constantFrom(null, 40), { nil: undefined }),
    })
    .chain((options) => queue.map((name) => ({ op: 'queue-configure', queue: name, options: given<object>(options) }))),
);

const rare = fixed(
  fc.oneof(
    queue.map((name): QueueWrite => ({ op: 'queue-purge', queue: name, which: 'all' })),
    queue.map((name): QueueWrite => ({ op: 'queue-delete', queue: name })),
  ),
);

const histories = fc.array(
  fc.record({
    plan: fc.oneof(
      { arbitrary: send, weight: 8 },
      { arbitrary: receive, weight: 7 },
      { arbitrary: handed, weight: 7 },
      { arbitrary: dead, weight: 2 },
      { arbitrary: configure, weight: 1 },
      { arbitrary: rare, weight: 1 },
    ),
    session: fc.option(fc.constantFrom('s1', 's2'), { nil: null, freq: 1 }),
    passMs: fc.constantFrom(0, 0, 1, 6, 25),
    restores: fc.nat(12).map((n) => n === 0),
  }),
  { minLength: 1, maxLength: 80, size: 'max' },
);

const restored = (keyspace: KeyspaceMap): RegisterState => {
  const state = createRegister();
  const records = keyspace.records();
  for (let at = 0; at < records.length; at += 3) restore(state, records.slice(at, at + 3));
  return state;
};

type Answer = { ok: true; result: Record<string, unknown> } | { ok: false; failure: { code: string } };

/** An answer in the words of the twin. */
const plain = (outcome: Answer): unknown => {
  if (!outcome.ok) return outcome.failure.code;
  const { op, queue: _, index: __, term: ___, ...rest } = outcome.result;
  if (op === 'queue-delete') return {};
  if (op === 'queue-extend') return { message: rest.message };
  if (op !== 'queue-receive') return rest;
  const messages = rest.messages as { message: number; body: Uint8Array; deliveries: number; visibleMs: number }[];
  return {
    messages: messages.map(({ message, body, deliveries, visibleMs }) => ({
      ...{ id: message, body: Buffer.from(body).toString(), deliveries, atMs: visibleMs },
    })),
  };
};

const compare = (state: RegisterState, keyspace: KeyspaceMap, twin: QueueTwin): void => {
  for (const name of queues) {
    const outcome = query(state, keyspace.read, { op: 'queue-stats', queue: name }, 1);
    assert.equal(outcome.ok, twin.queues.has(name));
    if (!outcome.ok || outcome.result.op !== 'queue-stats') continue;
    const { ready, delayed, out, dead: isDead, options } = outcome.result.stats;
    const counted = { ready: 0, delayed: 0, out: 0, dead: 0 };
    for (const { standing } of twin.of(name)) counted[standing]++;
    assert.deepEqual({ ready, delayed, out, dead: isDead }, counted);
    assert.deepEqual(options, twin.queues.get(name));
    const free = twin.of(name).filter((one) => twin.isFree(one)).length;
    assert.equal(state.queues.byName.get(name)?.freeCount, free, 'what is free is known');
  }
  const due = twin.messages.flatMap(({ queue: name, sentMs, standing, atMs }) => [
    ...(standing === 'out' || standing === 'delayed' ? [atMs] : []),
    sentMs + (twin.queues.get(name)!.retentionMs ?? Number.POSITIVE_INFINITY),
  ]);
  assert.equal(nextExpiryMs(state), Math.min(Number.POSITIVE_INFINITY, ...due));
};

describe('queues', () => {
  it('do what their dumb twin does, and are the same after a restore', () => {
    fc.assert(
      fc.property(histories, (steps) => {
        const twin = new QueueTwin();
        const keyspace = createKeyspaceMap();
        const other = createKeyspaceMap();
        let state = createRegister();
        const stateB = createRegister();
        const at = { index: 0, term: 1, timeMs: 1_000 };
        for (const step of steps) {
          at.index++;
          at.timeMs += step.passMs;
          twin.pass(at.timeMs);
          const write = step.plan(twin);
          // Sessions have tests of their own; here each id is new, so that its outcome is written down and nothing else changes.
          const session = step.session === null ? {} : { session: { id: `${step.session}-${at.index}` } };
          const data = encodeCommand({ write, ...session });
          const applied = apply(state, { ...at, data }, keyspace.read);
          assert.deepEqual(plain(applied.outcome as Answer), twin.apply(at, write), JSON.stringify(write));
          keyspace.write(applied.writes);
          other.write(apply(stateB, { ...at, data }, other.read).writes);
          if (step.restores) state = restored(keyspace);
          compare(state, keyspace, twin);
        }
        assert.deepEqual(dump(state), dump(stateB));
        assert.deepEqual(dump(restored(keyspace)), dump(state));
        assert.deepEqual(keyspace.records(), other.records());
      }),
      { numRuns: 300, seed: 11 },
    );
  });

  it('removes a bounded number an entry, and ends up in the same place', () => {
    const bounds = { ...registerLimits, removalsPerEntryMax: 2 };
    const state = createRegister(bounds, { ...queueLimits, batchMax: 2 });
    const keyspace = createKeyspaceMap();
    let index = 0;
    const run = (write: QueueWrite, timeMs: number): Record<string, unknown> => {
      const applied = apply(state, { index: ++index, term: 1, timeMs, data: encodeCommand({ write }) }, keyspace.read);
      keyspace.write(applied.writes);
      assert.ok(applied.outcome.ok);
      return applied.outcome.result as Record<string, unknown>;
    };
    for (let n = 0; n < 5; n++) run({ op: 'queue-send', queue: 'a', body: Uint8Array.of(n), delayMs: 10, dedup: `${n}` }, 0);
    const counts: number[] = [];
    const poll: QueueWrite = { op: 'queue-receive', queue: 'a', max: 10, waitMs: 0 };
    for (let n = 0; n < 3; n++) counts.push((run(poll, 20).messages as unknown[]).length);
    assert.deepEqual(counts, [2, 2, 1]);
    const purge: QueueWrite = { op: 'queue-purge', queue: 'a', which: 'all' };
    assert.deepEqual(
      [run(purge, 21), run(purge, 21), run(purge, 21)].map(({ count, left }) => [count, left]),
      [
        [2, 3],
        [2, 1],
        [1, 0],
      ],
    );
    const remove: QueueWrite = { op: 'queue-delete', queue: 'a' };
    assert.deepEqual(
      [run(remove, 22), run(remove, 22), run(remove, 22)].map(({ left }) => left),
      [3, 1, 0],
    );
    assert.equal(keyspace.records().length, 0, 'nothing is left behind');
  });
});
