// The actor that beats: one timer at a time, drops who is silent, passes on who lost what, and takes no nonsense.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLivenessActor, livenessAddress } from '../../actors/liveness.ts';
import { noLookup, type Timer } from '../../actors/ports/index.ts';
import { createRouter } from '../../actors/router.ts';
import { livenessDefaults } from '../../machines/liveness/index.ts';
import { limits } from '../../machines/wire/limits.ts';
import { createMemoryStorage } from '../ports/memory-storage.ts';
import { createHandClock, type HandClock, quietSink } from './hand-clock.ts';
import { createHandNetwork, type HandNetwork } from './hand-network.ts';
import { createHandScope } from './hand-scope.ts';

/** A clock that knows how many of its timers are open. */
const counting = (clock: HandClock) => {
  let open = 0;
  const after = (delayMs: number, wake: () => void): Timer => {
    const timer = clock.after(delayMs, () => {
      if (!counted) return;
      counted = false;
      open--;
      wake();
    });
    let counted = true;
    open++;
    return {
      cancel() {
        if (counted) open--;
        counted = false;
        timer.cancel();
      },
    };
  };
  return { clock: { ...clock, after }, open: () => open };
};

const createNode = (name: string, given: HandClock, network: HandNetwork) => {
  const { clock, open } = counting(given);
  const port = network.port(name);
  const sink = quietSink();
  const router = createRouter({ network: port, clock: given, sink });
  const lost: [string, string[] | 'all'][] = [];
  const rtts: number[] = [];
  const start = (connected: string[] = []) => {
    const scope = createHandScope(clock);
    const random = { uint32: () => 0, bytes: (length: number) => new Uint8Array(length) };
    const actor = createLivenessActor(scope, {
      ...{ options: livenessDefaults, connected, router },
      ports: { clock: given, network: port, lookup: noLookup, sink, random, storage: createMemoryStorage() },
      onLost: (peer, groups) => void lost.push([peer, groups]),
      onRtt: (_peer, ms) => void rtts.push(ms),
    });
    return { ...actor, end: scope.end };
  };
  const node = { ...{ port, sink, lost, rtts, start, actor: start() }, timers: open };
  router.on(livenessAddress, (delivery) => node.actor.receive({ type: 'delivery', delivery }));
  network.listen(name, (event) => {
    if (event.type === 'message') router.receive(event.peer, event.lane, event.bytes);
  });
  return node;
};

const create = () => {
  const clock = createHandClock();
  const network = createHandNetwork();
  const [a, b] = [createNode('a', clock, network), createNode('b', clock, network)];
  network.connect('a', 'b');
  const pass = (ms: number): void => {
    for (let at = 0; at < ms; at++) {
      clock.pass(1);
      network.deliverAll(clock.settle);
    }
  };
  return { clock, network, a, b, pass };
};

test('two nodes probe each other, know the round trip, and drop whom they do not hear', () => {
  const { network, a, b, pass } = create();
  a.actor.receive({ type: 'peer-open', peer: 'b' });
  b.actor.receive({ type: 'peer-open', peer: 'a' });
  pass(3_000);
  assert.ok(a.rtts.length >= 3 && a.rtts.every((ms) => ms === 0));
  assert.deepEqual([a.timers(), b.timers()], [1, 1], 'one timer each');
  network.full = () => true;
  pass(livenessDefaults.dropMs + 10);
  assert.deepEqual([a.port.dropped, b.port.dropped], [['b'], ['a']]);
  assert.ok(a.sink.lines.includes('warn PEER_SILENT'));
});

test('a sleeping group is lost when its leader falls silent, and by nothing else', () => {
  const { network, a, b, pass } = create();
  a.actor.receive({ type: 'peer-open', peer: 'b' });
  b.actor.receive({ type: 'peer-open', peer: 'a' });
  a.actor.receive({ type: 'leading', peer: 'b', groups: [{ group: 'kv', term: 1 }] });
  pass(1);
  b.actor.receive({ type: 'following', peer: 'a', groups: ['kv'] });
  pass(5_000);
  assert.deepEqual(b.lost, []);
  network.full = () => true;
  pass(livenessDefaults.silentMs + livenessDefaults.beatMs + 5);
  assert.deepEqual(b.lost, [['a', ['kv']]]);
});

test('a second incarnation beats to those who are connected', () => {
  const { a, b, pass } = create();
  a.actor.receive({ type: 'peer-open', peer: 'b' });
  pass(10);
  a.actor.end();
  a.actor = a.start(['b']);
  a.actor.receive({ type: 'leading', peer: 'b', groups: [{ group: 'kv', term: 1 }] });
  b.actor.receive({ type: 'peer-open', peer: 'a' });
  b.actor.receive({ type: 'following', peer: 'a', groups: ['kv'] });
  pass(5_000);
  assert.deepEqual([b.lost, a.port.dropped], [[], []]);
});

test('what makes no sense is refused, and a list of groups has a limit', () => {
  const { a } = create();
  a.actor.receive({ type: 'peer-open', peer: 'b' });
  const tell = (type: string, body: unknown): void =>
    a.actor.receive({ type: 'delivery', delivery: { peer: 'b', type, body, timeLeftMs: 0, answer: () => {} } });
  const refused = (): number => a.sink.lines.filter((line) => line === 'warn MESSAGE_MALFORMED').length;
  tell('beat', [1, false, Array(limits.groupsMax + 1).fill(['g', 1])]);
  assert.equal(refused(), 1);
  for (const [type, body] of [
    ['beat', null],
    ['beat', [1, 2, 3]],
    ['beat-answer', 'x'],
    ['constructor', 1],
  ] as const)
    tell(type, body);
  tell('beat-answer', Number.NaN);
  assert.equal(refused(), 1, 'told once in a while');
  assert.deepEqual(a.rtts, []);
});
