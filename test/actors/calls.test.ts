// Calls between whole nodes: executed where they belong, ended once and in time, and each failure says whether it happened.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure } from '../../machines/errors.ts';
import { createHandCluster } from './hand-cluster.ts';
import {
  answers,
  createHandCatalog,
  createHandServices,
  type HandMethod,
  type HandServices,
  watched,
} from './hand-services.ts';

type Offers = Record<string, Record<string, Record<string, HandMethod>>>;

const cluster = (offers: Offers, settings: Parameters<typeof createHandCluster>[0] = {}) => {
  const hands = createHandCluster(settings);
  const catalog = createHandCatalog();
  const services = new Map<string, HandServices>();
  const start = (name: string, more: object = {}) => {
    const own = createHandServices(`p-${name}`, catalog, offers[name] ?? {});
    services.set(name, own);
    return hands.start(name, { services: own, ...more });
  };
  const nodes = ['n1', 'n2', 'n3'].map((name) => start(name));
  hands.until(() => nodes.every(({ api }) => api.status().state === 'ready'));
  const [n1, n2, n3] = nodes as [(typeof nodes)[0], (typeof nodes)[0], (typeof nodes)[0]];
  const call = (node: typeof n1, service: string, method: string, input: unknown = null, more: object = {}) => {
    const end = watched();
    const handle = node.api.calls.call({ service, method, input, ...more }, end);
    return Object.assign(end, { handle });
  };
  return { hands, catalog, services, start, n1, n2, n3, call };
};

const add: HandMethod = answers((input) => (input as number[]).reduce((a, b) => a + b, 0), true);
const never: HandMethod = { invoke: () => undefined };

test('a call is executed here if this node offers it, and else at one that does', () => {
  const { hands, n1, n2, n3, call, services } = cluster({ n1: { sums: { add } }, n2: { sums: { add } } });
  assert.equal(call(n1, 'sums', 'add', [1, 2]).value, 3, 'at once');
  const remote = call(n3, 'sums', 'add', [1, 2, 3]);
  assert.equal(remote.code, 'waits');
  hands.pass(5);
  assert.equal(remote.value, 6);
  const named = call(n1, 'sums', 'add', [4], { node: 'n2' });
  hands.pass(5);
  assert.equal(named.value, 4);
  assert.equal(services.get('n2')!.begun.length + services.get('n1')!.begun.length, 3);
  assert.equal(call(n2, 'sums', 'add', [1], { node: 'n3' }).code, 'SERVICE_NOT_FOUND');
});

test('who executes is told who calls, for whom, until when and through which calls', () => {
  const seen: unknown[] = [];
  const note: HandMethod = answers((_input, { caller, callerPeer, principal, deadlineMs, chain, trace, requestId }) => {
    seen.push({ caller, callerPeer, principal, deadlineMs, chain, trace, requestId });
    return null;
  });
  const { hands, n1, call } = cluster({ n2: { notes: { note } } });
  const nowMs = hands.clock.nowMs();
  const within = {
    ...{ service: 'a', version: '1.0.0', method: 'b', caller: 'n9', callerPeer: 'p-n9', principal: 'ann', requestId: 'x' },
    ...{ deadlineMs: nowMs + 400, chain: ['n1 a.b'], trace: '00-trace' },
  };
  call(n1, 'notes', 'note', null, { within, requestId: 'mine' });
  hands.pass(5);
  const [{ deadlineMs, ...facts }] = seen as [{ deadlineMs: number }];
  assert.deepEqual(facts, {
    ...{ caller: 'n1', callerPeer: 'p-n1', principal: 'ann', chain: ['n1 a.b', 'n2 notes.note'], trace: '00-trace' },
    requestId: 'mine',
  });
  assert.ok(deadlineMs <= nowMs + 400 + 5, 'not longer than the call within which it is made');
  const late = call(n1, 'notes', 'note', null, { within: { ...within, deadlineMs: hands.clock.nowMs() } });
  assert.equal(late.code, 'DEADLINE_EXCEEDED');
  const deep = call(n1, 'notes', 'note', null, { within: { ...within, deadlineMs: 1e9, chain: new Array(32).fill('n1 a.b') } });
  assert.equal(deep.code, 'LOOP_DETECTED');
});

test('a call that nobody answers ends at its deadline, as one of which nobody knows, with its chain', () => {
  const { hands, n1, call, services } = cluster({ n2: { slow: { never } } });
  const end = call(n1, 'slow', 'never', null, { timeoutMs: 500 });
  hands.pass(490);
  assert.equal(end.code, 'waits');
  hands.pass(70);
  assert.equal(end.code, 'OUTCOME_UNKNOWN');
  assert.equal(end.details.chain, 'n2 slow.never');
  assert.equal(end.details.node, 'n2');
  assert.equal(end.details.attempts, 1);
  hands.pass(100);
  assert.equal(services.get('n2')!.running.size, 0, 'the handler was told');
});

test('what makes no sense is refused with words, and what no message carries with its path', () => {
  const { n1, call } = cluster({ n2: { sums: { add } } });
  for (const [more, word] of [
    [{ timeoutMs: 0 }, /timeoutMs/],
    [{ timeoutMs: 60_001 }, /timeoutMs/],
    [{ strategy: 'best' }, /strategy/],
    [{ requestId: '' }, /requestId/],
    [{ version: 'newest' }, /range/],
    [{ strategy: 'sticky' }, /key/],
  ] as const) {
    const end = call(n1, 'sums', 'add', [1], more);
    assert.equal(end.code, 'INVALID_REQUEST', JSON.stringify(more));
    assert.match((end.ends[0] as { failure: { message: string } }).failure.message, word);
  }
  const unfit = call(n1, 'sums', 'add', { a: [1, { b: new Map() }] });
  assert.equal(unfit.code, 'INVALID_REQUEST');
  assert.equal(unfit.details.path, '.a[1].b');
  assert.equal(call(n1, 'sums', 'add', 'x'.repeat(1_048_577)).code, 'TOO_LARGE');
  assert.equal(call(n1, 'sums', 'sub').code, 'METHOD_NOT_FOUND');
  assert.equal(call(n1, 'nobody', 'offers').code, 'SERVICE_NOT_FOUND');
});

test('a dead node costs nobody more than the calls that it had', () => {
  const { hands, n1, n2, call, services } = cluster({ n2: { sums: { add, never } }, n3: { sums: { add, never } } });
  const under = [1, 2, 3, 4].map(() => call(n1, 'sums', 'never', null, { strategy: 'round-robin', timeoutMs: 20_000 }));
  hands.pass(5);
  const there = services.get('n2')!.running.size;
  assert.equal(there, 2);
  hands.kill(n2);
  const next = [1, 2, 3, 4].map(() => call(n1, 'sums', 'add', [1], { strategy: 'round-robin' }));
  hands.pass(20);
  assert.deepEqual(
    next.map(({ code }) => code),
    ['ok', 'ok', 'ok', 'ok'],
  );
  hands.pass(6_000);
  const codes = under.map(({ code }) => code).sort();
  assert.deepEqual(codes, ['OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN', 'waits', 'waits']);
});

test('a refusal that nothing was executed for goes to another node, and ends as what it is if all refuse', () => {
  const { hands, n1, call, services } = cluster({ n2: { sums: { add } }, n3: { sums: { add } } });
  services.get('n2')!.refusing = failure('OVERLOADED', 'no room');
  const calls = [1, 2, 3, 4].map(() => call(n1, 'sums', 'add', [1]));
  hands.pass(2_000);
  assert.deepEqual(
    calls.map(({ code }) => code),
    ['ok', 'ok', 'ok', 'ok'],
  );
  for (const name of ['n2', 'n3']) services.get(name)!.refusing = failure('OVERLOADED', 'no room', { retryAfterMs: 100 });
  const none = call(n1, 'sums', 'add', [1]);
  hands.pass(2_000);
  assert.equal(none.code, 'OVERLOADED');
  assert.equal(none.details.retryAfterMs, 100);
  services.get('n3')!.refusing = failure('STOPPING', 'n3 stops');
  services.get('n2')!.refusing = null;
  const moved = call(n1, 'sums', 'add', [1]);
  hands.pass(100);
  assert.equal(moved.code, 'ok');
});

test('what a service refuses or breaks is told as it is, and not tried again', () => {
  const refuses: HandMethod = {
    invoke(_input, _context, on) {
      on.end({ ok: false, failure: failure('SERVICE_REFUSED', 'too small', { reason: 'SMALL' }) });
      return undefined;
    },
  };
  const { hands, n1, call, services } = cluster({ n2: { images: { refuses } } });
  const end = call(n1, 'images', 'refuses');
  hands.pass(5);
  assert.equal(end.code, 'SERVICE_REFUSED');
  assert.deepEqual(end.details, {
    ...{ address: 'images.refuses', node: 'n2', state: 'alive', breaker: 'closed', chain: 'n2 images.refuses', attempts: 1 },
    reason: 'SMALL',
  });
  assert.equal(services.get('n2')!.begun.length, 1);
});
