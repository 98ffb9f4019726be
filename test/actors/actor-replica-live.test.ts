// Whoever waits for a reply of a replicated actor holds a timer only while he waits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromTransition } from 'xstate';
import { restartDefault } from '../../actors/actor-api.ts';
import { type LivePlace, ReplicaActor } from '../../actors/actor-replica-live.ts';
import type { ItemEnd } from '../../actors/actor-replica-proposals.ts';
import { failure } from '../../machines/errors.ts';
import { createHandClock } from './hand-clock.ts';

test('a timer of an asker ends when he is answered, or waits no longer', () => {
  const clock = createHandClock();
  let timers = 0;
  const proposed: ((end: ItemEnd) => void)[] = [];
  const place: LivePlace = {
    clock: {
      ...clock,
      after(delayMs, wake) {
        timers++;
        const timer = clock.after(delayMs, wake);
        return {
          cancel() {
            timers--;
            timer.cancel();
          },
        };
      },
    },
    sink: { log: () => {}, count: () => {} },
    propose: (_item, done) => void proposed.push(done),
    formRef: (address) => address,
    record: () => null,
    fold: () => null,
    onGone: () => {},
    onDeadLetter: () => {},
    lookAt: () => {},
  };
  const actor = new ReplicaActor(
    {
      ...{ name: 'a', version: 1, logic: fromTransition((state) => state, {}), durability: 'replicated', placement: 'sharded' },
      ...{ input: () => undefined, replies: { ask: () => undefined }, restart: restartDefault, mailboxMax: 10 },
      ...{ passivateAfterMs: null, remember: false, timers: 'deadline', resume: {}, migrate: {}, redact: [] },
    },
    { type: 'a', key: 'k', node: null },
    'a/k' as never,
    null,
    place,
  );
  const how = { id: null, wantsReply: true, leftMs: 20_000, trail: { source: '', correlation: '' } };
  const applied = { type: 'applied', outcome: { type: 'ok', snapshot: { status: 'active' } } } as unknown as ItemEnd;
  const giveUp = actor.deliver({ type: 'ask' }, how, () => {});
  const told: unknown[] = [];
  actor.deliver({ type: 'ask' }, how, (outcome) => told.push(outcome));
  for (const done of proposed) done(applied);
  assert.equal(timers, 2);
  giveUp();
  assert.equal(timers, 1);
  actor.release('moved', () => {});
  clock.settle();
  assert.deepEqual([told.length, timers], [1, 0]);
});

test('who asks again of one that was removed meanwhile is not answered from nothing', () => {
  const clock = createHandClock();
  const proposed: ((end: ItemEnd) => void)[] = [];
  const actor = new ReplicaActor(
    {
      ...{ name: 'a', version: 1, logic: fromTransition((state) => state, {}), durability: 'replicated', placement: 'sharded' },
      replies: { ask: ({ snapshot }) => (snapshot as unknown as { context: { n: number } }).context.n },
      ...{ input: () => undefined, restart: restartDefault, mailboxMax: 10, passivateAfterMs: null, remember: false },
      ...{ timers: 'deadline', resume: {}, migrate: {}, redact: [] },
    },
    { type: 'a', key: 'k', node: null },
    'a/k' as never,
    null,
    {
      ...{ clock, sink: { log: () => {}, count: () => {} }, formRef: (address) => address, record: () => null },
      fold: () => null,
      propose: (_item, done) => void proposed.push(done),
      ...{ onGone: () => {}, onGivenUp: () => {}, onDeadLetter: () => {}, lookAt: () => {} },
    },
  );
  const told: unknown[] = [];
  const how = { id: 'x', wantsReply: true, leftMs: 20_000, trail: { source: '', correlation: '' } };
  actor.deliver({ type: 'ask' }, how, (outcome) => told.push(outcome.ok ? 'ok' : outcome.failure.code));
  proposed[0]!({ type: 'applied', outcome: { type: 'again', failed: null } } as ItemEnd);
  clock.settle();
  assert.deepEqual(told, ['OUTCOME_UNKNOWN']);
});

test('whoever stops one is told what came of it: gone, surely not, or nobody knows', () => {
  const ends: [ItemEnd, string | null][] = [
    [{ type: 'applied', outcome: { type: 'ok', seq: 1, snapshot: null } }, null],
    [{ type: 'not-taken', failure: failure('NOT_READY', 'another leads') }, 'NOT_READY'],
    [{ type: 'unknown' }, 'OUTCOME_UNKNOWN'],
  ];
  for (const [end, expected] of ends) {
    const clock = createHandClock();
    const proposed: ((end: ItemEnd) => void)[] = [];
    const actor = new ReplicaActor(
      {
        ...{ name: 'a', version: 1, logic: fromTransition((state) => state, {}), durability: 'replicated' },
        ...{ placement: 'sharded', replies: {}, input: () => undefined, restart: restartDefault, mailboxMax: 10 },
        ...{ passivateAfterMs: null, remember: false, timers: 'deadline', resume: {}, migrate: {}, redact: [] },
      },
      { type: 'a', key: 'k', node: null },
      'a/k' as never,
      null,
      {
        ...{ clock, sink: { log: () => {}, count: () => {} }, formRef: (address) => address, record: () => null },
        fold: () => null,
        propose: (_item, done) => void proposed.push(done),
        ...{ onGone: () => {}, onGivenUp: () => {}, onDeadLetter: () => {}, lookAt: () => {} },
      },
    );
    const told: (string | null)[] = [];
    actor.stop(true, (why) => void told.push(why === null ? null : why.code));
    proposed[0]!(end);
    clock.settle();
    assert.deepEqual(told, [expected]);
  }
});
