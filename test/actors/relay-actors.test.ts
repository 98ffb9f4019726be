// Actors at nodes that cannot be reached straight on, over those that reach both: every promise of the door holds over others, too, and
// nobody between may break it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EventObject, fromTransition } from 'xstate';
import { type ActorDefinition, type ActorEnd, restartDefault } from '../../actors/actor-api.ts';
import { currentExecution } from '../../actors/actor-execution.ts';
import type { Outcome } from '../../actors/api.ts';
import type { ActorAddress } from '../../machines/entity/address.ts';
import { encodeEnvelope, wireVersion } from '../../machines/wire/envelope.ts';
import { createHandCluster, type HandNode } from './hand-cluster.ts';

type Told = { at: string; source: string | undefined };

/** All connected but for `cuts`; each hosts `tally` at its node and `ledger` in the cluster. */
const gather = (count: number, cuts: readonly (readonly [number, number])[]) => {
  const hands = createHandCluster({
    groups: ['kv'],
    balance: { isOn: false, everyMs: 50, graceMs: 300, settleMs: 200, pauseMs: 100, restMs: 1_000 },
  });
  const effects: string[] = [];
  const told: Told[] = [];
  const definition = (changes: Partial<ActorDefinition>): ActorDefinition => ({
    ...{ name: 'tally', version: 1, durability: 'none', placement: 'node', input: () => undefined, restart: restartDefault },
    logic: fromTransition((state: number, event: EventObject) => {
      const { address } = currentExecution() ?? {};
      effects.push(`${address?.type} ${event.type}`);
      return event.type === 'hush' ? state : state + 1;
    }, 0),
    replies: {
      add: ({ snapshot }) => (snapshot as unknown as { context: number }).context,
      never: () => undefined,
    },
    ...{ mailboxMax: 1_000, passivateAfterMs: null, remember: false, timers: 'deadline', resume: {}, migrate: {}, redact: [] },
    ...changes,
  });
  const nodes = Array.from({ length: count }, (_, n) => hands.start(`n${n + 1}`));
  hands.until(() => nodes.slice(0, 3).every(({ api }) => api.status().state === 'ready'));
  for (const { api } of nodes) {
    assert.equal(api.actors.host(definition({})), null);
    assert.equal(api.actors.host(definition({ name: 'ledger', durability: 'replicated', placement: 'sharded' })), null);
  }
  hands.pass(2_000);
  const at = (number: number): HandNode => nodes[number - 1]!;
  const cut = (a: number, b: number): void => hands.network.disconnect(at(a).peer, at(b).peer);
  for (const [a, b] of cuts) cut(a, b);
  hands.pass(50);
  const ask = (from: HandNode, address: ActorAddress, type = 'add', more: object = {}): string[] => {
    const outcomes: string[] = [];
    const note = (outcome: Outcome<unknown>): void =>
      void outcomes.push(outcome.ok ? `ok ${outcome.value}` : outcome.failure.code);
    from.api.actors.ask(address, { type }, more, note);
    return outcomes;
  };
  const letters = (node: HandNode): string[] => node.api.actors.deadLetters().recent.map(({ reason }) => reason);
  return { hands, at, cut, ask, effects, told, letters, nodes };
};

const tallyAt = (node: string): ActorAddress => ({ type: 'tally', key: 'a', node });
const ledger: ActorAddress = { type: 'ledger', key: 'a', node: null };

test('send, deliver, ask, stop, subscribe and watch work over a third member', () => {
  const { hands, at, ask, effects } = gather(3, [[1, 3]]);
  const { actors } = at(1).api;
  const there = tallyAt('n3');
  const first = ask(at(1), there);
  hands.pass(50);
  assert.deepEqual(first, ['ok 1']);
  const shown: unknown[] = [];
  const ends: ActorEnd[] = [];
  actors.subscribe(
    there,
    'context',
    (value) => shown.push(value),
    (end) => ends.push(end),
  );
  actors.watch(there, (end) => ends.push(end));
  hands.pass(50);
  actors.send(there, { type: 'add' });
  const delivered: unknown[] = [];
  actors.deliver(there, { type: 'add' }, {}, (outcome) => delivered.push(outcome.ok));
  hands.pass(50);
  assert.deepEqual([delivered, shown, effects.length], [[true], [1, 2, 3], 3]);
  actors.stop(there, {}, (outcome) => delivered.push(outcome.ok));
  hands.pass(50);
  assert.deepEqual(delivered, [true, true]);
  assert.deepEqual(
    ends.map(({ reason }) => reason),
    ['stopped', 'stopped'],
  );
  assert.ok((at(2).counts.get('relay_parcels_total passed') ?? 0) > 8, 'it went over the second');
});

test('events that are sent over others arrive in their order, also while their way is looked for', () => {
  const { hands, at, effects } = gather(3, [[1, 3]]);
  const types = Array.from({ length: 40 }, (_, n) => `e${n}`);
  for (const [n, type] of types.entries()) {
    at(1).api.actors.send(tallyAt('n3'), { type });
    if (n >= 10) hands.pass(1);
  }
  hands.pass(50);
  assert.deepEqual(
    effects,
    types.map((type) => `tally ${type}`),
  );
});

test('along a chain of five links it gets there; what lies farther is told so, and nothing of it happens', () => {
  const line = (count: number): [number, number][] =>
    Array.from({ length: count }, (_, a) => a + 1).flatMap((a) =>
      Array.from({ length: count }, (_, b) => b + 1).flatMap((b): [number, number][] => (b > a + 1 ? [[a, b]] : [])),
    );
  const { hands, at, ask, effects, letters } = gather(7, line(7));
  const near = ask(at(1), tallyAt('n6'));
  hands.pass(300);
  assert.deepEqual(near, ['ok 1']);
  const far = ask(at(1), tallyAt('n7'), 'add', { timeoutMs: 1_000 });
  hands.pass(1_100);
  assert.deepEqual(far, ['DEADLINE_EXCEEDED']);
  at(1).api.actors.send(tallyAt('n7'), { type: 'add' });
  hands.pass(6_000);
  assert.deepEqual([effects.length, letters(at(1))], [1, ['UNREACHABLE']]);
});

test('an actor of the cluster is found whose leader its group member cannot hear, and in doubt has one effect', () => {
  const { hands, at, ask, cut, nodes } = gather(3, []);
  const leads = nodes.findIndex(({ api }) => api.status().groups[0]!.role === 'leader') + 1;
  const [from, between] = [1, 2, 3].filter((one) => one !== leads) as [number, number];
  cut(from, leads);
  // Until the follower knows of no leader any more.
  hands.until(() => at(from).api.status().groups[0]!.leader === null, 30_000);
  const first = ask(at(from), ledger);
  hands.pass(500);
  assert.deepEqual(first, ['ok 1']);
  // The answer is lost with its link; the same question goes straight on, and is not another one.
  let isLost = false;
  hands.lose((letter, { target, body }) => {
    const isAnswer = target === 'relay' && letter.to === at(from).peer && (body as unknown[])[3] === 'actors.done';
    isLost ||= isAnswer;
    return isAnswer;
  });
  const second = ask(at(from), ledger, 'add', { timeoutMs: 10_000 });
  hands.until(() => isLost);
  hands.lose(() => false);
  hands.connect(at(from), at(leads));
  cut(from, between);
  hands.pass(3_000);
  assert.deepEqual(second, ['ok 2']);
  const third = ask(at(from), ledger);
  hands.pass(500);
  assert.deepEqual(third, ['ok 3']);
});

test('what surely did not get there is tried again; what was lost on its way is not known', () => {
  const { hands, at, ask, cut, effects } = gather(3, [[1, 3]]);
  const lost = ask(at(1), tallyAt('n3'), 'never');
  hands.pass(20);
  cut(1, 2);
  hands.pass(20);
  assert.deepEqual(lost, ['OUTCOME_UNKNOWN']);
  hands.connect(at(1), at(2));
  hands.pass(20);
  const warm = ask(at(1), tallyAt('n3'));
  hands.pass(20);
  assert.deepEqual(warm, ['ok 2']);
  cut(2, 3);
  const later = ask(at(1), tallyAt('n3'), 'add', { timeoutMs: 20_000 });
  hands.pass(200);
  assert.deepEqual([later, effects.length], [[], 2]);
  hands.connect(at(2), at(3));
  hands.pass(5_000);
  assert.deepEqual([later, effects.length], [['ok 3'], 3]);
});

test('a question that was put straight on, and is in doubt, is not put again over others', () => {
  const { hands, at, ask, cut, effects } = gather(3, []);
  const pending = ask(at(1), tallyAt('n3'), 'never', { timeoutMs: 3_000 });
  hands.pass(20);
  cut(1, 3);
  hands.pass(1_000);
  assert.deepEqual([pending, effects.length], [[], 1]);
  hands.pass(3_000);
  assert.deepEqual([pending, effects.length], [['OUTCOME_UNKNOWN'], 1]);
});

test('of a replicated actor, too: the same question over others would be another one', () => {
  const { hands, at, ask, cut, nodes } = gather(3, []);
  const leads = nodes.findIndex(({ api }) => api.status().groups[0]!.role === 'leader') + 1;
  const from = [1, 2, 3].find((one) => one !== leads)!;
  ask(at(from), ledger);
  hands.pass(500);
  assert.ok(at(leads).api.actors.find(ledger) !== null);
  // It is handled, and its answer is lost with the link.
  hands.lose((letter, { target }) => target === 'actors' && letter.from === at(leads).peer);
  const pending = ask(at(from), ledger, 'add', { timeoutMs: 10_000 });
  hands.pass(50);
  cut(from, leads);
  hands.lose(() => false);
  hands.pass(2_000);
  assert.deepEqual(pending, []);
  hands.connect(at(from), at(leads));
  hands.pass(3_000);
  assert.deepEqual(pending, ['ok 2']);
});

test('a connection that comes and goes is nothing to what went over others', () => {
  const { hands, at, ask, cut, effects } = gather(3, [[1, 3]]);
  const pending = ask(at(1), tallyAt('n3'), 'never', { timeoutMs: 2_000 });
  hands.pass(20);
  hands.connect(at(1), at(3));
  hands.pass(5);
  cut(1, 3);
  hands.pass(3_000);
  assert.deepEqual([pending, effects.length], [['OUTCOME_UNKNOWN'], 1]);
});

test('a subscription and a watch outlive the link between others over which they came', () => {
  const { hands, at, cut } = gather(4, [
    [1, 4],
    [1, 3],
  ]);
  const { actors } = at(1).api;
  const shown: unknown[] = [];
  const ends: string[] = [];
  // Over n2 alone, and n2 to n4 straight on, until that breaks: then over n2 and n3.
  actors.subscribe(
    tallyAt('n4'),
    'context',
    (value) => shown.push(value),
    ({ reason }) => ends.push(reason),
  );
  actors.deliver(tallyAt('n4'), { type: 'add' }, {}, () => {});
  hands.pass(50);
  actors.watch(tallyAt('n4'), ({ reason }) => ends.push(reason));
  hands.pass(50);
  assert.deepEqual(shown.at(-1), 1);
  cut(2, 4);
  at(4).api.actors.send(tallyAt('n4'), { type: 'add' });
  hands.pass(25_000);
  assert.deepEqual(shown.at(-1), 2, 'it asks again whether it is told');
  at(4).api.actors.send(tallyAt('n4'), { type: 'add' });
  hands.pass(100);
  assert.deepEqual([shown.at(-1), ends], [3, []]);
  at(4).api.actors.stop(tallyAt('n4'), {}, () => {});
  hands.pass(100);
  assert.deepEqual(ends, ['stopped', 'stopped']);
});

const hand = (hands: ReturnType<typeof gather>['hands'], from: HandNode, to: HandNode, body: unknown): void => {
  const envelope = { version: wireVersion, source: 'relay', target: 'relay', type: 'parcel', id: 0, correlation: 0, trace: '' };
  hands.network.port(from.peer).send(to.peer, 'calls', encodeEnvelope({ ...envelope, timeLeftMs: 1_000, body }));
  hands.pass(3);
};

test('nobody answers for another, nor passes for who he is not', () => {
  const { hands, at, ask } = gather(3, [[1, 3]]);
  let number = 0;
  hands.lose((_letter, { target, body }) => {
    if (number === 0 && target === 'relay') number = ((body as unknown[])[4] as number[])[0]!;
    return false;
  });
  const pending = ask(at(1), tallyAt('n3'), 'never', { timeoutMs: 5_000 });
  hands.pass(20);
  assert.ok(number > 0);
  const done = [number, 0, new Uint8Array([1]), false];
  hand(hands, at(2), at(1), ['p-n1', ['p-n9'], ['p-n1'], 'actors.done', done]);
  hand(hands, at(2), at(1), ['p-n1', [], ['p-n1'], 'actors.done', done]);
  hand(hands, at(3), at(2), ['p-n1', [], ['p-n1'], 'answered', done.slice(0, 3)]);
  assert.deepEqual(pending, []);
  const spoken = ['send', 'quit', 'raft', 'done', 'actors.', 'actors.raft'];
  for (const type of spoken) hand(hands, at(1), at(2), ['p-n3', [], null, type, [number]]);
  assert.equal(at(2).counts.get('messages_refused_total MESSAGE_MALFORMED'), spoken.length);
});

test('an actor knows of who speaks over others that nobody proves it', () => {
  const { hands, at } = gather(3, [[1, 3]]);
  const sources: string[] = [];
  at(1).api.actors.send(tallyAt('n3'), { type: 'add' });
  hands.pass(50);
  at(3)
    .api.actors.find(tallyAt('n3'))!
    .tap((event) => {
      if (event.type === 'event') sources.push(event.trail?.source ?? '');
    });
  at(1).api.actors.send(tallyAt('n3'), { type: 'add' });
  hands.pass(50);
  assert.deepEqual(sources, ['n1 over n2']);
});
