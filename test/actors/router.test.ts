// Between bytes and actors: every question has one end, nobody answers for another, and nonsense is counted, named and bounded.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SinkPort } from '../../actors/ports/index.ts';
import { refusalLogEveryMs } from '../../actors/refusals.ts';
import { type AskFailure, createRouter, type Delivery } from '../../actors/router.ts';
import { encodeEnvelope, pack, wireVersion } from '../../machines/wire/envelope.ts';
import { limits } from '../../machines/wire/limits.ts';
import { createHandClock } from './hand-clock.ts';
import { createHandNetwork } from './hand-network.ts';

type End = { why: AskFailure | null; body: unknown };

const notingSink = () => {
  const lines: { code: string; message: string; facts: Record<string, unknown> }[] = [];
  const counts = new Map<string, number>();
  const sink: SinkPort = {
    log: (_level, code, message, facts = {}) => void lines.push({ code, message, facts }),
    count(name, labels = {}, by = 1) {
      const of = [name, ...Object.values(labels)].join(' ');
      counts.set(of, (counts.get(of) ?? 0) + by);
    },
  };
  return { sink, lines, counts };
};

const createWorld = (epochs: Record<string, number> = {}) => {
  const clock = createHandClock();
  const network = createHandNetwork();
  const noted = notingSink();
  const start = (name: string) => {
    const port = network.port(name);
    const nameOf = (peer: string) => `node-${peer}`;
    const router = createRouter({ network: port, clock, sink: noted.sink, epoch: epochs[name] ?? 1, nameOf });
    network.listen(name, (event) => {
      if (event.type === 'message') router.receive(event.peer, event.lane, event.bytes);
      if (event.type === 'peer-close') router.peerClosed(event.peer);
    });
    const deliveries: Delivery[] = [];
    router.on('service', (delivery) => void deliveries.push(delivery));
    const ends: End[] = [];
    const ask = (peer: string, body: unknown, timeoutMs = 100): void =>
      router.ask(
        { peer, lane: 'calls', source: 'asker', target: 'service', type: 'question', body, timeoutMs },
        (why, answer) => ends.push({ why, body: answer }),
      );
    return { router, deliveries, ends, ask };
  };
  network.connect('a', 'b');
  return { ...{ clock, network, start }, ...noted };
};

test('a question is answered once, by the one that was asked', () => {
  const { network, start, counts, lines } = createWorld();
  network.connect('a', 'c');
  const [a, b, c] = [start('a'), start('b'), start('c')];
  a.ask('b', { n: 1 });
  network.deliverAll();
  assert.deepEqual(b.deliveries[0]!.body, { n: 1 });
  // Another peer learns the number of the question and answers it.
  const id = 0x1_0000_0000 + 1;
  const forged = {
    source: 'service',
    target: 'asker',
    type: 'answer',
    id: 0,
    correlation: id,
    timeLeftMs: 0,
    trace: '',
    body: 'no',
  };
  c.router.receive('x', 'calls', new Uint8Array());
  a.router.receive('c', 'calls', encodeEnvelope({ version: wireVersion, ...forged }));
  assert.equal(a.ends.length, 0);
  assert.equal(counts.get('messages_refused_total SPOKE_FOR_ANOTHER'), 1);
  assert.equal(lines.find(({ code }) => code === 'SPOKE_FOR_ANOTHER')?.facts.name, 'node-c');
  b.deliveries[0]!.answer('yes');
  b.deliveries[0]!.answer('twice');
  network.deliverAll();
  assert.deepEqual(a.ends, [{ why: null, body: 'yes' }]);
  assert.equal(counts.get('answers_late_total'), 1);
});

test('an answer to a question asked before a crash is late, not the answer to another question', () => {
  const epochs = { a: 4 };
  const { network, start, counts } = createWorld(epochs);
  const b = start('b');
  start('a').ask('b', 'old');
  network.deliverAll();
  network.disconnect('a', 'b');
  epochs.a = 5;
  network.connect('a', 'b');
  const a = start('a');
  a.ask('b', 'new');
  b.deliveries[0]!.answer('for the old one');
  network.deliverAll();
  assert.deepEqual(a.ends, []);
  assert.equal(counts.get('answers_late_total'), 1);
  b.deliveries[1]!.answer('for the new one');
  network.deliverAll();
  assert.deepEqual(a.ends, [{ why: null, body: 'for the new one' }]);
});

test('why a question has no answer: what never left is definite, everything else is not', () => {
  const { clock, network, start } = createWorld();
  const [a] = [start('a'), start('b')];
  const last = (): unknown => a.ends.at(-1)?.why;
  a.ask('nobody', 1);
  assert.deepEqual(last(), { code: 'NO_QUORUM', definite: true });
  network.full = () => true;
  a.ask('b', 1);
  assert.deepEqual(last(), { code: 'OVERLOADED', definite: true });
  network.full = () => false;
  a.ask('b', 1);
  clock.pass(99);
  assert.equal(a.ends.length, 2);
  clock.pass(1);
  assert.deepEqual(last(), { code: 'OUTCOME_UNKNOWN', definite: false });
  a.ask('b', 1);
  network.disconnect('a', 'b');
  assert.deepEqual(last(), { code: 'OUTCOME_UNKNOWN', definite: false });
  network.connect('a', 'b');
  a.ask('b', 1);
  a.router.stop();
  assert.deepEqual(last(), { code: 'STOPPING', definite: false });
  a.ask('b', 1);
  assert.deepEqual(last(), { code: 'STOPPING', definite: true });
  assert.equal(a.router.send('b', 'control', 'x', 'service', 't', null), 'unreachable');
  clock.pass(1_000);
  assert.equal(a.ends.length, 6);
});

test('questions are limited, and an end makes room', () => {
  const { network, start, clock } = createWorld();
  const a = start('a');
  for (let n = 0; n <= limits.pendingCallsMax; n++) a.ask('b', n, n === 0 ? 1 : 1_000);
  assert.deepEqual(
    a.ends.map(({ why }) => why),
    [{ code: 'OVERLOADED', definite: true }],
  );
  network.letters.length = 0;
  clock.pass(1);
  a.ask('b', 1);
  assert.equal(a.ends.length, 2);
});

test('a deadline from a peer is bounded; an answer that nobody waits for, or that no lane takes, is dropped', () => {
  const { network, start, counts } = createWorld();
  const [a, b] = [start('a'), start('b')];
  a.ask('b', 1, 10_000_000);
  a.router.send('b', 'control', 'x', 'service', 'note', null);
  network.deliverAll();
  assert.deepEqual(
    b.deliveries.map(({ timeLeftMs }) => timeLeftMs),
    [limits.callTimeoutMsMax, 0],
  );
  b.deliveries[1]!.answer('nobody asked');
  assert.equal(network.letters.length, 0);
  network.full = () => true;
  b.deliveries[0]!.answer('lost');
  assert.equal(counts.get('answers_lost_total'), 1);
});

test('bytes that are no envelope are refused by name, and addresses nobody has are counted', () => {
  const { start, counts } = createWorld();
  const a = start('a');
  const whole = [wireVersion, 'x', 'service', 't', 0, 0, 0, '', null];
  const bad: [unknown, string][] = [
    [7, 'MESSAGE_MALFORMED'],
    [whole.slice(1), 'MESSAGE_MALFORMED'],
    [whole.with(0, 2), 'VERSION_UNKNOWN'],
    [whole.with(1, ''), 'MESSAGE_MALFORMED'],
    [whole.with(2, 'x'.repeat(limits.addressCharsMax + 1)), 'MESSAGE_MALFORMED'],
    [whole.with(4, -1), 'MESSAGE_MALFORMED'],
    [whole.with(5, 0.5), 'MESSAGE_MALFORMED'],
    [whole.with(6, 'soon'), 'MESSAGE_MALFORMED'],
    [whole.with(7, 'x'.repeat(limits.traceCharsMax + 1)), 'MESSAGE_MALFORMED'],
  ];
  for (const [fields, code] of bad) {
    const before = counts.get(`messages_refused_total ${code}`) ?? 0;
    a.router.receive('b', 'calls', pack(fields));
    assert.equal(counts.get(`messages_refused_total ${code}`), before + 1, JSON.stringify(fields).slice(0, 80));
  }
  for (const target of ['constructor', '__proto__', 'nobody']) a.router.receive('b', 'calls', pack(whole.with(2, target)));
  assert.equal(counts.get('dead_letters_total unknown'), 3);
  assert.equal(a.deliveries.length, 0);
});

test('an address has one handler at a time', () => {
  const { start } = createWorld();
  const { router } = start('a');
  assert.throws(() => router.on('service', () => {}), /two handlers/);
  const end = router.on('other', () => {});
  end();
  router.on('other', () => {});
});

test('a peer that sends nonsense all day is counted each time and told once in a while, with its name and how often', () => {
  const { clock, start, lines, counts } = createWorld();
  const { router } = start('a');
  for (let n = 0; n < 1_000; n++) router.receive('b', 'calls', pack(n));
  router.receive('c', 'calls', pack(0));
  assert.equal(counts.get('messages_refused_total MESSAGE_MALFORMED'), 1_001);
  assert.deepEqual(
    lines.map(({ code, facts }) => [code, facts.name]),
    [
      ['MESSAGE_MALFORMED', 'node-b'],
      ['MESSAGE_MALFORMED', 'node-c'],
    ],
  );
  clock.pass(refusalLogEveryMs);
  router.receive('b', 'calls', pack(0));
  assert.equal(lines.length, 3);
  assert.equal(lines[2]!.facts.untold, 999);
  // However many peers: what is remembered of them is bounded, and the counter knows them all.
  for (let n = 0; n < 5_000; n++) router.receive(`p${n}`, 'calls', pack(0));
  assert.equal(counts.get('messages_refused_total MESSAGE_MALFORMED'), 6_002);
});
