// Durable runs whose leader is lost after a while, and those that are begun in the moment in which their id is given free.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { order, shop } from './durable-shop.ts';

test('a leader is lost long after it was last told of anything: there is time to undo all of it', () => {
  const { world, n1, n2, run, called, pass } = shop(['n3']);
  world.lead(n1);
  const seen = run(n2, { ...order, timeoutMs: 60_000, compensateMs: 3_000 });
  called('reserve').answer({ price: 7 });
  called('charge');
  pass(10_000);
  world.cluster.kill(n1);
  world.cluster.until(() => world.leader() !== null);
  called('refund').answer(null);
  called('release').answer(null);
  pass(1_500);
  assert.equal(seen.code, 'OUTCOME_UNKNOWN');
  assert.deepEqual(seen.outcome.notUndone, []);
  assert.ok(seen.outcome.tookMs >= 10_000, `${seen.outcome.tookMs}`);
});

test('what is called again has no more time than the run has left', () => {
  const { world, n1, n2, run, called, all, pass } = shop(['n3']);
  world.lead(n1);
  const graph = { timeoutMs: 20_000, steps: { ship: { service: 'shop', method: 'ship' } } };
  const seen = run(n2, graph);
  called('ship');
  pass(14_000);
  world.cluster.kill(n1);
  world.cluster.until(() => world.leader() !== null);
  world.cluster.until(() => all.length === 2);
  pass(8_000);
  assert.equal(seen.outcome.failure?.details?.cause, 'DEADLINE_EXCEEDED');
  assert.equal(seen.outcome.tookMs, 20_000);
});

test('begun while somebody looks for it, who is told that it is not there: it goes on all the same', () => {
  const { n1, n2, run, attach, pass, calling } = shop(['n3']);
  const codes: unknown[] = [];
  for (let ms = 0; ms < 24; ms++) {
    const id = `order-${ms}`;
    attach(n2, id);
    pass(ms);
    const seen = run(n1, { steps: { ship: { service: 'shop', method: 'ship' } } }, id);
    for (let at = 0; at < 40 && seen.code === null; at++) {
      pass(20);
      for (const call of [...calling]) call.answer(2);
    }
    codes.push(seen.code);
  }
  assert.deepEqual(new Set(codes), new Set(['ok']), codes.join(' '));
});

test('begun again in the moment in which it is forgotten: it runs once more, or it is the one that ended', () => {
  const { n1, n2, run, called, pass, calling } = shop(['n3']);
  const graph = { steps: { ship: { service: 'shop', method: 'ship' } } };
  const codes: unknown[] = [];
  for (let ms = 0; ms < 30; ms++) {
    const id = `order-${ms}`;
    const first = run(n1, graph, id, { durable: { id, keepMs: 1_000 } });
    called('ship').answer(1);
    while (first.code === null) pass(1);
    pass(960 + 2 * ms);
    const second = run(n2, graph, id, { durable: { id, keepMs: 1_000 } });
    for (let at = 0; at < 40 && second.code === null; at++) {
      pass(20);
      for (const call of [...calling]) call.answer(2);
    }
    codes.push(second.code);
  }
  assert.deepEqual(new Set(codes), new Set(['ok']), codes.join(' '));
});

test('remembered for no time at all: who began it is told how it ended, also if that was at once', () => {
  const { n1, n2, n3, run, attach, pass, calling } = shop(['n3']);
  const step = { service: 'shop', method: 'ship' };
  const graphs = [{ steps: { ship: step } }, { steps: { ship: { ...step, when: { value: false } } } }];
  const codes: unknown[] = [];
  for (const [at, node] of [n1, n2, n3].entries())
    for (const [of, graph] of graphs.entries()) {
      const id = `order-${at}-${of}`;
      const seen = run(node, graph, id, { durable: { id, keepMs: 0 } });
      for (let times = 0; times < 40 && seen.code === null; times++) {
        pass(20);
        for (const call of [...calling]) call.answer(2);
      }
      codes.push(seen.code);
    }
  assert.deepEqual(codes, Array(6).fill('ok'));
  const late = attach(n2, 'order-2-1');
  pass(300);
  assert.equal(late.code, 'ok', 'whoever is slow to look hears of it too');
  pass(2_000);
  const never = attach(n2, 'order-2-1');
  pass(300);
  assert.equal(never.code, 'NOT_FOUND');
});

test('cancelled once it has ended: it stays as it is', () => {
  const { n1, n2, run, attach, called, pass } = shop(['n3']);
  const seen = run(n1, { steps: { ship: { service: 'shop', method: 'ship' } } });
  called('ship').answer(1);
  pass(2_000);
  n2.api.graph.cancelDurable('order-1', () => {});
  pass(500);
  const later = attach(n2);
  pass(500);
  assert.deepEqual(later.outcome, seen.outcome);
});

test('every step fails, and services say a lot of it: all of it is kept in few words', () => {
  const { n1, run, called, pass } = shop(['n3']);
  const names = Array.from({ length: 120 }, (_, at) => `s${at}`);
  const step = { service: 'shop', method: 'ship', onError: 'continue' };
  const seen = run(n1, { steps: Object.fromEntries(names.map((name) => [name, step])) });
  const details = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`d${at}`, 'y'.repeat(1_000)]));
  for (const _ of names) called('ship').fail('SERVICE_REFUSED', '\u{1f600}'.repeat(500), { ...details, reason: 'NO' });
  pass(500);
  assert.equal(seen.code, 'ok');
  const why = seen.outcome.steps.s119!.failure!;
  assert.deepEqual([why.code, why.details?.reason, why.details?.d0], ['SERVICE_REFUSED', 'NO', undefined]);
  assert.equal(why.message, `${'\u{1f600}'.repeat(120)}…`);
});

test('a result weighs what its bytes do, not its characters', () => {
  const { n1, run, called, pass } = shop(['n3']);
  const seen = run(n1, { steps: { ship: { service: 'shop', method: 'ship' } } });
  called('ship').answer('\u6f22'.repeat(100_000));
  pass(500);
  assert.equal(seen.outcome.steps.ship!.failure?.code, 'TOO_LARGE');
});

test('cancelled before anybody knows that it has begun: it is given up once it has', () => {
  const { n1, n2, n3, run, pass, calling } = shop(['n3']);
  const codes = [n1, n2, n3].map((node, at) => {
    const seen = run(node, order, `order-${at}`);
    seen.handle.cancel();
    for (let times = 0; times < 40 && seen.code === null; times++) {
      pass(20);
      for (const call of [...calling]) if (call.method === 'release') call.answer(null);
    }
    return seen.code;
  });
  assert.deepEqual(codes, Array(3).fill('CANCELLED'));
});
