// What is shown of a run is bounded, harmless whatever the run said, and the run itself does not notice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HistoryEvent } from '../../../sim/checkers/index.ts';
import { chronicleLimits, createChronicle } from '../../../sim/chronicle.ts';
import {
  examine,
  htmlReport,
  type ReportData,
  type RunEvent,
  type RunOptions,
  runSeed,
  textReport,
  traceLine,
} from '../../../sim/index.ts';
import { callsOf, failingPartOf } from '../../../sim/report/calls.ts';
import { reportData } from '../../../sim/report/data.ts';
import { packed } from '../../../sim/report/markup.ts';
import { describeMessage } from '../../../sim/report/message.ts';
import { script } from '../../../sim/report/script.ts';

const failing: RunOptions = { planted: 'forgotten-vote', faults: ['kill', 'power-loss', 'partition'], nodes: 3, timeMs: 6_000 };
const texts = { repeat: 'polity sim --seed 1', shrunkFrom: null, version: '0.0.0' };

const seedThatFails = Array.from({ length: 30 }, (_, at) => at + 1).find((seed) => runSeed(seed, failing).verdict !== 'held')!;

const events: RunEvent[] = [];
const data: ReportData = examine(seedThatFails, failing, { ...texts, listen: (event) => void events.push(event) });

test('a run that is listened to is the same run', () => {
  assert.equal(data.result.hash, runSeed(seedThatFails, failing).hash);
  assert.notEqual(data.result.verdict, 'held');
});

test('what is told is in order, and messages end after they begin', () => {
  const sentMs = new Map<number, number>();
  let lastMs = 0;
  let ended = 0;
  for (const event of events) {
    assert.ok(event.atMs >= lastMs);
    lastMs = event.atMs;
    if (event.type === 'sent') sentMs.set(event.message, event.atMs);
    if (event.type !== 'received' && event.type !== 'lost') continue;
    assert.ok(sentMs.get(event.message)! <= event.atMs);
    ended++;
  }
  assert.ok(sentMs.size > 50 && ended > 50);
  const clients = events.filter(({ type }) => type === 'client').length;
  assert.equal(clients, data.result.history.length);
});

test('a trace line is a flat object of JSON', () => {
  const types = new Set<string>();
  for (const event of events) {
    if (event.type === 'stepped') assert.fail('nobody asked for steps');
    const line = JSON.parse(JSON.stringify(traceLine(event))) as Record<string, unknown>;
    assert.equal(typeof line.type, 'string');
    assert.equal(typeof line.atMs, 'number');
    types.add(line.type as string);
    for (const [name, value] of Object.entries(line))
      if (name !== 'value') assert.ok(typeof value !== 'object' || value === null || Array.isArray(value), name);
  }
  for (const type of [
    'turn',
    'started',
    'ended',
    'sent',
    'received',
    'role',
    'hard-state',
    'logged',
    'applied',
    'restored',
    'client',
  ])
    assert.ok(types.has(type), type);
});

test('a chronicle knows who was what, and when', () => {
  const { chronicle, nodes } = data;
  assert.deepEqual(new Set(chronicle.lives.map(({ node }) => node)), new Set(nodes));
  for (const span of [...chronicle.roles, ...chronicle.lives]) assert.ok(span.fromMs <= (span.untilMs ?? chronicle.endMs));
  assert.ok(chronicle.roles.some(({ role }) => role === 'leader'));
  // One thing at a time.
  for (const node of nodes) {
    const spans = chronicle.roles.filter((span) => span.node === node && span.group === 'kv');
    for (let at = 1; at < spans.length; at++) assert.ok(spans[at - 1]!.untilMs! <= spans[at]!.fromMs);
  }
  assert.ok(chronicle.messages.some(({ spoken }) => spoken.kind === 'append' && spoken.raft !== null));
});

test('a chronicle is bounded, and keeps what came last before its focus', () => {
  const chronicle = createChronicle({ focusMs: 9_000 });
  const bytes = new Uint8Array([1]);
  for (let message = 1; message <= 10_000; message++) {
    chronicle.listen({ type: 'sent', atMs: message, message, from: 'n1', to: 'n2', way: 'calls', bytes });
    chronicle.listen({ type: 'received', atMs: message, message });
    chronicle.listen({ type: 'started', atMs: message, node: 'n1', life: message });
  }
  const end = chronicle.end();
  assert.equal(end.messages.length, chronicleLimits.messagesMax);
  assert.deepEqual([end.messages.at(-1)!.message, end.focusMs, end.endMs], [9_000, 9_000, 10_000]);
  assert.equal(end.messagesForgotten, 10_000 - chronicleLimits.messagesMax);
  assert.ok(end.moments.length <= chronicleLimits.momentsMax && end.lives.length <= chronicleLimits.livesMax);
});

const evil = '"><script>alert(1)</script>\u001b[2J\u202e';

const evilData = (): ReportData => {
  const event = (process: number, type: HistoryEvent['type'], f: string, value: string | null, time: number): HistoryEvent => ({
    ...{ process, type, f, key: evil, value, time: time * 1e6 },
  });
  const history = [
    ...[event(0, 'invoke', 'write', evil, 1), event(0, 'ok', 'write', evil, 2)],
    ...[event(1, 'invoke', 'read', null, 3), event(1, 'ok', 'read', null, 4), event(2, 'invoke', 'write', 'open', 5)],
  ];
  const part = failingPartOf(history)!;
  const { chronicle, result } = data;
  const told = {
    ...{ ...chronicle, roles: chronicle.roles.map((span) => ({ ...span })) },
    moments: [{ place: 1, atMs: 1, node: 'n1', kind: 'log' as const, text: evil }],
    messages: chronicle.messages.map((seen) => ({ ...seen, spoken: { ...seen.spoken, text: evil, kind: evil } })),
  };
  const faults = [{ number: 0, fault: 'kill' as const, atMs: 1, untilMs: 5, where: evil }];
  const changed = { ...result, history, faults, reason: `${evil}\n${part.explanation}`, endings: { [evil]: 1 } };
  return reportData({
    result: changed,
    repeat: evil,
    shrunkFrom: { repeat: evil, was: evil, is: evil },
    version: evil,
    part,
    chronicle: told,
  });
};

test('nothing of a run becomes markup, and nothing is loaded from anywhere', () => {
  for (const one of [data, evilData()]) {
    const html = htmlReport(one);
    assert.ok(html.startsWith('<!doctype html>'));
    assert.equal(html.split('<script').length, 2, 'one script, ours');
    assert.ok(html.includes(`<script>${script}</script>`));
    assert.doesNotMatch(html, /https?:|\bsrc=|\bhref=|@import|url\(/);
    assert.doesNotMatch(html.replaceAll('\n', ''), /\p{Cc}|\p{Cf}/u);
    assert.match(html, /Content-Security-Policy/);
    // Every tag is closed in its order: whatever is text stays text.
    const open: string[] = [];
    const markup = html.replace(/<(style|script)>[\s\S]*?<\/\1>/g, '');
    for (const [, end, name, last] of markup.matchAll(/<(\/?)([a-z]+)(?:\s[^<>]*?)?(\/?)>/g)) {
      if (['meta', 'input'].includes(name!)) continue;
      if (end === '/') assert.equal(open.pop(), name);
      else if (last !== '/') open.push(name!);
    }
    assert.deepEqual(open, []);
  }
  assert.doesNotThrow(() => new Function(script));
});

test('the terminal is never written to by what a run says, nor beyond its width', () => {
  for (const columns of [20, 60, 100, 300]) {
    for (const line of textReport(evilData(), { columns })) {
      assert.doesNotMatch(line, /\p{Cc}|\p{Cf}/u);
      assert.ok([...line].length <= Math.max(60, Math.min(200, columns)), line);
    }
  }
  const lines = textReport(data, { columns: 100 });
  assert.ok(lines.some((line) => line.startsWith('n1') && line.includes('█')) || lines.some((line) => line.includes('█')));
  assert.ok(lines.filter((line) => /^ +\d+\.\d{3} /.test(line)).length >= 10);
});

test('calls are put together, and those that have no order are marked', () => {
  const { calls, part } = evilData();
  assert.deepEqual(
    calls.map(({ outcome }) => outcome),
    ['ok', 'ok', 'open'],
  );
  assert.deepEqual([...part!.lines].sort(), [1, 3]);
  assert.equal(failingPartOf(data.result.history.slice(0, 0)), null);
  assert.deepEqual(callsOf([]), []);
});

test('a message that is none is shown as such', () => {
  assert.equal(describeMessage('control', new Uint8Array([0xc1])).kind, 'unreadable');
  assert.equal(describeMessage('topic', new Uint8Array(3)).kind, 'published');
  assert.equal(describeMessage('control', new Uint8Array()).kind, 'unreadable');
});

test('spans that touch are in rows of their own', () => {
  const spans = [
    { fromMs: 0, untilMs: 10 },
    { fromMs: 5, untilMs: 6 },
    { fromMs: 6, untilMs: 20 },
    { fromMs: 7, untilMs: 8 },
  ];
  assert.deepEqual(packed(spans, 2), [0, 1, 1, null]);
});
