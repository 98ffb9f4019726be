// The host of services: limits first, then the bulkhead, then the handler; every refusal at once, by name, and with what can be done.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CallEvents, HostedMethod, HostedService } from '../../actors/service-api.ts';
import { serviceHostLimits } from '../../actors/services.ts';
import { type BulkheadOptions, bulkheadDefaults } from '../../machines/bulkhead/index.ts';
import { alone } from '../src/service/alone.ts';

/** Calls that end when the test says so. */
const holding = () => {
  const held: CallEvents[] = [];
  const told: string[] = [];
  const method: HostedMethod = {
    ...{ idempotent: false, isStream: false, importance: 'normal', cost: 1 },
    invoke(_input, _context, on) {
      held.push(on);
      return { cancel: () => void told.push('cancel'), more: (items) => void told.push(`more ${items}`) };
    },
  };
  const end = (at = 0): void => held.splice(at, 1)[0]!.end({ ok: true, value: null });
  return { held, told, method, end };
};

const serviceOf = (method: HostedMethod, options: Partial<BulkheadOptions> = {}, version = '1.0.0'): HostedService => ({
  offer: {
    ...{ kind: 'service', name: 's', version, resources: {}, capabilities: [], tags: [] },
    methods: { do: { input: null, output: null, idempotent: false } },
  },
  ...{ methods: { do: method }, bulkhead: { ...bulkheadDefaults, ...options } },
});
const few = (critical: number, background = critical) => ({ runningMax: { critical, normal: critical, background } });
const asked = { service: 's', method: 'do' };

test('a node that calls too much is refused with the option by name; what the node asks of itself is not', () => {
  const node = alone();
  const { method, held, end } = holding();
  node.host.add(serviceOf(method));
  for (let n = 0; n < 50; n++) {
    node.execute(asked);
    end();
  }
  const refused = node.execute(asked);
  assert.deepEqual(refused.ends, ['RATE_LIMITED']);
  assert.deepEqual(refused.failure?.details, {
    ...{ service: 's', method: 'do', node: 'n1', by: 'node', limit: 'calls.limits.node', retryAfterMs: 360 },
  });
  assert.match(
    refused.failure?.message ?? '',
    /node n2 may make 10000 calls an hour, 50 at once \(calls\.limits\.node of n1\)/,
  );
  node.execute({ ...asked, callerPeer: 'p1', caller: 'n1' });
  node.execute({ ...asked, callerPeer: 'p3', caller: 'n3' });
  assert.equal(held.length, 2);
  assert.deepEqual([...node.host.counts()[0]!.refused], [['node', 1]]);
});

test('a principal has his limit through every node, this one too', () => {
  const node = alone({
    limits: { node: null, principal: { tokens: 1, periodMs: 1_000, burst: 2 }, nodesMax: 1, principalsMax: 2 },
  });
  const { method } = holding();
  node.host.add(serviceOf(method));
  assert.deepEqual(node.execute({ ...asked, principal: 'ada' }).ends, []);
  assert.deepEqual(node.execute({ ...asked, principal: 'ada', callerPeer: 'p1' }).ends, []);
  assert.equal(node.execute({ ...asked, principal: 'ada', callerPeer: 'p1' }).failure?.details?.retryAfterMs, 1_000);
  assert.deepEqual(node.execute({ ...asked, principal: 'bob' }).ends, []);
  const dear = alone({
    limits: { node: { tokens: 1, periodMs: 1, burst: 5 }, principal: null, nodesMax: 1, principalsMax: 1 },
  });
  dear.host.add(serviceOf({ ...method, cost: 6 }));
  const never = dear.execute(asked).failure;
  assert.deepEqual([never?.details?.retryAfterMs, /costs 6, which is never there/.test(never?.message ?? '')], [null, true]);
});

test('too many at once: a few wait, the rest is refused; the important ones go first', () => {
  const node = alone();
  const { method, held, end } = holding();
  node.host.add(serviceOf({ ...method, importance: 'critical' }, { ...few(1), queueMax: 2 }));
  const calls = (['normal', 'background', 'critical', null] as const).map((importance) =>
    node.execute({ ...asked, importance }),
  );
  assert.deepEqual(
    calls.map(({ ends }) => ends),
    [[], ['OVERLOADED'], [], []],
  );
  const { why, retryAfterMs } = calls[1]!.failure!.details!;
  assert.deepEqual([why, typeof retryAfterMs], ['displaced', 'number']);
  end();
  assert.equal(held.length, 1);
  assert.deepEqual([calls[0]?.ends, calls[2]?.ends], [['ok'], []]);
});

test('who waits too long, or comes too late, hears so', () => {
  const node = alone();
  const { method } = holding();
  node.host.add(serviceOf(method, { ...few(1), queueMsMax: 100 }));
  node.execute(asked);
  const [patient, hasty] = [node.execute(asked), node.execute({ ...asked, deadlineMs: node.clock.nowMs() + 50 })];
  assert.deepEqual(node.execute({ ...asked, deadlineMs: node.clock.nowMs() }).ends, ['DEADLINE_EXCEEDED']);
  node.clock.pass(150);
  assert.deepEqual([patient.failure?.details?.why, hasty.ends], ['waited-too-long', ['DEADLINE_EXCEEDED']]);
  assert.equal(node.host.view()[0]?.bulkhead.running, 1);
});

test('who calls for nobody waits as his node, and a node that floods drowns itself', () => {
  const node = alone();
  const { method } = holding();
  node.host.add(serviceOf(method, { ...few(1), queueMax: 2 }));
  const flood = [1, 2, 3].map(() => node.execute(asked));
  const one = node.execute({ ...asked, callerPeer: 'p3', caller: 'n3' });
  assert.deepEqual([flood.map(({ ends }) => ends), one.ends], [[[], [], ['OVERLOADED']], []]);
});

test('a call that is left in the moment of its turn gives its place back', () => {
  const node = alone();
  const { method, held, end } = holding();
  node.host.add(serviceOf(method, few(1)));
  const local = { callerPeer: 'p1', caller: 'n1' };
  node.execute({ ...asked, ...local });
  let next: { handle: { cancel(): void } } | null = null;
  const late = { item() {}, end: () => next?.handle.cancel() };
  node.host.execute(
    {
      ...{ ...asked, ...local, version: null, input: null, principal: null, importance: null },
      ...{ deadlineMs: node.clock.nowMs() + 5, requestId: 'r', chain: [], trace: '' },
    },
    late,
  );
  const left = node.execute({ ...asked, ...local });
  next = left;
  // Its alarm rings at 10 ms: the end comes first, and finds out.
  node.clock.pass(7);
  end();
  assert.deepEqual([left.ends, held.length], [['CANCELLED'], 0]);
  assert.equal(node.host.view()[0]?.bulkhead.running, 0);
});

test('what is asked of a call before its turn is told when it comes; it is told once that nobody waits', () => {
  const node = alone();
  const { method, told, end } = holding();
  let speaks = false;
  node.host.add(
    serviceOf(
      {
        ...method,
        isStream: true,
        invoke(input, context, on) {
          if (speaks) on.item('first');
          return method.invoke(input, context, on);
        },
      },
      few(1),
    ),
  );
  node.execute(asked);
  const waits = node.execute(asked);
  waits.handle.more(2);
  waits.handle.more(1);
  end();
  assert.deepEqual(told, ['more 3']);
  waits.handle.more(4);
  const third = node.execute(asked);
  speaks = true;
  // Whoever gets an item while the handler has not come back yet may leave.
  third.items.push = () => {
    third.handle.cancel();
    return 1;
  };
  end();
  third.handle.cancel();
  third.handle.more(5);
  assert.deepEqual([told, third.ends], [['more 3', 'more 4', 'cancel'], ['CANCELLED']]);
});

test('a newer version is found at once', () => {
  const node = alone();
  const { method } = holding();
  const versions: string[] = [];
  const noting = (version: string): HostedService =>
    serviceOf(
      {
        ...method,
        invoke(input, context, on) {
          versions.push(context.version);
          return method.invoke(input, context, on);
        },
      },
      {},
      version,
    );
  node.host.add(noting('1.0.0'));
  node.execute(asked);
  node.host.add(noting('1.1.0'));
  node.execute(asked);
  assert.deepEqual(versions, ['1.0.0', '1.1.0']);
});

test('a line of short calls is no tower of them', () => {
  const node = alone();
  const { method, held, end } = holding();
  let isHeld = true;
  const invoke: HostedMethod['invoke'] = (input, context, on) => {
    if (isHeld) return method.invoke(input, context, on);
    on.end({ ok: true, value: null });
    return { cancel() {}, more() {} };
  };
  node.host.add(serviceOf({ ...method, invoke }, { ...few(1), queueMax: 4_096, queueMsMax: 600_000 }));
  const deadlineMs = node.clock.nowMs() + 600_000;
  const limits = { callerPeer: 'p1', deadlineMs };
  const all = Array.from({ length: 4_000 }, () => node.execute({ ...asked, ...limits }));
  isHeld = false;
  assert.equal(held.length, 1);
  end();
  assert.ok(all.every(({ ends }) => ends.length === 1 && ends[0] === 'ok'));
});

test('a service that is taken back: who waits is sent elsewhere, what runs ends, and it may be offered anew', () => {
  const node = alone();
  const { method, end } = holding();
  const service = serviceOf(method, few(1));
  node.host.add(service);
  const [runs, waits] = [node.execute(asked), node.execute(asked)];
  node.host.remove({ kind: 'service', name: 's', version: '1.0.0' });
  assert.deepEqual([runs.ends, waits.ends, node.execute(asked).ends], [[], ['SERVICE_NOT_FOUND'], ['SERVICE_NOT_FOUND']]);
  assert.equal(node.host.add(service), null);
  assert.deepEqual(node.execute(asked).ends, []);
  end();
  assert.deepEqual(runs.ends, ['ok']);
});

test('a stop refuses what comes and what waits, and is over when what runs has ended', () => {
  const node = alone();
  const { method, end } = holding();
  node.host.add(serviceOf(method, few(1)));
  const [runs, waits] = [node.execute(asked), node.execute(asked)];
  const dones: string[] = [];
  node.host.stop(() => dones.push('one'));
  node.host.stop(() => dones.push('other'));
  assert.deepEqual([waits.ends, node.execute(asked).ends, dones], [['STOPPING'], ['STOPPING'], []]);
  assert.equal(node.host.add(serviceOf(method, {}, '2.0.0'))?.code, 'STOPPING');
  end();
  assert.deepEqual([runs.ends, dones], [['ok'], ['one', 'other']]);
  node.clock.pass(60_000);
  node.host.stop(() => dones.push('late'));
  assert.deepEqual(dones, ['one', 'other', 'late']);
  const idle = alone();
  idle.host.stop(() => dones.push('idle'));
  assert.equal(dones.at(-1), 'idle');
});

test('a stop does not wait for ever: nobody knows what became of what still runs, and it is told to end', () => {
  const node = alone({ graceMs: 1_000 });
  const { method, told, end } = holding();
  node.host.add(serviceOf(method));
  node.execute(asked);
  end();
  const runs = node.execute(asked);
  let isDone = false;
  node.host.stop(() => {
    isDone = true;
  });
  node.clock.pass(999);
  assert.deepEqual([isDone, runs.ends], [false, []]);
  node.clock.pass(1);
  assert.deepEqual([isDone, runs.ends, told], [true, ['OUTCOME_UNKNOWN'], ['cancel']]);
  // Nothing is remembered of the one that had ended.
  assert.match(node.lines[0]?.message ?? '', /^1 calls had not ended after 1000 ms/);
  end();
  assert.deepEqual(runs.ends, ['OUTCOME_UNKNOWN']);
});

test('calls within calls end somewhere', () => {
  const node = alone();
  node.host.add(serviceOf(holding().method));
  const chain = Array.from({ length: serviceHostLimits.chainMax }, () => 'n1 s.do');
  assert.deepEqual(node.execute({ ...asked, chain }).ends, ['LOOP_DETECTED']);
  assert.deepEqual(node.execute({ ...asked, chain: chain.slice(1) }).ends, []);
});

test('a handler that throws has failed; its place is free', () => {
  const node = alone();
  const method: HostedMethod = {
    ...holding().method,
    invoke: () => {
      throw new Error('secret');
    },
  };
  node.host.add(serviceOf(method));
  const failed = node.execute(asked);
  assert.deepEqual([failed.ends, failed.failure?.message], [['SERVICE_FAILED'], 's.do failed at n1']);
  assert.deepEqual([node.lines[0]?.code, node.host.view()[0]?.bulkhead.running], ['SERVICE_THREW', 0]);
});

test('what is no service is not added', () => {
  const { host } = alone();
  const { method } = holding();
  const service = serviceOf(method);
  const whys = [
    { ...service, offer: { ...service.offer, name: ' ' } },
    { ...service, offer: { ...service.offer, kind: 'topic' as const } },
    { ...service, methods: {} },
    { ...service, methods: { other: method } },
    { ...service, offer: { ...service.offer, methods: {} } },
  ].map((wrong) => host.add(wrong)?.code);
  assert.deepEqual(whys, Array(5).fill('INVALID_REQUEST'));
  for (let n = 0; n < serviceHostLimits.servicesMax; n++) assert.equal(host.add(serviceOf(method, {}, `${n}.0.0`)), null);
  assert.match(host.add(serviceOf(method, {}, '999.0.0'))?.message ?? '', /256 services already/);
});

type Act = { do: 'call' | 'end' | 'cancel' | 'pass'; at: number };

test('whatever callers and handlers do: each call ends once, and nothing is left', () => {
  const act: fc.Arbitrary<Act> = fc.record({ do: fc.constantFrom('call', 'call', 'end', 'cancel', 'pass'), at: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 80 }), fc.boolean(), (acts, stops) => {
      const node = alone({ graceMs: 50 });
      const { method, held, end } = holding();
      node.host.add(serviceOf(method, { ...few(2, 1), queueMax: 3, queueMsMax: 60 }));
      const calls: ReturnType<typeof node.execute>[] = [];
      for (const { do: what, at } of acts)
        if (what === 'call') calls.push(node.execute({ ...asked, callerPeer: 'p1', deadlineMs: node.clock.nowMs() + 5 * at }));
        else if (what === 'end' && held.length > 0) end(at % held.length);
        else if (what === 'cancel') calls[at % Math.max(1, calls.length)]?.handle.cancel();
        else if (what === 'pass') node.clock.pass(at);
      let isDone = !stops;
      if (stops) node.host.stop(() => (isDone = true));
      node.clock.pass(100);
      while (held.length > 0) end();
      assert.ok(isDone);
      for (const { ends } of calls) assert.equal(ends.length, 1);
      const { running, waiting } = node.host.view()[0]!.bulkhead;
      assert.deepEqual([running, Object.values(waiting)], [0, [0, 0, 0]]);
    }),
    { numRuns: 200 },
  );
});
