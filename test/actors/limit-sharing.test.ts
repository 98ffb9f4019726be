// Limits of calls that nodes share: who has spent his share at one node has little left at the others, about a second later.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome, ReplicaApi } from '../../actors/api.ts';
import { createLimitSharing, sharedLimitsPrefix } from '../../actors/limit-sharing.ts';
import { roundsAt } from '../../actors/replica-registrar.ts';
import { callsDefaults, type HostedService } from '../../actors/service-api.ts';
import { bulkheadDefaults } from '../../machines/bulkhead/index.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import { createLimiter, limiterDefaults, take } from '../../machines/limiter/index.ts';
import { createHandClock } from './hand-clock.ts';
import { createHandCluster, type HandNode } from './hand-cluster.ts';
import { createHandScope } from './hand-scope.ts';

const service: HostedService = {
  offer: {
    ...{ kind: 'service', name: 's', version: '1.0.0', resources: {}, capabilities: [], tags: [] },
    methods: { do: { input: null, output: null, idempotent: false } },
  },
  bulkhead: bulkheadDefaults,
  methods: {
    do: {
      ...{ idempotent: false, isStream: false, importance: 'normal', cost: 1 },
      invoke(_input, _context, on) {
        on.end({ ok: true, value: null });
        return { cancel() {}, more() {} };
      },
    },
  },
};

/** A node that is not started yet hosts no service. */
const serve = (node: HandNode): void => assert.equal(node.api.host.add(service), null);

const formed = (sharesLimits = true) => {
  const limits = { ...limiterDefaults, principal: { tokens: 60, periodMs: 3_600_000, burst: 50 } };
  const cluster = createHandCluster({ rounds: roundsAt(100), calls: { ...callsDefaults, limits, sharesLimits } });
  const nodes = cluster.form();
  nodes.forEach(serve);
  cluster.until(() => nodes.every(({ api }) => api.replica.replicas().replicas.length === 3), 20_000);
  return { cluster, nodes };
};

/** Calls of a principal that each node makes to itself: how many go on. */
const calls = ({ api }: HandNode, principal: string, count: number): number => {
  let taken = 0;
  let refused: Failure | null = null;
  for (let n = 0; n < count; n++)
    api.calls.call(
      { service: 's', method: 'do', input: null, principal },
      {
        item() {},
        end(outcome) {
          if (outcome.ok) taken++;
          else refused = outcome.failure;
        },
      },
    );
  if (taken < count) assert.equal((refused as Failure | null)?.code, 'RATE_LIMITED');
  return taken;
};
const toldBy = (at: HandNode, by: HandNode): unknown =>
  (at.api.replica.read('lww-map', sharedLimitsPrefix + by.peer) as Map<string, unknown> | undefined)?.get('spent');

test('a burst is one for all nodes, but for what slips through before they are told', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  assert.equal(calls(n1, 'ada', 60), 50);
  cluster.pass(2_000);
  assert.deepEqual([calls(n2, 'ada', 60), calls(n3, 'ada', 60)], [0, 0]);
  assert.equal(calls(n2, 'bob', 20), 20, 'nobody else pays for it');
  cluster.pass(2_000);
  assert.deepEqual([calls(n1, 'bob', 40), calls(n3, 'cy', 60)], [30, 50]);
  // At once everywhere: all that each has slips through, and is a debt then.
  assert.deepEqual(
    nodes.map((node) => calls(node, 'eve', 60)),
    [50, 50, 50],
  );
  cluster.pass(5_000);
  assert.deepEqual(
    nodes.map((node) => calls(node, 'eve', 1)),
    [0, 0, 0],
    'what comes back goes into the debt',
  );
});

test('without the option each node has its own', () => {
  const { cluster, nodes } = formed(false);
  const [n1, n2] = nodes;
  assert.equal(calls(n1, 'ada', 60), 50);
  cluster.pass(2_000);
  assert.equal(calls(n2, 'ada', 60), 50);
  assert.equal(n1.api.replica.summary().objects, 0);
});

test('told at most twice a second; who spends nothing more is named no more, and nothing is left of it', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  for (let n = 0; n < 40; n++) {
    assert.equal(calls(n1, 'ada', 1), 1);
    cluster.pass(50);
  }
  const told = n1.counts.get('limit_tellings_total told')!;
  assert.ok(told >= 3 && told <= 5, `${told} in 2 s`);
  cluster.until(() => toldBy(n2, n1) !== undefined, 3_000);
  cluster.until(() => nodes.every((node) => toldBy(node, n1) === undefined), 30_000);
  cluster.until(() => nodes.every(({ api }) => api.replica.summary().objects === 0), 60_000);
});

test('a node cut off limits by what it knows, and hears the rest when it is back', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  cluster.network.disconnect(n3.peer, n1.peer);
  cluster.network.disconnect(n3.peer, n2.peer);
  assert.equal(calls(n1, 'ada', 40), 40);
  cluster.pass(3_000);
  assert.equal(calls(n2, 'ada', 60), 10);
  assert.equal(calls(n3, 'ada', 60), 50);
  cluster.connect(n3, n1);
  cluster.connect(n3, n2);
  cluster.pass(5_000);
  assert.deepEqual(
    nodes.map((node) => calls(node, 'ada', 1)),
    [0, 0, 0],
  );
});

test('a node that comes back does not pay for what is long past, and what a dead one told is taken away', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  assert.equal(calls(n3, 'ada', 50), 50);
  cluster.until(() => toldBy(n1, n3) !== undefined && toldBy(n2, n3) !== undefined, 3_000);
  const contents = cluster.kill(n2);
  const again = cluster.start('n2', { contents });
  serve(again);
  cluster.pass(1_000);
  assert.equal(calls(again, 'ada', 50), 50, 'its buckets are as new');
  cluster.kill(n3);
  cluster.until(() => toldBy(n1, n3) === undefined && toldBy(again, n3) === undefined, 120_000);
});

test('what is no telling is counted, and changes nothing', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  const key = sharedLimitsPrefix + n1.peer;
  n2.api.replica.change('lww-map', key, { type: 'put', key: 'spent', value: ['ada'] }, ({ ok }) => assert.ok(ok));
  cluster.until(() => n2.counts.get('limit_tellings_total refused') === 1, 3_000);
  cluster.pass(1_000);
  assert.equal(calls(n2, 'ada', 60), 50);
  assert.equal(n2.api.status().actors.find(({ address }) => address === 'limit-sharing')?.restarts, 0);
});

test('replicated objects that cannot be read, or changed, or followed yet: later', () => {
  const clock = createHandClock();
  const limiter = createLimiter({ options: limiterDefaults, nowMs: clock.nowMs(), isShared: true });
  const given: unknown[] = [];
  const lines: string[] = [];
  let opened = 0;
  let followed = 0;
  let refuses = true;
  const refusal: Outcome<null> = { ok: false, failure: failure('OVERLOADED', 'too much') };
  const replica = {
    opened: (done) => done(++opened === 1 ? refusal : { ok: true, value: null }),
    list: () => [],
    read: () => undefined,
    follow() {
      if (followed++ < 2) throw new Error('too many');
      return () => {};
    },
    change(_type, _key, change, done) {
      if (!refuses) given.push(change);
      done(refuses ? refusal : { ok: true, value: null });
    },
  } as Partial<ReplicaApi> as ReplicaApi;
  const sharing = createLimitSharing(createHandScope(clock), {
    ...{ self: 'p1', epoch: 1, clock, replica, limiter, members: () => ['p1', 'p2'] },
    sink: { log: (_level, code) => void lines.push(code), count: () => {} },
  });
  assert.equal(take(limiter, clock.nowMs(), null, 'ada', 3), null);
  clock.pass(9_999);
  assert.deepEqual([opened, lines], [1, ['LIMITS_NOT_SHARED']]);
  clock.pass(1);
  assert.deepEqual([opened, followed, lines.length], [2, 2, 2], 'said once of whom is not heard');
  sharing.receive({ type: 'members' });
  sharing.receive({ type: 'members' });
  assert.equal(followed, 3);
  clock.pass(1_000);
  assert.deepEqual(given, []);
  refuses = false;
  clock.pass(1_000);
  assert.deepEqual(given, [{ type: 'put', key: 'spent', value: [1, 1, [], [], ['ada', 3], []] }]);
  clock.pass(30_000);
  assert.deepEqual(given.slice(1), [{ type: 'remove', key: 'spent' }]);
  sharing.stop(null);
});
