// Calls between nodes that cannot reach each other, over those that reach both: what is executed, who is told to call, what is undone for
// sure, and what nobody between them may do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CallContext, CallEvents } from '../../actors/service-api.ts';
import { encodeEnvelope, wireVersion } from '../../machines/wire/envelope.ts';
import { createHandCluster, type HandNode } from './hand-cluster.ts';
import {
  answers,
  createHandCatalog,
  createHandServices,
  type HandMethod,
  type HandServices,
  watched,
} from './hand-services.ts';

/** A chain, or a triangle without one side: those named are not connected. */
const gather = (count: number, cuts: readonly (readonly [number, number])[], methods: Record<string, HandMethod>) => {
  const hands = createHandCluster();
  const catalog = createHandCatalog();
  const nodes = Array.from({ length: count }, (_, at) => {
    const name = `n${at + 1}`;
    const offers: Record<string, Record<string, HandMethod>> = at === count - 1 ? { sums: methods } : {};
    const services = createHandServices(`p-${name}`, catalog, offers);
    return { ...hands.start(name, { services }), services };
  });
  hands.until(() => nodes.slice(0, 3).every(({ api }) => api.status().state === 'ready'));
  hands.pass(2_000);
  const at = (number: number) => nodes[number - 1]!;
  const cut = (a: number, b: number): void => hands.network.disconnect(at(a).peer, at(b).peer);
  for (const [a, b] of cuts) cut(a, b);
  hands.pass(50);
  const call = (from: HandNode, method: string, input: unknown = null, more: object = {}) => {
    const end = watched();
    const handle = from.api.calls.call({ service: 'sums', method, input, ...more }, end);
    return Object.assign(end, { handle });
  };
  return { hands, at, cut, call, last: at(count) };
};

const add: HandMethod = answers((input) => (input as number[]).reduce((a, b) => a + b, 0));
const noted = (seen: CallContext[]): HandMethod =>
  answers((_input, context) => {
    seen.push(context);
    return null;
  });

test('a call is carried by who reaches both, and goes straight on again when it can', () => {
  const seen: CallContext[] = [];
  const { hands, at, call } = gather(3, [[1, 3]], { add, note: noted(seen) });
  const first = call(at(1), 'add', [1, 2]);
  hands.pass(20);
  assert.equal(first.value, 3);
  const told = call(at(1), 'note', null, { timeoutMs: 500 });
  const beganMs = hands.clock.nowMs();
  hands.pass(20);
  assert.equal(told.value, null);
  assert.deepEqual([seen[0]?.caller, seen[0]?.callerPeer, seen[0]?.chain], ['n1 over n2', 'relayed:p-n1', ['n3 sums.note']]);
  assert.ok(seen[0]!.deadlineMs < beganMs + 500, 'time is taken off at every hop');
  assert.equal(at(2).counts.get('relay_parcels_total passed'), 4);
  hands.connect(at(1), at(3));
  hands.pass(5);
  call(at(1), 'note');
  hands.pass(20);
  assert.equal(seen[1]?.callerPeer, 'p-n1');
});

test('along a chain everybody passes it on, the answer too', () => {
  const seen: CallContext[] = [];
  const { hands, at, call } = gather(
    4,
    [
      [1, 3],
      [1, 4],
      [2, 4],
    ],
    { note: noted(seen) },
  );
  const told = call(at(1), 'note');
  hands.pass(30);
  assert.equal(told.value, null);
  assert.equal(seen[0]?.caller, 'n1 over n2, n3');
});

const counting = (log: string[]): HandMethod => ({
  isStream: true,
  invoke(_input: unknown, _context: CallContext, on: CallEvents) {
    let next = 0;
    return {
      more(items) {
        log.push(`more ${items}`);
        for (let item = 0; item < items; item++) on.item(next++);
      },
      cancel: () => void log.push('cancelled'),
    };
  },
});

test('streams are asked for, come in order and are cancelled over others', () => {
  const log: string[] = [];
  const { hands, at, call, last } = gather(3, [[1, 3]], { count: counting(log) });
  const stream = call(at(1), 'count');
  // Before it is known which way it goes.
  stream.handle.more(2);
  hands.pass(20);
  stream.handle.more(3);
  hands.pass(20);
  assert.deepEqual(stream.items, [0, 1, 2, 3, 4]);
  // What was begun over others goes on there, though they are connected now.
  hands.connect(at(1), at(3));
  hands.pass(5);
  stream.handle.more(1);
  hands.pass(20);
  assert.equal(stream.items.length, 6);
  stream.handle.cancel();
  hands.pass(20);
  assert.equal(log.at(-1), 'cancelled');
  assert.equal(last.services.running.size, 0);
});

test('a call that is cancelled while its way is looked for is not made', () => {
  const { hands, at, call, last } = gather(3, [[1, 3]], { add });
  const gone = call(at(1), 'add', [1]);
  gone.handle.cancel();
  hands.pass(50);
  assert.equal(gone.code, 'CANCELLED');
  assert.equal(last.services.begun.length, 0);
});

test('what surely did not get there says so; what was lost on its way is not known', () => {
  const never: HandMethod = { invoke: () => undefined };
  const { hands, at, call, cut, last } = gather(3, [[1, 3]], { add, never });
  const pending = call(at(1), 'never', null, { timeoutMs: 5_000 });
  hands.pass(20);
  cut(1, 2);
  hands.pass(20);
  assert.equal(pending.code, 'OUTCOME_UNKNOWN');
  hands.connect(at(1), at(2));
  hands.pass(20);
  const warm = call(at(1), 'add', [1]);
  hands.pass(20);
  assert.equal(warm.value, 1);
  const begun = last.services.begun.length;
  cut(2, 3);
  // Its way is remembered at the first, and gone at the second.
  const late = call(at(1), 'add', [1], { timeoutMs: 300 });
  hands.pass(400);
  assert.ok(late.code === 'UNREACHABLE' || late.code === 'DEADLINE_EXCEEDED', late.code);
  assert.equal(last.services.begun.length, begun);
  assert.ok((at(2).counts.get('relay_refused_total UNREACHABLE') ?? 0) > 0);
});

test('a call that was put straight on, and is in doubt, is not put again over others', () => {
  const kept: CallEvents[] = [];
  const slow: HandMethod = { invoke: (_input, _context, on) => void kept.push(on) as undefined };
  const { hands, at, call, cut, last } = gather(3, [], { slow });
  const pending = call(at(1), 'slow', null, { timeoutMs: 5_000 });
  hands.pass(20);
  cut(1, 3);
  hands.pass(200);
  assert.equal(last.services.begun.length, 1);
  kept[0]!.end({ ok: true, value: 'once' });
  hands.pass(20);
  hands.connect(at(1), at(3));
  hands.pass(20);
  assert.equal(pending.value, 'once');
  assert.equal(last.services.begun.length, 1);
});

const hand = (hands: ReturnType<typeof gather>['hands'], from: HandNode, to: HandNode, body: unknown): void => {
  const envelope = { version: wireVersion, source: 'relay', target: 'relay', type: 'parcel', id: 0, correlation: 0, trace: '' };
  hands.network.port(from.peer).send(to.peer, 'calls', encodeEnvelope({ ...envelope, timeLeftMs: 1_000, body }));
  hands.pass(3);
};

test('nobody answers for another, makes a parcel run in circles, or passes for who he is not', () => {
  const never: HandMethod = { invoke: () => undefined };
  const { hands, at, call } = gather(3, [[1, 3]], { never });
  let number = 0;
  hands.lose((_letter, { target, body }) => {
    if (number === 0 && target === 'relay') number = ((body as unknown[])[4] as number[])[0]!;
    return false;
  });
  const pending = call(at(1), 'never', null, { timeoutMs: 5_000 });
  hands.pass(20);
  assert.ok(number > 0);
  const answer = [number, 0, new Uint8Array([1])];
  // It was not given to the third, which is not even connected; and the second answers only for whom it was given.
  hand(hands, at(2), at(1), ['p-n1', ['p-n9'], ['p-n1'], 'answered', answer]);
  hand(hands, at(2), at(1), ['p-n1', [], ['p-n1'], 'answered', answer]);
  hand(hands, at(2), at(1), ['p-n1', ['p-n2'], ['p-n1'], 'answered', answer]);
  assert.equal(pending.code, 'waits');
  const refused = (node: HandNode, code: string): number => node.counts.get(`relay_refused_total ${code}`) ?? 0;
  hand(hands, at(1), at(2), ['p-n3', ['p-n2'], null, 'cancel', number]);
  assert.equal(refused(at(2), 'LOOP_DETECTED'), 1);
  hand(hands, at(1), at(2), ['p-n9', [], null, 'cancel', number]);
  hand(hands, at(1), at(2), ['p-n3', ['p-n8'], null, 'cancel', number]);
  // With the news for the stranger of above, which the first sent back.
  assert.equal(refused(at(2), 'UNREACHABLE'), 3);
  for (const rubbish of [
    null,
    [],
    ['p-n3'],
    ['p-n3', [], null, 'raft', 1],
    ['p-n3', [], ['p-n1'], 'cancel', 1],
    [{}, [], null, 'cancel', 1],
  ])
    hand(hands, at(1), at(2), rubbish);
  assert.equal(at(2).counts.get('messages_refused_total MESSAGE_MALFORMED'), 6);
  hand(hands, at(2), at(1), ['p-n1', [], ['p-n1'], 'answered', answer]);
  assert.ok((at(1).counts.get('messages_refused_total SPOKE_FOR_ANOTHER') ?? 0) >= 1);
});

test('only the neighbour to whom a call was given brings its answer', () => {
  const never: HandMethod = { invoke: () => undefined };
  const { hands, at, call } = gather(4, [[1, 4]], { never });
  let number = 0;
  let via = '';
  hands.lose((letter, { target, body }) => {
    if (number > 0 || target !== 'relay') return false;
    number = ((body as unknown[])[4] as number[])[0]!;
    via = letter.to;
    return false;
  });
  const pending = call(at(1), 'never', null, { timeoutMs: 5_000 });
  hands.pass(20);
  const [given, other] = via === 'p-n2' ? [at(2), at(3)] : [at(3), at(2)];
  const news = [number, 'p-n4', 'call', 'UNREACHABLE', 'it says'];
  hand(hands, other, at(1), ['p-n1', ['p-n4'], [], 'answered', [number, 0, new Uint8Array([1])]]);
  hand(hands, other, at(1), ['p-n1', [], [], 'undelivered', news]);
  assert.equal(pending.code, 'waits');
  hand(hands, given, at(1), ['p-n1', ['p-n4'], [], 'answered', [number, 0, new Uint8Array([1])]]);
  assert.equal(pending.value, 1);
});

test('two calls that went over different neighbours are each answered over their own', () => {
  const kept: CallEvents[] = [];
  const slow: HandMethod = { invoke: (_input, _context, on) => void kept.push(on) as undefined };
  const { hands, at, call } = gather(4, [[1, 4]], { slow });
  const first = call(at(1), 'slow', null, { timeoutMs: 5_000 });
  hands.pass(20);
  const way = at(1).api.routes.wayTo('p-n4');
  assert.ok(typeof way === 'object');
  at(1).api.routes.broken('p-n4', way.via);
  const second = call(at(1), 'slow', null, { timeoutMs: 5_000 });
  hands.pass(20);
  assert.deepEqual(
    [at(2), at(3)].map(({ counts }) => counts.get('relay_parcels_total passed')),
    [1, 1],
  );
  for (const on of kept) on.end({ ok: true, value: 'done' });
  hands.pass(20);
  assert.deepEqual([first.value, second.value], ['done', 'done']);
  const third = call(at(1), 'slow', null, { timeoutMs: 500 });
  hands.pass(600);
  assert.equal(third.code, 'OUTCOME_UNKNOWN');
});

test('who hands over too much is told so, and nothing of it is executed', () => {
  const { hands, at, last } = gather(3, [[1, 3]], { add });
  const input = new Uint8Array(1 << 20);
  for (let many = 1; many <= 20; many++) hand(hands, at(1), at(2), ['p-n3', [], null, 'call', [many, input]]);
  assert.ok((at(2).counts.get('relay_refused_total OVERLOADED') ?? 0) > 0);
  assert.equal(last.services.begun.length, 0);
});

test('whoever is reached straight on is called first, and others only if nobody else is there', () => {
  const hands = createHandCluster();
  const catalog = createHandCatalog();
  const [n1, n2, n3] = ['n1', 'n2', 'n3'].map((name) => {
    const services = createHandServices(`p-${name}`, catalog, name === 'n1' ? {} : { sums: { add } });
    return { ...hands.start(name, { services }), services };
  }) as [HandNode, HandNode & { services: HandServices }, HandNode & { services: HandServices }];
  hands.until(() => [n1, n2, n3].every(({ api }) => api.status().state === 'ready'));
  hands.pass(2_000);
  hands.network.disconnect(n1.peer, n3.peer);
  hands.pass(20);
  const sum = (more: object = {}): unknown => {
    const end = watched();
    n1.api.calls.call({ service: 'sums', method: 'add', input: [1], strategy: 'round-robin', ...more }, end);
    hands.pass(20);
    return end.value;
  };
  for (let calls = 0; calls < 6; calls++) assert.equal(sum(), 1);
  assert.deepEqual([n2.services.begun.length, n3.services.begun.length], [6, 0]);
  assert.equal(sum({ node: 'n3' }), 1, 'who is named is called');
  catalog.withdraw('p-n2');
  assert.equal(sum(), 1);
  assert.equal(n3.services.begun.length, 2);
});
