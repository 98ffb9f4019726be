// The register against its dumb twin under random histories: outcomes, events, reads, determinism of every byte, restores midway.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  apply,
  countsOf,
  createRegister,
  decodeCommand,
  dump,
  encodeCommand,
  entryVersionOf,
  entryVersions,
  type FencingToken,
  listRange,
  listResult,
  nextExpiryMs,
  query,
  type RegisterCommand,
  type RegisterOutcome,
  type RegisterState,
  type RegisterWrite,
  registerLimits,
  restore,
} from '../../../machines/register/index.ts';
import { createKeyspaceMap, type KeyspaceMap } from './keyspace-map.ts';
import { Twin, type TwinOutcome, textOf } from './twin.ts';

const keys = ['a', 'ab', 'b/1', 'b/2', 'ü', '𝄞', '\uffee'];
const leases = ['l1', 'l2', 'l3'];
const locks = ['m1', 'm2'];
const values = [0, 1, 2].map((length) => new Uint8Array(length).fill(7));

/** A step of a history; what depends on the state then (tokens, indices) is resolved when it comes to it. */
type Step = {
  write: (twin: Twin) => RegisterWrite;
  session: string | null;
  passMs: number;
  termUp: boolean;
  restorePage: number | null;
};

const guardsArbitrary = fc.record({
  condition: fc.constantFrom('none', 'none', 'none', 'index', 'absent', 'value', 'stale'),
  fence: fc.constantFrom('none', 'none', 'none', 'none', 'held', 'held', 'stale', 'other-term'),
  lock: fc.constantFrom(...locks),
  value: fc.constantFrom(...values),
});

const tokenOf = (twin: Twin, lock: string, which: string): FencingToken => {
  const held = twin.locks.get(lock)?.token;
  if (held === undefined) return { term: 1, index: 1 };
  if (which === 'held') return { ...held };
  return which === 'other-term' ? { term: held.term + 1, index: held.index } : { term: held.term, index: held.index + 1 };
};

const guardsOf = (twin: Twin, key: string, plan: { condition: string; fence: string; lock: string; value: Uint8Array }) => {
  const index = twin.keys.get(key)?.index ?? 0;
  const condition = {
    none: undefined,
    index: { kind: 'index', index } as const,
    absent: { kind: 'index', index: 0 } as const,
    stale: { kind: 'index', index: index + 1 } as const,
    value: { kind: 'value', value: plan.value } as const,
  }[plan.condition];
  return {
    ...(condition === undefined ? {} : { condition }),
    ...(plan.fence === 'none' ? {} : { fence: { lock: plan.lock, token: tokenOf(twin, plan.lock, plan.fence) } }),
  };
};

const key = fc.constantFrom(...keys);
const lease = fc.constantFrom(...leases);
const lock = fc.constantFrom(...locks);
const ttlMs = fc.constantFrom(1, 5, 20, 60);
const owner = fc.constantFrom('o1', 'o2');

const put = fc
  .record({
    ...{ key, value: fc.constantFrom(...values), guards: guardsArbitrary },
    ttlMs: fc.option(ttlMs, { nil: undefined, freq: 1 }),
    lease: fc.option(lease, { nil: undefined, freq: 2 }),
  })
  .map(
    (plan) =>
      (twin: Twin): RegisterWrite => ({
        ...{ op: 'put', key: plan.key, value: plan.value, ...guardsOf(twin, plan.key, plan.guards) },
        ...(plan.ttlMs === undefined ? {} : { ttlMs: plan.ttlMs }),
        ...(plan.lease === undefined ? {} : { lease: plan.lease }),
      }),
  );

const remove = fc.record({ key, guards: guardsArbitrary }).map(
  (plan) =>
    (twin: Twin): RegisterWrite => ({ op: 'delete', key: plan.key, ...guardsOf(twin, plan.key, plan.guards) }),
);

const fixed = (arbitrary: fc.Arbitrary<RegisterWrite>) => arbitrary.map((write) => (): RegisterWrite => write);

const writes: fc.Arbitrary<(twin: Twin) => RegisterWrite> = fc.oneof(
  { arbitrary: put, weight: 8 },
  { arbitrary: remove, weight: 2 },
  { arbitrary: fixed(fc.record({ op: fc.constant('lease-grant'), lease, ttlMs })), weight: 4 },
  { arbitrary: fixed(fc.record({ op: fc.constant('lease-renew'), lease })), weight: 2 },
  { arbitrary: fixed(fc.record({ op: fc.constant('lease-revoke'), lease })), weight: 1 },
  { arbitrary: fixed(fc.record({ op: fc.constant('lock-acquire'), lock, lease, owner })), weight: 4 },
  {
    arbitrary: fc.record({ lock, which: fc.constantFrom('held', 'held', 'stale', 'other-term') }).map(
      (plan) =>
        (twin: Twin): RegisterWrite => ({
          ...{ op: 'lock-release', lock: plan.lock, token: tokenOf(twin, plan.lock, plan.which) },
        }),
    ),
    weight: 1,
  },
  { arbitrary: fixed(fc.constant({ op: 'expire' })), weight: 1 },
);

const histories: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    write: writes,
    session: fc.option(fc.constantFrom('s1', 's2', 's3', 's4'), { nil: null, freq: 3 }),
    passMs: fc.constantFrom(0, 0, 0, 1, 4, 30),
    termUp: fc.nat(20).map((n) => n === 0),
    restorePage: fc.option(fc.integer({ min: 1, max: 5 }), { nil: null, freq: 10 }),
  }),
  { minLength: 1, maxLength: 80, size: 'max' },
);

const restored = (keyspace: KeyspaceMap, page: number, like: RegisterState): RegisterState => {
  const state = createRegister(like.limits);
  const records = keyspace.records();
  for (let at = 0; at < records.length; at += page) restore(state, records.slice(at, at + page));
  return state;
};

const plain = (outcome: RegisterOutcome): TwinOutcome => (outcome.ok ? outcome : { ok: false, code: outcome.failure.code });

const compareReads = (state: RegisterState, keyspace: KeyspaceMap, twin: Twin, index: number): void => {
  for (const name of keys) {
    const outcome = query(state, keyspace.read, { op: 'get', key: name }, index);
    assert.ok(outcome.ok && outcome.result.op === 'get');
    const found = outcome.result.found;
    const expected = twin.keys.get(name);
    assert.deepEqual(
      found === null ? undefined : { ...found, value: textOf(found.value) },
      expected === undefined ? undefined : { key: name, ...expected },
    );
  }
  for (const name of locks) {
    const outcome = query(state, keyspace.read, { op: 'lock-get', lock: name }, index);
    assert.deepEqual(outcome, { ok: true, result: { op: 'lock-get', holder: twin.locks.get(name) ?? null, index } });
  }
  for (const name of leases) {
    const outcome = query(state, keyspace.read, { op: 'lease-get', lease: name }, index);
    assert.deepEqual(outcome, { ok: true, result: { op: 'lease-get', lease: twin.leases.get(name) ?? null, index } });
  }
  assert.equal(countsOf(state).keys, twin.keys.size);
  assert.equal(nextExpiryMs(state), twin.nextExpiryMs());
};

const bytewise = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

const compareList = (keyspace: KeyspaceMap, twin: Twin, prefix: string, limit: number): void => {
  const wanted = [...twin.keys.keys()].filter((name) => name.startsWith(prefix)).sort(bytewise);
  const listed: string[] = [];
  for (let after: string | undefined; ; after = listed.at(-1)) {
    const request = { op: 'list' as const, prefix, limit, ...(after === undefined ? {} : { after }) };
    const range = listRange(request);
    const outcome = listResult(request, keyspace.range(range.gte, range.lt, range.limit), 1);
    assert.ok(outcome.ok && outcome.result.op === 'list');
    assert.ok(outcome.result.items.length <= limit);
    listed.push(...outcome.result.items.map((item) => item.key));
    if (!outcome.result.more) break;
  }
  assert.deepEqual(listed, wanted);
};

/** Runs a history on two replicas and the twin. `exact`: nothing is left for later entries, so events and memory agree too. */
const run = (steps: Step[], removalsPerEntryMax: number): void => {
  const exact = removalsPerEntryMax > 100;
  const bounds = { ...registerLimits, sessionsMax: 3, sessionMs: 40, removalsPerEntryMax };
  const twin = new Twin(bounds.sessionsMax, bounds.sessionMs);
  const keyspace = createKeyspaceMap();
  const keyspaceB = createKeyspaceMap();
  let state = createRegister(bounds);
  const stateB = createRegister(bounds);
  const at = { index: 0, term: 1, timeMs: 1_000 };
  for (const step of steps) {
    at.index++;
    at.term += step.termUp ? 1 : 0;
    at.timeMs += step.passMs;
    const command: RegisterCommand = {
      write: step.write(twin),
      ...(step.session === null ? {} : { session: { id: step.session } }),
    };
    const data = encodeCommand(command);
    const expected = twin.apply(at, command);
    const applied = apply(state, { ...at, data }, keyspace.read);
    assert.deepEqual(plain(applied.outcome), expected.outcome);
    if (exact) assert.deepEqual(applied.events, expected.events);
    keyspace.write(applied.writes);
    const appliedB = apply(stateB, { ...at, data: data.slice() }, keyspaceB.read);
    assert.deepEqual(appliedB, applied);
    keyspaceB.write(appliedB.writes);
    if (exact) compareReads(state, keyspace, twin, at.index);
    if (step.restorePage !== null) {
      const again = restored(keyspace, step.restorePage, state);
      assert.deepEqual(dump(again), dump(state));
      state = again;
    }
  }
  assert.deepEqual(keyspace.records(), keyspaceB.records());
  if (exact) for (const prefix of ['', 'a', 'b/', 'zz', 'ü']) compareList(keyspace, twin, prefix, 2);
};

describe('register against its dumb twin', () => {
  it('has the same outcomes, events and reads, byte for byte on two replicas, through restores', () => {
    fc.assert(
      fc.property(histories, (steps) => run(steps, 1_000)),
      { numRuns: 250, seed: 20_26 },
    );
  });

  it('has the same outcomes even if each entry removes next to nothing of what has expired', () => {
    fc.assert(
      fc.property(histories, fc.constantFrom(0, 1, 2), (steps, removals) => run(steps, removals)),
      { numRuns: 400, seed: 20_27 },
    );
  });

  it('asks for another expiry until all that is due is gone', () => {
    const state = createRegister({ ...registerLimits, removalsPerEntryMax: 2 });
    const keyspace = createKeyspaceMap();
    let index = 0;
    const step = (write: RegisterWrite, timeMs: number): void => {
      index++;
      const data = encodeCommand({ write });
      keyspace.write(apply(state, { index, term: 1, timeMs, data }, keyspace.read).writes);
    };
    for (let n = 0; n < 9; n++) step({ op: 'put', key: `k${n}`, value: new Uint8Array(0), ttlMs: 10 }, 100);
    let expires = 0;
    while (nextExpiryMs(state) <= 200) {
      step({ op: 'expire' }, 200);
      expires++;
    }
    assert.equal(expires, 5);
    assert.equal(keyspace.records().length, 0);
  });
});

describe('register under nonsense', () => {
  it('a malformed command changes nothing, and every accepted one has one encoding', () => {
    const sample = encodeCommand({
      write: {
        ...{ op: 'put', key: 'kü', value: Uint8Array.of(1), ttlMs: 300, lease: 'l1' },
        condition: { kind: 'index', index: 300 },
        fence: { lock: 'm', token: { term: 1, index: 2 ** 40 } },
      },
    });
    const mutated = fc
      .array(fc.tuple(fc.nat(sample.byteLength - 1), fc.nat(255)), { maxLength: 3 })
      .map((changes) => changes.reduce((bytes, [at, byte]) => bytes.with(at, byte), sample));
    const begun = fc
      .tuple(fc.nat(entryVersions.newest), fc.uint8Array({ maxLength: 59 }))
      .map(([version, rest]) => Uint8Array.of(version, ...rest));
    fc.assert(
      fc.property(fc.oneof(begun, mutated), (data) => {
        const state = createRegister();
        // What it cannot read is another thing than what is malformed.
        fc.pre(entryVersionOf(data) <= entryVersions.newest);
        const applied = apply(state, { index: 1, term: 1, timeMs: 1, data }, () => undefined);
        const command = decodeCommand(data);
        // Read, and not used by the group yet.
        if (entryVersionOf(data) > entryVersions.oldest) return;
        if (command === null) {
          assert.deepEqual(
            { ...applied, outcome: plain(applied.outcome) },
            {
              ...{ outcome: { ok: false, code: 'INVALID_REQUEST' }, writes: [], events: [], touched: new Set() },
            },
          );
          assert.deepEqual(dump(state), dump(createRegister()));
        } else if (command.session === undefined) {
          assert.deepEqual(encodeCommand({ write: command.write }), new Uint8Array(data));
        }
      }),
      { numRuns: 3_000, seed: 7 },
    );
  });
});
