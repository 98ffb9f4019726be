// Bulkheads by story: what runs, who waits, who is sent away and what he is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type BulkheadEffect,
  type BulkheadOptions,
  bulkheadDefaults,
  checkBulkhead,
  createBulkhead,
  type Importance,
  step,
  viewOf,
} from '../../../machines/bulkhead/index.ts';

const start = (given: Partial<BulkheadOptions> = {}) => {
  const state = createBulkhead({ options: { ...bulkheadDefaults, ...given }, nowMs: 0 });
  const one = {
    ...{ state, nowMs: 0, id: 0 },
    said: (effects: BulkheadEffect[]): string[] => {
      checkBulkhead(state);
      return effects.map((effect) => (effect.type === 'start' ? `start ${effect.id}` : `${effect.why} ${effect.id}`));
    },
    arrive: (importance: Importance = 'normal', principal = 'ada', deadlineMs: number | null = null): string[] =>
      one.said(step(state, one.nowMs, { type: 'arrived', id: ++one.id, importance, principal, deadlineMs })),
    end: (id: number): string[] => one.said(step(state, one.nowMs, { type: 'ended', id })),
    wake: (): string[] => one.said(step(state, one.nowMs, { type: 'wake' })),
    /** Calls that take so long, so that it is known. */
    learn: (tookMs: number, calls = 8): void => {
      for (let n = 0; n < calls; n++) {
        one.arrive();
        one.nowMs += tookMs;
        one.end(one.id);
      }
    },
  };
  return one;
};
const few = (critical: number, normal = critical, background = normal) => ({ runningMax: { critical, normal, background } });

test('so many run, so many wait, and the newest is sent away at once', () => {
  const one = start({ ...few(2), queueMax: 2 });
  assert.deepEqual([one.arrive(), one.arrive(), one.arrive(), one.arrive()], [['start 1'], ['start 2'], [], []]);
  assert.deepEqual(one.arrive(), ['full 5']);
  assert.deepEqual(one.end(2), ['start 3']);
  assert.deepEqual([one.end(1), one.end(4), one.end(3)], [['start 4'], [], []]);
});

test('without a queue nobody waits', () => {
  const one = start({ ...few(1), queueMax: 0 });
  assert.deepEqual([one.arrive(), one.arrive(), one.end(1), one.arrive()], [['start 1'], ['full 2'], [], ['start 3']]);
});

test('the more important go first and push the less important out, the newest of them first', () => {
  const one = start({ ...few(1), queueMax: 3 });
  one.arrive();
  assert.deepEqual([one.arrive('background'), one.arrive('background'), one.arrive('normal')], [[], [], []]);
  assert.deepEqual(one.arrive('critical'), ['displaced 3']);
  assert.deepEqual(one.arrive('normal'), ['displaced 2']);
  assert.deepEqual(one.arrive('background'), ['full 7']);
  assert.deepEqual([one.end(1), one.end(5), one.end(4)], [['start 5'], ['start 4'], ['start 6']]);
});

test('what matters little leaves room for what matters much', () => {
  const one = start(few(4, 3, 2));
  assert.deepEqual(
    [one.arrive('background'), one.arrive('background'), one.arrive('background')],
    [['start 1'], ['start 2'], []],
  );
  assert.deepEqual([one.arrive(), one.arrive(), one.arrive('critical')], [['start 4'], [], ['start 6']]);
  assert.deepEqual([one.end(6), one.end(4), one.end(5), one.end(2)], [[], ['start 5'], [], ['start 3']]);
});

test('each principal has his turn, however many another has waiting; and a flood drowns itself', () => {
  const one = start({ ...few(1), queueMax: 6 });
  for (let n = 0; n < 6; n++) one.arrive('normal', 'flood');
  one.arrive('normal', 'bob');
  assert.deepEqual(one.arrive('normal', 'eve'), ['displaced 6']);
  assert.deepEqual(one.arrive('normal', 'flood'), ['full 9']);
  const turns = [1, 2, 7, 8, 3, 4].map((id) => one.end(id)[0]);
  assert.deepEqual(turns, ['start 2', 'start 7', 'start 8', 'start 3', 'start 4', 'start 5']);
});

test('who is late is refused: at once if it is known, while waiting when it is, and never started', () => {
  const one = start(few(1));
  assert.deepEqual(one.arrive('normal', 'ada', 0), ['deadline-passed 1']);
  assert.deepEqual(one.arrive('normal', 'ada', Number.NaN), ['deadline-passed 2']);
  one.arrive();
  one.arrive('normal', 'ada', 100);
  one.arrive('normal', 'bob', 95);
  one.arrive('normal', 'bob', 9_000);
  assert.equal(one.state.deadlineMs, 95);
  one.nowMs = 95;
  assert.deepEqual(one.wake(), ['deadline-passed 5']);
  one.nowMs = 100;
  assert.equal(one.state.deadlineMs, 105, 'looked through at most every 10 ms');
  assert.deepEqual(one.end(3), ['deadline-passed 4', 'start 6']);
  one.arrive();
  one.nowMs = 100 + bulkheadDefaults.queueMsMax;
  assert.deepEqual(one.wake(), ['waited-too-long 7']);
  assert.equal(one.state.deadlineMs, Number.POSITIVE_INFINITY);
  one.arrive('normal', 'ada', one.nowMs + 1);
  assert.equal(one.state.deadlineMs, one.nowMs + 10, 'nobody else makes it look more often');
});

test('who has waited too long is not started either, not even between two looks', () => {
  const one = start({ ...few(1), queueMsMax: 100 });
  one.arrive();
  one.arrive('normal', 'ada');
  one.nowMs = 5;
  one.arrive('normal', 'ada');
  one.nowMs = 100;
  assert.deepEqual(one.wake(), ['waited-too-long 2']);
  one.nowMs = 105;
  assert.deepEqual(one.end(1), ['waited-too-long 3']);
});

test('a turn that nobody wants any more is not lost', () => {
  const one = start(few(1));
  one.arrive();
  one.arrive('normal', 'bob', 5);
  one.arrive('normal', 'bob');
  one.arrive('normal', 'eve');
  one.nowMs = 6;
  assert.deepEqual(one.end(1), ['deadline-passed 2', 'start 3']);
});

test('whoever cannot be served in time is refused when it arrives, once it is known how long calls take', () => {
  const one = start(few(2));
  one.learn(100, 7);
  for (let n = 0; n < 4; n++) one.arrive();
  assert.deepEqual(one.arrive('normal', 'ada', one.nowMs + 1), [], 'not yet known');
  one.nowMs += 100;
  one.end(8);
  one.arrive('critical');
  assert.deepEqual([...one.state.queue.of.keys()], [11, 13], 'two run, and of the two that wait one is critical');
  const arrive = (importance: Importance, leftMs: number): string[] => one.arrive(importance, 'eve', one.nowMs + leftMs);
  assert.deepEqual(arrive('background', 200), ['deadline-unreachable 14'], 'it would begin after 100 ms and end after 200');
  assert.deepEqual(arrive('background', 201), []);
  assert.deepEqual(arrive('critical', 150), ['deadline-unreachable 16'], 'after one that is as important');
  assert.deepEqual(arrive('critical', 151), []);
});

test('whoever waited until it cannot end in time is not begun; with room, everybody may try', () => {
  const one = start(few(1));
  one.learn(100);
  one.arrive();
  one.arrive('normal', 'ada', one.nowMs + 150);
  one.nowMs += 100;
  assert.deepEqual(one.end(9), ['deadline-unreachable 10']);
  assert.deepEqual(one.arrive('normal', 'ada', one.nowMs + 1), ['start 11']);
});

test('of calls that take now long and now short, nobody is sent away because most are long', () => {
  const one = start(few(1));
  for (let n = 0; n < 20; n++) one.learn(n % 4 === 0 ? 1 : 1_000, 1);
  one.arrive();
  assert.ok(viewOf(one.state, one.nowMs).meanMs! > 500);
  assert.deepEqual(one.arrive('normal', 'ada', one.nowMs + 200), []);
  const slower = start(few(1));
  slower.learn(1);
  slower.learn(1_000, 100);
  slower.arrive();
  assert.deepEqual(slower.arrive('normal', 'ada', slower.nowMs + 200), ['deadline-unreachable 110'], 'none is short any more');
});

test('when to come back: about when half of those who wait have begun; a second if nothing is known; never for what is late', () => {
  const retry = (effects: BulkheadEffect[]): number | null | undefined =>
    effects.flatMap((effect) => (effect.type === 'refuse' ? [effect.retryAfterMs] : []))[0];
  for (const [tookMs, expected] of [
    [null, 1_000],
    [40, 200],
    [1, 100],
    [1e6, 30_000],
  ] as const) {
    const one = start({ ...few(2), queueMax: 20 });
    if (tookMs !== null) one.learn(tookMs);
    for (let n = 0; n < 22; n++) one.arrive();
    const arrived = { type: 'arrived', id: 999, importance: 'normal', principal: 'ada', deadlineMs: null } as const;
    assert.equal(retry(step(one.state, one.nowMs, arrived)), expected);
    assert.equal(retry(step(one.state, one.nowMs, { ...arrived, deadlineMs: one.nowMs })), null);
  }
});

test('whoever is abandoned leaves, if he waits; what runs keeps its place until it has ended', () => {
  const one = start({ ...few(1), queueMax: 2 });
  for (let n = 0; n < 3; n++) one.arrive();
  for (const id of [1, 2, 77]) assert.deepEqual(one.said(step(one.state, 0, { type: 'abandoned', id })), []);
  assert.deepEqual(one.arrive(), [], 'there is room again');
  assert.equal(one.state.running.size, 1);
  assert.deepEqual(one.end(1), ['start 3']);
  assert.equal(one.state.counts.abandoned, 1);
});

test('when it stops, who waits is told so, and so is whoever comes; what runs ends', () => {
  const one = start(few(1));
  one.arrive();
  one.arrive('critical');
  one.arrive('background');
  assert.deepEqual(one.said(step(one.state, 0, { type: 'stop' })), ['stopping 2', 'stopping 3']);
  assert.deepEqual([one.arrive(), one.end(1), one.arrive()], [['stopping 4'], [], ['stopping 5']]);
});

test('what is shown: load, who waits, how long calls take, and the one that never ends', () => {
  const one = start(few(2));
  assert.deepEqual([viewOf(one.state, 5).meanMs, viewOf(one.state, 5).longestMs], [null, 0]);
  one.learn(10, 40);
  assert.ok(Math.abs(viewOf(one.state, one.nowMs).meanMs! - 10) < 1e-9);
  one.learn(20, 32);
  const { meanMs } = viewOf(one.state, one.nowMs);
  assert.ok(meanMs! > 15 && meanMs! < 18, `${meanMs}`);
  const beganMs = one.nowMs;
  one.arrive();
  one.nowMs += 500;
  for (const importance of ['critical', 'background', 'background'] as const) one.arrive(importance);
  const view = viewOf(one.state, beganMs + 1_000);
  assert.deepEqual(
    [view.running, view.waiting, view.load, view.longestMs],
    [...[2, { critical: 0, normal: 0, background: 2 }, 2, 1_000]],
  );
});

test('a clock that goes back stands still; no time at all, an id twice, and an end of what does not run are faults', () => {
  const one = start(few(1));
  one.nowMs = 100;
  one.arrive();
  one.arrive();
  one.nowMs = 50;
  one.end(1);
  assert.equal(one.state.running.get(2), 100);
  const fault = (invariant: string) => ({ name: 'InvariantBroken', invariant });
  assert.throws(() => step(one.state, Number.NaN, { type: 'wake' }), fault('time-is-finite'));
  assert.throws(() => one.end(1), fault('ended-was-running'));
  one.id = 1;
  assert.throws(() => one.arrive(), fault('ids-differ'));
});

test('options that make no sense are refused by name', () => {
  const wrong: [Partial<BulkheadOptions>, RegExp][] = [
    [few(0), /runningMax.critical must be a whole number from 1/],
    [few(4, 5), /runningMax.normal .* from 1 to 4, not 5/],
    [few(4, 3, 3.5), /runningMax.background/],
    [{ queueMax: -1 }, /queueMax .* from 0 to 4096/],
    [{ queueMsMax: Number.POSITIVE_INFINITY }, /queueMsMax .* not Infinity/],
  ];
  for (const [options, message] of wrong) assert.throws(() => start(options), { code: 'INVALID_REQUEST', message });
});

test('three times as much as it can do: what it does is in time, and who asks for little gets it', () => {
  const one = start({ ...few(4), queueMax: 32 });
  const [tookMs, endsMs] = [100, 20_000];
  const running: { id: number; endMs: number; deadlineMs: number }[] = [];
  const calls = new Map<number, { principal: string; deadlineMs: number }>();
  const done = { inTime: 0, late: 0, modest: 0, modestAsked: 0 };
  const take = (words: string[]): void => {
    for (const [what, id] of words.map((word) => word.split(' ') as [string, string]))
      if (what === 'start')
        running.push({ id: Number(id), endMs: one.nowMs + tookMs, deadlineMs: calls.get(Number(id))!.deadlineMs });
  };
  for (one.nowMs = 0; one.nowMs < endsMs; one.nowMs++) {
    while (running[0] !== undefined && running[0].endMs <= one.nowMs) {
      const { id, deadlineMs } = running.shift()!;
      if (one.nowMs > deadlineMs) done.late++;
      else done.inTime++;
      if (calls.get(id)!.principal === 'modest') done.modest++;
      take(one.end(id));
    }
    if (one.nowMs % 8 !== 0) continue;
    const principal = one.nowMs % 160 === 0 ? 'modest' : `flood${one.nowMs % 3}`;
    if (principal === 'modest') done.modestAsked++;
    calls.set(one.id + 1, { principal, deadlineMs: one.nowMs + 350 });
    take(one.arrive('normal', principal, one.nowMs + 350));
  }
  const possible = (endsMs / tookMs) * 4;
  assert.ok(done.inTime >= 0.97 * possible, `${done.inTime} of ${possible}`);
  assert.ok(done.late <= 4, `${done.late} were late`);
  assert.ok(done.modest >= 0.97 * done.modestAsked, `${done.modest} of ${done.modestAsked}`);
});
