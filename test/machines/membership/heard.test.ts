// What is heard on other lanes spares probes: how many, and whom it must not hide.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { membershipDefaults, step } from '../../../machines/membership/index.ts';
import { createNode, Stage } from './stage.ts';

const { heardMs, vouchedMs } = membershipDefaults;
const beatMs = 100;

/** Time passes while a hears b all along. */
const passHearing = (stage: Stage, forMs: number): void => {
  for (let ms = 0; ms < forMs; ms += beatMs) {
    stage.tell('a', { type: 'heard', peer: 'b' });
    stage.pass(beatMs);
  }
};

const probesOf = (stage: Stage, name: string): number =>
  stage.lines.filter((line) => line.includes(` ${name} → `) && line.includes(': probe ')).length;

const acquainted = (): Stage => {
  const stage = new Stage();
  stage.begin('a', 'b');
  // One probe that is answered.
  stage.pass(1_500);
  stage.lines.length = 0;
  return stage;
};

test('who was heard a moment ago is probed once in a while, nobody else is spared', () => {
  const heard = acquainted();
  passHearing(heard, 4 * vouchedMs);
  const spared = probesOf(heard, 'a');
  assert.ok(spared >= 3 && spared <= 5, `${spared} probes`);
  assert.equal(heard.view('a', 'b'), 'alive 1');
  const silent = acquainted();
  silent.pass(4 * vouchedMs);
  assert.ok(probesOf(silent, 'a') >= 38, `${probesOf(silent, 'a')} probes`);
});

test('whose event loop stands still is not heard, and is found as soon as if it never had been', () => {
  const stage = acquainted();
  passHearing(stage, 5_000);
  stage.pause('b', 60_000);
  stage.pass(heardMs + 3_000);
  assert.match(stage.view('a', 'b'), /^suspect/);
});

test('a process that beats while its membership is dead is found nevertheless', () => {
  const stage = acquainted();
  stage.isLost = () => true;
  passHearing(stage, vouchedMs + 3_000);
  assert.match(stage.view('a', 'b'), /^suspect/);
  passHearing(stage, 3_000);
  assert.match(stage.view('a', 'b'), /^failed/, 'what is heard answers no suspicion');
});

test('who is heard and does not hear this node is found nevertheless', () => {
  const stage = acquainted();
  stage.isLost = (from) => from === 'a';
  passHearing(stage, vouchedMs + 6_000);
  assert.match(stage.view('a', 'b'), /^failed/);
});

test('whose connection ended is asked, whatever was heard just before', () => {
  const stage = acquainted();
  stage.tell('a', { type: 'heard', peer: 'b' });
  const effects = stage.tell('a', { type: 'unreachable', peer: 'b' });
  assert.ok(effects.some((effect) => effect.type === 'send' && effect.message.type === 'probe'));
});

test('a node that doubts itself spares nobody, until it has reason to trust itself', () => {
  const stage = acquainted();
  stage.state('a').health = 2;
  passHearing(stage, 8_000);
  assert.deepEqual([probesOf(stage, 'a'), stage.state('a').health], [2, 0]);
});

test('a node that was held up spares whom it heard, and waits for its next turn (found by seed 138 of the mesh)', () => {
  const node = createNode('a', { known: ['a', 'b'] });
  step(node, 1_000, { type: 'wake' });
  step(node, 1_010, { type: 'message', from: 'b', message: { type: 'ack', sequence: node.sequence, facts: [] } });
  step(node, 5_990, { type: 'heard', peer: 'b' });
  // Late by several turns, and trusting itself again.
  step(node, 5_990, { type: 'wake' });
  Object.assign(node, { probe: null, health: 0, nextProbeMs: 2_000 });
  step(node, 6_000, { type: 'wake' });
  assert.ok(node.probe === null && node.deadlineMs > 6_000);
});

test('what is heard changes nothing by itself, from whomever it comes', () => {
  const node = createNode('a', { known: ['a', 'b'] });
  const { deadlineMs } = node;
  // Far beyond the deadline: a process that was held up is told so by the next wake, not by what it heard first.
  for (const peer of ['b', 'c', 'a']) assert.deepEqual(step(node, 60_000, { type: 'heard', peer }), []);
  assert.equal(node.deadlineMs, deadlineMs);
  assert.ok(step(node, 60_000, { type: 'wake' }).some((effect) => effect.type === 'warn' && effect.code === 'BLOCKED'));
});
