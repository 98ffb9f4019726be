// Silence is noticed in time, and only silence: quiet groups wake when the node that leads them is not heard for as long as the
// bound says, and sleep on while it is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Beat,
  createLiveness,
  deadlineMs,
  formBeat,
  type LivenessEffect,
  type LivenessEvent,
  type LivenessState,
  livenessDefaults,
  parseBeat,
  rttMs,
  step,
} from '../../../machines/liveness/index.ts';

const options = livenessDefaults;
const kv = [{ group: 'kv', term: 3 }];

type Told = { atMs: number; effect: LivenessEffect };

/** A node's liveness with a clock: wakes when it asks to be woken. */
const createNode = (nowMs = 0) => {
  const state: LivenessState = createLiveness(options, nowMs);
  const told: Told[] = [];
  let clockMs = nowMs;
  const send = (event: LivenessEvent): LivenessEffect[] => {
    const effects = step(state, clockMs, event);
    for (const effect of effects) told.push({ atMs: clockMs, effect });
    return effects;
  };
  return {
    ...{ state, told, send },
    now: () => clockMs,
    /** Lets time pass; `late` is how long after its deadline it is woken. */
    pass(ms: number, late = 0): void {
      const untilMs = clockMs + ms;
      for (let at = deadlineMs(state) + late; at <= untilMs; at = deadlineMs(state) + late) {
        clockMs = Math.max(clockMs, at);
        send({ type: 'wake' });
      }
      clockMs = untilMs;
    },
    of: (type: LivenessEffect['type']): Told[] => told.filter(({ effect }) => effect.type === type),
  };
};

const beat = (led: Beat['led'], sequence = 1, answer = false): Beat => ({ sequence, led, answer });

/** A follower that sleeps on the beats of `p`. */
const follower = () => {
  const node = createNode();
  node.send({ type: 'peer-open', peer: 'p' });
  node.send({ type: 'beat', peer: 'p', beat: beat(kv) });
  node.send({ type: 'following', peer: 'p', groups: ['kv'] });
  return node;
};

test('a peer without quiet groups is probed slowly and dropped when it is silent', () => {
  const node = createNode();
  node.send({ type: 'peer-open', peer: 'p' });
  node.pass(3_400);
  assert.deepEqual(
    node.of('send-beat').map(({ atMs }) => atMs),
    [0, 1_000, 2_000, 3_000],
  );
  assert.ok(node.of('send-beat').every(({ effect }) => effect.type === 'send-beat' && effect.beat.answer));
  assert.equal(node.of('drop').length, 0);
  node.pass(100);
  assert.deepEqual(node.of('drop'), [{ atMs: 3_500, effect: { type: 'drop', peer: 'p', silentMs: 3_500 } }]);
  node.send({ type: 'peer-close', peer: 'p' });
  assert.equal(deadlineMs(node.state), Number.POSITIVE_INFINITY, 'nobody, nothing to do');
});

test('anything heard keeps a connection', () => {
  const node = createNode();
  node.send({ type: 'peer-open', peer: 'p' });
  for (let n = 0; n < 20; n++) {
    node.pass(1_000);
    node.send({ type: 'heard', peer: 'p' });
  }
  assert.equal(node.of('drop').length, 0);
});

test('a leader of quiet groups beats at its interval, lists them once a connection and after each change', () => {
  const node = createNode();
  node.send({ type: 'peer-open', peer: 'p' });
  node.pass(10);
  node.send({ type: 'leading', peer: 'p', groups: kv });
  node.pass(400);
  const beats = node.of('send-beat').map(({ atMs, effect }) => (effect.type === 'send-beat' ? [atMs, effect.beat.led] : []));
  assert.deepEqual(beats, [
    [0, []],
    [10, kv],
    [110, null],
    [210, null],
    [310, null],
    [410, null],
  ]);
  assert.deepEqual(node.send({ type: 'leading', peer: 'p', groups: kv }), [], 'no change, no beat');
  node.send({ type: 'leading', peer: 'p', groups: [{ group: 'kv', term: 4 }] });
  const last = node.told.at(-1)!.effect;
  assert.deepEqual(last.type === 'send-beat' && last.beat.led, [{ group: 'kv', term: 4 }]);
  node.send({ type: 'leading', peer: 'p', groups: [] });
  const none = node.told.at(-1)!.effect;
  assert.deepEqual(none.type === 'send-beat' && none.beat.led, [], 'followers are told at once that nobody leads them quietly');
});

test('the round trip is that of the beat that was answered', () => {
  const node = createNode();
  node.send({ type: 'peer-open', peer: 'p' });
  assert.equal(rttMs(node.state, 'p'), null);
  node.pass(0);
  node.pass(7);
  node.send({ type: 'answer', peer: 'p', sequence: 9 });
  assert.equal(rttMs(node.state, 'p'), null);
  node.send({ type: 'answer', peer: 'p', sequence: 1 });
  assert.equal(rttMs(node.state, 'p'), 7);
  node.pass(5);
  node.send({ type: 'answer', peer: 'p', sequence: 1 });
  assert.equal(rttMs(node.state, 'p'), 7, 'once');
  assert.deepEqual(node.send({ type: 'beat', peer: 'p', beat: beat(null, 5, true) }), [
    { type: 'send-answer', peer: 'p', sequence: 5 },
  ]);
});

test('a group that its leader does not list any more is lost at once', () => {
  const node = follower();
  assert.deepEqual(node.send({ type: 'beat', peer: 'p', beat: beat([{ group: 'other', term: 1 }], 2) }), [
    { type: 'lost', peer: 'p', groups: ['kv'] },
  ]);
  assert.deepEqual(node.send({ type: 'beat', peer: 'p', beat: beat([], 3) }), [], 'once');
});

test('a group that went quiet here and is never listed there is lost after a while', () => {
  const node = createNode();
  node.send({ type: 'peer-open', peer: 'p' });
  node.send({ type: 'following', peer: 'p', groups: ['kv'] });
  for (let n = 0; n < 30 && node.of('lost').length === 0; n++) {
    node.send({ type: 'beat', peer: 'p', beat: beat(n === 0 ? [] : null, n + 1) });
    node.pass(50);
  }
  assert.deepEqual(node.of('lost'), [{ atMs: options.adoptMs, effect: { type: 'lost', peer: 'p', groups: ['kv'] } }]);
});

test('a connection that closes takes all groups with it, and a new one begins anew', () => {
  const node = follower();
  assert.deepEqual(node.send({ type: 'peer-close', peer: 'p' }), [{ type: 'lost', peer: 'p', groups: 'all' }]);
  assert.deepEqual(node.send({ type: 'beat', peer: 'p', beat: beat(kv) }), [], 'of a peer that is not there nothing counts');
  node.pass(100);
  node.send({ type: 'leading', peer: 'p', groups: kv });
  node.send({ type: 'peer-open', peer: 'p' });
  node.send({ type: 'leading', peer: 'p', groups: kv });
  const first = node.of('send-beat').at(-1)!.effect;
  assert.deepEqual(first.type === 'send-beat' && [first.beat.sequence, first.beat.led], [1, kv]);
});

test('a process that was held up gives everybody one more interval before it drops them', () => {
  const node = createNode();
  node.send({ type: 'peer-open', peer: 'p' });
  node.pass(100);
  node.pass(20_000, 20_000);
  assert.equal(node.of('drop').length, 0);
  node.pass(options.dropMs);
  assert.equal(node.of('drop').length, 1);
});

// ---------------------------------------------------------------- the bound

test('silence-wakes: a sleeping group wakes when its leader was silent for the bound and its own clock is no later, never before', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: options.silentMs - 1 }), { maxLength: 30 }),
      fc.constantFrom('beat' as const, 'heard', 'answer'),
      fc.integer({ min: 0, max: 40 }),
      (gaps, kind, late) => {
        const node = follower();
        for (const gap of gaps) {
          node.pass(gap, Math.min(late, options.silentMs - 1 - gap));
          if (kind === 'beat') node.send({ type: 'beat', peer: 'p', beat: beat(null, 7) });
          else if (kind === 'heard') node.send({ type: 'heard', peer: 'p' });
          else node.send({ type: 'answer', peer: 'p', sequence: 0 });
        }
        assert.equal(node.of('lost').length, 0, 'while it is heard in time nothing wakes');
        const heardMs = node.now();
        node.pass(options.silentMs + late, late);
        const [first] = node.of('lost');
        const silentMs = (first?.atMs ?? Number.POSITIVE_INFINITY) - heardMs;
        assert.ok(silentMs >= options.silentMs && silentMs <= options.silentMs + late, `woke after ${silentMs} ms`);
        assert.equal(node.of('lost').length, 1);
      },
    ),
    { numRuns: 300, seed: 11 },
  );
});

type Node = ReturnType<typeof createNode>;

test('silence-wakes: over any lane, groups wake within the bound after the last thing heard, and sleep while beats come through', () => {
  const delays = fc.array(fc.integer({ min: 0, max: 120 }), { minLength: 5, maxLength: 60 });
  fc.assert(
    fc.property(delays, fc.nat(59), (delaysMs, stopsAfter) => {
      const [leader, sleeper] = [createNode(), createNode()];
      leader.send({ type: 'peer-open', peer: 'f' });
      sleeper.send({ type: 'peer-open', peer: 'l' });
      leader.send({ type: 'leading', peer: 'f', groups: kv });
      sleeper.send({ type: 'following', peer: 'l', groups: ['kv'] });
      /** Lanes keep their order: what is late makes the rest late. */
      const arrivals: { atMs: number; beat: Beat }[] = [];
      let seen = 0;
      let lastMs = 0;
      const collect = (node: Node): void => {
        for (const { atMs, effect } of node.of('send-beat').slice(seen)) {
          if (effect.type !== 'send-beat' || seen >= stopsAfter) continue;
          lastMs = Math.max(lastMs, atMs + delaysMs[seen++ % delaysMs.length]!);
          arrivals.push({ atMs: lastMs, beat: effect.beat });
        }
      };
      let heardMs = 0;
      let late = false;
      const untilMs = 4_000;
      for (let nowMs = 0; nowMs < untilMs; nowMs++) {
        leader.pass(1);
        collect(leader);
        // Messages that arrive at a wake's very instant are looked at first, as they are in a node.
        for (; arrivals[0] !== undefined && arrivals[0].atMs <= nowMs; arrivals.shift()) {
          late ||= nowMs - heardMs >= options.silentMs;
          heardMs = nowMs;
          sleeper.send({ type: 'beat', peer: 'l', beat: parseBeat(formBeat(arrivals[0].beat), 16)! });
        }
        sleeper.pass(1);
        const [first] = sleeper.of('lost');
        if (first === undefined) assert.ok(nowMs + 1 - heardMs <= options.silentMs, 'silence is never longer than the bound');
        else {
          assert.ok(late || first.atMs - heardMs >= options.silentMs, 'nothing wakes before the bound');
          return;
        }
      }
      assert.ok(stopsAfter >= 0 && seen > 0);
    }),
    { numRuns: 200, seed: 12 },
  );
});

// ---------------------------------------------------------------- the wire

test('a beat survives the wire, and nothing else passes for one', () => {
  for (const one of [beat(null), beat([], 2, true), beat([{ group: 'a', term: 0 }, ...kv], 3)])
    assert.deepEqual(parseBeat(formBeat(one), 2), one);
  const bad: unknown[] = [
    ...[null, 7, 'x', {}, [], [1, true], [1, true, null, 0], [-1, true, null], [1.5, true, null], [2 ** 53, true, null]],
    ...[
      [1, 1, null],
      [1, true, 'x'],
      [1, true, [null]],
      [1, true, [[1, 1]]],
      [1, true, [['x'.repeat(64), 1]]],
    ],
    ...[
      [1, true, [['x', -1]]],
      [1, true, [['x']]],
      [1, true, Array(3).fill(['x', 1])],
    ],
  ];
  for (const body of bad) assert.equal(parseBeat(body, 2), null, JSON.stringify(body));
  fc.assert(
    fc.property(fc.anything(), (body) => {
      parseBeat(body, 2);
    }),
    { seed: 13 },
  );
});

test('beats to several peers leave in one turn, however far apart their connections opened', () => {
  const node = createNode();
  for (const peer of ['p', 'q', 'r', 's']) {
    node.send({ type: 'peer-open', peer });
    node.send({ type: 'leading', peer, groups: kv });
    node.pass(11);
  }
  node.pass(options.beatMs * 2);
  node.told.length = 0;
  node.pass(options.beatMs * 10);
  const beats = node.of('send-beat');
  assert.equal(beats.length, 40);
  assert.equal(new Set(beats.map(({ atMs }) => atMs)).size, 10);
});

test('of two peers that probe each other one waits, hears enough, and still measures the round trip now and then', () => {
  const [a, b] = [createNode(), createNode()];
  const nodes = { a, b };
  const measured = { a: 0, b: 0 };
  const pass = (ms: number): void => {
    for (let at = 0; at < ms; at++)
      for (const [name, node] of Object.entries(nodes) as ['a' | 'b', typeof a][]) {
        const seen = node.told.length;
        node.pass(1);
        const other = name === 'a' ? b : a;
        for (const { effect } of node.told.slice(seen)) {
          if (effect.type !== 'send-beat') continue;
          other.send({ type: 'beat', peer: name, beat: effect.beat });
          node.send({ type: 'answer', peer: name === 'a' ? 'b' : 'a', sequence: effect.beat.sequence });
          measured[name]++;
        }
      }
  };
  a.send({ type: 'peer-open', peer: 'b' });
  pass(300);
  b.send({ type: 'peer-open', peer: 'a' });
  pass(60_000);
  assert.deepEqual([a.of('drop').length, b.of('drop').length], [0, 0]);
  // One a second between them, not one each; who it is may change.
  const { a: ofA, b: ofB } = measured;
  assert.ok(ofA >= 5 && ofB >= 5 && ofA + ofB >= 50 && ofA + ofB <= 80, `probes: ${ofA} and ${ofB}`);
});
