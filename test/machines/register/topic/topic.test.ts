// Topics against their dumb twin: outcomes, what is kept, who holds and who has handled what, byte for byte on two replicas, through restores.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  apply,
  createRegister,
  decodeCommand,
  defaultRetention,
  dump,
  encodeCommand,
  type FencingToken,
  formResult,
  type Holder,
  nextExpiryMs,
  parseRead,
  parseRequestRead,
  parseResult,
  parseWrite,
  query,
  type RegisterOutcome,
  type RegisterState,
  registerLimits,
  restore,
  type TopicRead,
  type TopicResult,
  type TopicWrite,
  topicLimits,
} from '../../../../machines/register/index.ts';
import { pack, unpack } from '../../../../machines/wire/envelope.ts';
import { createKeyspaceMap, type KeyspaceMap } from '../keyspace-map.ts';
import { bytes, createReplica } from '../replica.ts';
import { NaiveTopics } from './naive.ts';

const holders: Holder[] = [
  { node: 'n1', peer: 'p1', epoch: 1, consumer: 'a' },
  { node: 'n1', peer: 'p1', epoch: 1, consumer: 'b' },
  { node: 'n1', peer: 'p1', epoch: 2, consumer: 'a' },
  { node: 'n2', peer: 'p2', epoch: 7, consumer: 'a' },
];
const topic = fc.constantFrom('a', 'b');
const subscription = fc.constantFrom('s', 't', 'u');
const retention = fc.record(
  {
    messagesMax: fc.constantFrom(1, 3, 100),
    bytesMax: fc.constantFrom(5, 20, 1_000),
    ageMs: fc.constantFrom(1, 2_500, 1_000_000),
  },
  { requiredKeys: [] },
);

type Plan = (twin: NaiveTopics) => TopicWrite;
const fixed = (write: fc.Arbitrary<TopicWrite>): fc.Arbitrary<Plan> => write.map((one) => () => one);
const stale: FencingToken = { term: 1, index: 999_999 };
const tokenFor = (twin: NaiveTopics, name: string, of: string, isRight: boolean): FencingToken | null =>
  isRight ? (twin.subscription(name, of)?.token ?? null) : stale;

const plans: fc.Arbitrary<Plan> = fc.oneof(
  {
    weight: 8,
    arbitrary: fixed(
      fc.record({
        ...{ op: fc.constant('topic-publish' as const), topic, body: fc.uint8Array({ maxLength: 8 }) },
        subscriptionsMin: fc.constantFrom(0, 0, 0, 1, 2),
      }),
    ),
  },
  { weight: 2, arbitrary: fixed(fc.record({ op: fc.constant('topic-configure' as const), topic, retention })) },
  {
    weight: 4,
    arbitrary: fc
      .record({
        topic,
        subscription,
        from: fc.constantFrom(0, 1, 2, 9),
        holder: fc.constantFrom(null, ...holders),
        told: fc.boolean(),
      })
      .map(
        ({ told, ...write }): Plan =>
          (twin) => ({
            ...{ op: 'topic-subscribe', ...write },
            instead: told ? tokenFor(twin, write.topic, write.subscription, true) : null,
          }),
      ),
  },
  {
    weight: 5,
    arbitrary: fc
      .record({
        topic,
        subscription,
        isRight: fc.nat(4),
        skip: fc.constantFrom(0, 0, 1, 3),
        count: fc.constantFrom(1, 1, 2, 5),
      })
      .map(
        ({ topic: name, subscription: of, isRight, skip, count }): Plan =>
          (twin) => {
            const from = (twin.subscription(name, of)?.next ?? 1) + skip;
            return {
              ...{ op: 'topic-commit', topic: name, subscription: of, token: tokenFor(twin, name, of, isRight > 0) },
              ...{ from, next: from + count },
            };
          },
      ),
  },
  {
    weight: 1,
    arbitrary: fc.record({ topic, subscription, isRight: fc.boolean() }).map(
      ({ isRight, ...write }): Plan =>
        (twin) => ({
          ...{ op: 'topic-release', ...write, token: tokenFor(twin, write.topic, write.subscription, isRight) ?? stale },
        }),
    ),
  },
  { weight: 1, arbitrary: fixed(fc.record({ op: fc.constant('topic-unsubscribe' as const), topic, subscription })) },
  { weight: 1, arbitrary: fixed(fc.record({ op: fc.constant('topic-delete' as const), topic })) },
);

const histories = fc.array(
  fc.record({
    plan: plans,
    passMs: fc.constantFrom(0, 0, 0, 1, 700, 3_000),
    restorePage: fc.option(fc.integer({ min: 1, max: 5 }), { nil: null, freq: 8 }),
  }),
  { minLength: 1, maxLength: 60, size: 'max' },
);

const restored = (keyspace: KeyspaceMap, page: number, like: RegisterState): RegisterState => {
  const state = createRegister(like.limits);
  const records = keyspace.records();
  for (let at = 0; at < records.length; at += page) restore(state, records.slice(at, at + page));
  return state;
};

const ask = <Op extends TopicResult['op']>(
  state: RegisterState,
  keyspace: KeyspaceMap,
  read: TopicRead & { op: Op },
  index: number,
): Extract<TopicResult, { op: Op }> => {
  const outcome = query(state, keyspace.read, read, index);
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.failure.message);
  return outcome.result as Extract<TopicResult, { op: Op }>;
};

const reading = { id: 0, limit: topicLimits.pageMessagesMax, waitMs: 0, since: 0 };

const compare = (state: RegisterState, keyspace: KeyspaceMap, twin: NaiveTopics, index: number): void => {
  const listed = ask(state, keyspace, { op: 'topic-list', limit: 10 }, index).items.map((view) => view.topic);
  assert.deepEqual(listed, twin.topics.map(({ name }) => name).sort());
  for (const { name, messages, next, subscriptions } of twin.topics) {
    const page = ask(state, keyspace, { op: 'topic-read', topic: name, from: 1, ...reading }, index);
    assert.deepEqual(
      page.messages.map(({ sequence, timeMs, body }) => ({ sequence, timeMs, text: Buffer.from(body).toString('latin1') })),
      messages,
    );
    assert.deepEqual([page.first, page.next], [messages[0]?.sequence ?? next, next]);
    const found = ask(state, keyspace, { op: 'topic-get', topic: name }, index).found!;
    assert.equal(
      found.view.bytes,
      messages.reduce((sum, { text }) => sum + text.length, 0),
    );
    const sorted = subscriptions.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    assert.deepEqual(
      found.subscriptions.map((one) => ({ name: one.name, next: one.next, holder: one.holder, token: one.token })),
      sorted.map((one) => ({ name: one.name, next: one.next, holder: one.holder, token: one.token })),
    );
    for (const { sequence } of messages) {
      const told = ask(
        state,
        keyspace,
        { op: 'topic-acknowledged', topic: name, sequence, published: index + 1, needed: 0, waitMs: 0 },
        index,
      );
      const missing = sorted.filter((one) => one.next <= sequence).map((one) => one.name);
      // What was passed over counts as acknowledged never; the machine remembers that of the last gap, and may be stricter before it.
      const unhandled = sorted.filter((one) => !one.handled.has(sequence) && one.next > sequence);
      for (const lost of missing) assert.ok(told.missing.includes(lost));
      assert.ok(told.acknowledged <= sorted.length - missing.length);
      assert.equal(told.of, sorted.length);
      for (const one of unhandled) {
        const isBeforeItCame = sequence < Math.min(...one.handled, one.next);
        if (!isBeforeItCame) assert.ok(told.missing.includes(one.name), `${one.name} never handled ${sequence}`);
      }
    }
  }
};

const run = (steps: { plan: Plan; passMs: number; restorePage: number | null }[], isExact: boolean): void => {
  const bounds = { ...registerLimits, removalsPerEntryMax: isExact ? 1_000 : 1 };
  const twin = new NaiveTopics(defaultRetention);
  const [keyspace, keyspaceB] = [createKeyspaceMap(), createKeyspaceMap()];
  let state = createRegister(bounds);
  const stateB = createRegister(bounds);
  const at = { index: 0, term: 1, timeMs: 1_000 };
  for (const { plan, passMs, restorePage } of steps) {
    at.index++;
    at.timeMs += passMs;
    const write = structuredClone(plan(twin));
    assert.deepEqual(parseWrite(write), { ok: true, value: write });
    const data = encodeCommand({ write });
    assert.deepEqual(structuredClone(decodeCommand(data)!.write), structuredClone(write));
    const expected = twin.apply(at, write);
    const applied = apply(state, { ...at, data }, keyspace.read);
    assert.equal(applied.outcome.ok ? 'ok' : applied.outcome.failure.code, expected, `${at.index} ${JSON.stringify(write)}`);
    if (applied.outcome.ok)
      assert.deepEqual(parseResult(unpack(pack(formResult(applied.outcome.result)))), applied.outcome.result);
    keyspace.write(applied.writes);
    const appliedB = apply(stateB, { ...at, data: data.slice() }, keyspaceB.read);
    assert.deepEqual(appliedB, applied);
    keyspaceB.write(appliedB.writes);
    if (isExact) compare(state, keyspace, twin, at.index);
    if (restorePage === null) continue;
    const again = restored(keyspace, restorePage, state);
    assert.deepEqual(dump(again), dump(state));
    state = again;
  }
};

describe('topics against their dumb twin', () => {
  it('keep, refuse and remember the same, on two replicas, through restores', () => {
    fc.assert(
      fc.property(histories, (steps) => run(steps, true)),
      { numRuns: 200, seed: 20_28 },
    );
  });

  it('refuse and remember the same even if each entry removes next to nothing', () => {
    fc.assert(
      fc.property(histories, (steps) => run(steps, false)),
      { numRuns: 150, seed: 20_29 },
    );
  });
});

describe('topics', () => {
  const publish = (text: string, name = 'a'): TopicWrite => ({
    op: 'topic-publish',
    topic: name,
    body: bytes(text),
    subscriptionsMin: 0,
  });
  const subscribe = (of: string, from = 1): TopicWrite => ({
    ...{ op: 'topic-subscribe', topic: 'a', subscription: of, from, holder: null, instead: null },
  });

  it('go on with `expire` entries until nothing is left of what is over, or of a deleted topic', () => {
    const replica = createReplica({ removalsPerEntryMax: 2 });
    for (let n = 0; n < 9; n++) replica.done(publish(`m${n}`));
    replica.done({ op: 'topic-configure', topic: 'a', retention: { ...defaultRetention, messagesMax: 1 } });
    let entries = 0;
    while (nextExpiryMs(replica.state) <= replica.at.timeMs) {
      replica.done({ op: 'expire' });
      entries++;
    }
    assert.equal(entries, 3);
    for (let n = 0; n < 5; n++) replica.done(publish(`n${n}`, 'b'));
    replica.done({ op: 'topic-delete', topic: 'a' });
    replica.done({ op: 'topic-delete', topic: 'b' });
    while (nextExpiryMs(replica.state) <= replica.at.timeMs) replica.done({ op: 'expire' });
    assert.equal(replica.keyspace.records().length, 0);
    assert.equal(nextExpiryMs(replica.state), Number.POSITIVE_INFINITY);
  });

  it('is one message under one idempotency key, told with the same number', () => {
    const replica = createReplica();
    const first = replica.done(publish('x'), 'k');
    assert.deepEqual(replica.done(publish('x'), 'k'), first);
    assert.equal(replica.code(publish('y'), 'k'), 'IDEMPOTENCY_CONFLICT');
    const claim: TopicWrite = {
      op: 'topic-subscribe',
      topic: 'a',
      subscription: 's',
      from: 1,
      holder: holders[0]!,
      instead: null,
    };
    assert.deepEqual(replica.done(claim, 'c'), replica.done(claim, 'c'));
    assert.deepEqual(replica.done(subscribe('t'), 'd'), replica.done(subscribe('t'), 'd'));
  });

  it('counts what was given up for lost, and takes it for an acknowledgement never', () => {
    const replica = createReplica();
    replica.done(subscribe('s'));
    for (let n = 1; n <= 5; n++) replica.done(publish(`m${n}`));
    replica.done({ op: 'topic-commit', topic: 'a', subscription: 's', token: null, from: 4, next: 5 });
    const outcome = (sequence: number): RegisterOutcome =>
      query(
        replica.state,
        replica.keyspace.read,
        { op: 'topic-acknowledged', topic: 'a', sequence, published: replica.at.index, needed: 0, waitMs: 0 },
        replica.at.index,
      );
    const acknowledged = [1, 2, 3, 4, 5].map((sequence) => {
      const told = outcome(sequence);
      return told.ok && told.result.op === 'topic-acknowledged' ? told.result.acknowledged : null;
    });
    assert.deepEqual(acknowledged, [0, 0, 0, 1, 0]);
    const got = query(replica.state, replica.keyspace.read, { op: 'topic-get', topic: 'a' }, 1);
    assert.ok(got.ok && got.result.op === 'topic-get');
    assert.equal(got.result.found!.subscriptions[0]!.lost, 3);
  });

  it('tell a reader nothing of what their replica has not applied, and whom a name means by its id', () => {
    const replica = createReplica();
    replica.done(publish('x'));
    const read = (more: Partial<TopicRead & { op: 'topic-read' }>): RegisterOutcome =>
      query(
        replica.state,
        replica.keyspace.read,
        { op: 'topic-read', topic: 'a', from: 1, ...reading, ...more },
        replica.at.index,
      );
    const ahead = read({ since: 9 });
    assert.ok(ahead.ok && ahead.result.op === 'topic-read' && ahead.result.messages.length === 0);
    const other = read({ id: 77 });
    assert.ok(!other.ok && other.failure.code === 'NOT_FOUND');
  });

  it('every request and result travels; what is malformed is refused', () => {
    const requests: TopicRead[] = [
      { op: 'topic-read', topic: 'a', from: 3, ...reading, held: { subscription: 's', token: null } },
      { op: 'topic-read', topic: 'a', from: 3, ...reading, held: { subscription: 's', token: { term: 1, index: 2 } } },
      { op: 'topic-acknowledged', topic: 'a', sequence: 1, published: 2, needed: 0, waitMs: 5 },
      { op: 'topic-get', topic: 'a' },
      { op: 'topic-list', limit: 3, after: 'b' },
    ];
    for (const read of requests) {
      assert.deepEqual(parseRequestRead(unpack(pack([read, false]))), { read, lease: false });
      for (const field of Object.keys(read).filter((name) => name !== 'after' && name !== 'held'))
        assert.equal(parseRead({ ...read, [field]: -1 }).ok, false, `${read.op}.${field}`);
      assert.equal(parseRead({ ...read, more: 1 }).ok, false);
    }
    const view = { topic: 'a', id: 1, first: 1, next: 2, bytes: 3, retention: defaultRetention, subscriptions: 1 };
    const token = { term: 1, index: 4 };
    const results: TopicResult[] = [
      { op: 'topic-read', id: 1, first: 1, next: 2, messages: [{ sequence: 1, timeMs: 5, body: bytes('x') }], token, index: 9 },
      { op: 'topic-acknowledged', acknowledged: 1, needed: 2, of: 3, missing: ['s'], index: 9 },
      { op: 'topic-get', found: null, index: 9 },
      {
        ...{ op: 'topic-get', index: 9 },
        found: { view, subscriptions: [{ name: 's', next: 1, lost: 0, holder: holders[0]!, token }] },
      },
      { op: 'topic-list', items: [view], more: false, index: 9 },
    ];
    for (const result of results) {
      const form = unpack(pack(formResult(result))) as unknown[];
      assert.deepEqual(parseResult(form), result);
      for (let at = 1; at < form.length; at++)
        assert.equal(parseResult(form.map((part, where) => (where === at ? -0.5 : part))), null, `${result.op} ${at}`);
      assert.equal(parseResult([...form, null]), null);
    }
    const wrong: [unknown, string][] = [
      [{ op: 'topic-publish', topic: 'a'.repeat(121), body: bytes(''), subscriptionsMin: 0 }, 'TOO_LARGE'],
      [{ op: 'topic-publish', topic: '', body: bytes(''), subscriptionsMin: 0 }, 'INVALID_REQUEST'],
      [{ op: 'topic-publish', topic: 'a', body: new Uint8Array((1 << 20) + 1), subscriptionsMin: 0 }, 'TOO_LARGE'],
      [{ op: 'topic-publish', topic: 'a', body: 'text', subscriptionsMin: 0 }, 'INVALID_REQUEST'],
      [{ op: 'topic-configure', topic: 'a', retention: { ...defaultRetention, ageMs: 0 } }, 'INVALID_REQUEST'],
      [{ op: 'topic-commit', topic: 'a', subscription: 's', token: {}, from: 1, next: 2 }, 'INVALID_REQUEST'],
      [
        { op: 'topic-subscribe', topic: 'a', subscription: 's', from: 0, holder: { node: 'n' }, instead: null },
        'INVALID_REQUEST',
      ],
    ];
    for (const [write, code] of wrong) {
      const parsed = parseWrite(write);
      assert.equal(parsed.ok ? 'ok' : parsed.failure.code, code, JSON.stringify(write).slice(0, 80));
    }
  });
});
