// What seeds of the simulator found of calls, small: what a call says when one of two nodes says no, and a call that comes twice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure } from '../../machines/errors.ts';
import { createHandCluster, envelopeOf } from './hand-cluster.ts';
import { answers, createHandCatalog, createHandServices, type HandMethod, watched } from './hand-services.ts';

const cluster = (offers: Record<string, Record<string, HandMethod>>) => {
  const hands = createHandCluster();
  const catalog = createHandCatalog();
  const nodes = ['n1', 'n2', 'n3'].map((name) => {
    const own = offers[name];
    const services = createHandServices(`p-${name}`, catalog, own === undefined ? {} : { s: own });
    return { ...hands.start(name, { services }), services };
  });
  hands.until(() => nodes.every(({ api }) => api.status().state === 'ready'));
  return { hands, n1: nodes[0]!, n2: nodes[1]!, n3: nodes[2]! };
};

test('one of two that were asked refuses, and nobody knows of the other: it may have happened', () => {
  const never: HandMethod = { idempotent: true, invoke: () => undefined };
  const refuses: HandMethod = {
    idempotent: true,
    invoke(_input, _context, on) {
      on.end({ ok: false, failure: failure('SERVICE_REFUSED', 'not today') });
      return undefined;
    },
  };
  const { hands, n1, n2 } = cluster({ n2: { put: never }, n3: { put: refuses } });
  let doubts = 0;
  for (let n = 0; n < 8; n++) {
    const end = watched();
    const before = n2.services.begun.length;
    const call = {
      service: 's',
      method: 'put',
      input: null,
      hedgeAfterMs: 20,
      timeoutMs: 1_000,
      strategy: 'round-robin',
    } as const;
    n1.api.calls.call(call, end);
    hands.pass(60);
    const isInDoubt = n2.services.begun.length > before;
    if (isInDoubt) doubts++;
    assert.deepEqual(
      [end.code, end.details.last],
      isInDoubt ? ['OUTCOME_UNKNOWN', 'SERVICE_REFUSED'] : ['SERVICE_REFUSED', undefined],
    );
  }
  assert.ok(doubts > 0);
});

test('the same call twice on one connection is executed and answered once, and nobody is blamed', () => {
  const { hands, n1, n2 } = cluster({ n2: { add: answers(() => 1) } });
  const end = watched();
  n1.api.calls.call({ service: 's', method: 'add', input: null }, end);
  hands.clock.settle();
  const at = hands.network.letters.findIndex((letter) => envelopeOf(letter).type === 'call');
  hands.network.repeat(at);
  hands.pass(20);
  const slow = watched();
  assert.equal(end.value, 1);
  assert.equal(n2.services.begun.length, 1);
  n1.api.calls.call({ service: 's', method: 'add', input: null }, slow);
  hands.pass(20);
  assert.equal(slow.value, 1);
  assert.deepEqual(
    n2.lines.filter(({ level }) => level === 'warn' || level === 'error').map(({ code }) => code),
    [],
  );
});

test('neither is it while the first is being worked on', () => {
  const waiting: ((value: number) => void)[] = [];
  const add: HandMethod = {
    invoke(_input, _context, on) {
      waiting.push((value) => on.end({ ok: true, value }));
      return undefined;
    },
  };
  const { hands, n1, n2 } = cluster({ n2: { add } });
  const end = watched();
  n1.api.calls.call({ service: 's', method: 'add', input: null }, end);
  hands.clock.settle();
  hands.network.repeat(hands.network.letters.findIndex((letter) => envelopeOf(letter).type === 'call'));
  hands.pass(20);
  assert.deepEqual([waiting.length, end.code], [1, 'waits']);
  waiting[0]!(7);
  hands.pass(20);
  assert.equal(end.value, 7);
  assert.deepEqual(
    n2.lines.filter(({ code }) => code === 'MESSAGE_MALFORMED'),
    [],
  );
});

test('who was refused before anything was done is not refused for that when he asks again under the same id', () => {
  const { hands, n1, n2 } = cluster({ n2: { add: answers(() => 1) } });
  const ask = () => {
    const end = watched();
    n1.api.calls.call({ service: 's', method: 'add', input: null, requestId: 'mine', timeoutMs: 300 }, end);
    hands.pass(400);
    return end;
  };
  n2.services.refusing = failure('RATE_LIMITED', 'not so fast', { retryAfterMs: 10 });
  assert.equal(ask().code, 'RATE_LIMITED');
  n2.services.refusing = null;
  assert.equal(ask().value, 1);
  assert.equal(ask().value, 1);
  assert.equal(n2.services.begun.length, 1, 'what was done is not done again');
});

test('a call that comes twice, refused at first, is not executed for the second and once more when it is tried again', () => {
  const { hands, n1, n2 } = cluster({ n2: { add: answers(() => 1) } });
  const end = watched();
  n1.api.calls.call({ service: 's', method: 'add', input: null, timeoutMs: 2_000 }, end);
  hands.clock.settle();
  n2.services.refusing = failure('OVERLOADED', 'not now');
  hands.network.repeat(hands.network.letters.findIndex((letter) => envelopeOf(letter).type === 'call'));
  n2.services.refusing = null;
  hands.pass(1_000);
  assert.equal(end.value, 1);
  assert.equal(n2.services.begun.length, 1);
});
