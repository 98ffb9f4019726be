// The judges of calls see what they should: each promise broken by hand is named, and what is right is let pass. That they see it in a
// cluster too is what mutants prove (test/mutants/bugs/calls.ts).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Outcome } from '../../actors/api.ts';
import { type BreakersDoor, createBreakers } from '../../actors/breakers.ts';
import { breakerDefaults } from '../../machines/breaker/index.ts';
import { type ErrorCode, failure } from '../../machines/errors.ts';
import { BreakerTwins } from '../../sim/calls/breaker-twin.ts';
import { type Call, CallsJudge, type Run, type Work } from '../../sim/calls/judge.ts';
import { runSeed } from '../../sim/index.ts';
import { createHandClock, quietSink } from '../actors/hand-clock.ts';

const judging = () => {
  let nowMs = 0;
  const judge = new CallsJudge(() => nowMs);
  return {
    judge,
    passes: (ms: number) => {
      nowMs += ms;
    },
    asks: (more: Partial<Work> = {}): Work =>
      judge.asks({
        ...{ service: 's', method: 'add', how: 'ok', takesMs: 1, items: 0, isIdempotent: false, requestId: null },
        ...more,
      }),
    calls: (work: Work, asked = 0): Call => judge.begins(work, { node: 'n1', life: 'n1#1', dueMs: nowMs + 100, asked }),
    executes: (work: Work, life = 'n2#1'): Run => judge.executes(work, { node: 'n2', life, dueMs: nowMs + 100, caller: 'p1' })!,
    ends: (call: Call, ending: ErrorCode | Run) => {
      const outcome: Outcome<unknown> =
        typeof ending === 'string'
          ? { ok: false, failure: failure(ending, '') }
          : { ok: true, value: ending.work.items > 0 ? null : { run: ending.number } };
      judge.ends(call, outcome, { node: 'n2', attempts: 1, isStream: false });
    },
  };
};

describe('whoever calls', () => {
  test('is told ok for what was done for him, once', () => {
    const { judge, asks, calls, executes, ends } = judging();
    const work = asks();
    const call = calls(work);
    const run = executes(work);
    judge.effects(run);
    ends(call, run);
    assert.equal(judge.violation, null);
    ends(call, run);
    assert.match(judge.violation!, /^a call ends once: call 0 of s\.add 0 \(ok\) by n1#1/);
  });

  test('is not told ok for nothing, nor for what was done for another', () => {
    const idle = judging();
    const work = idle.asks();
    const call = idle.calls(work);
    idle.ends(call, idle.executes(work));
    assert.match(idle.judge.violation!, /^who is told ok has it/);
    const other = judging();
    const [mine, his] = [other.asks(), other.asks()];
    other.calls(his);
    other.ends(other.calls(mine), other.executes(his));
    assert.match(other.judge.violation!, /^results are of the call/);
  });

  test('is not told that nothing happened if it did, before or after', () => {
    for (const isBefore of [true, false]) {
      const { judge, asks, calls, executes, ends } = judging();
      const work = asks();
      const call = calls(work);
      const run = executes(work);
      if (isBefore) judge.effects(run);
      ends(call, 'DEADLINE_EXCEEDED');
      if (!isBefore) judge.effects(run);
      assert.match(judge.violation!, /^a definite failure did nothing/);
    }
    const { judge, asks, calls, executes, ends } = judging();
    const work = asks();
    const call = calls(work);
    judge.effects(executes(work));
    ends(call, 'OUTCOME_UNKNOWN');
    assert.equal(judge.violation, null);
  });

  test('gets the items of a stream in order, as many as he asked for, and all of them before its end', () => {
    const streaming = () => {
      const world = judging();
      const work = world.asks({ method: 'items', items: 3, isIdempotent: true });
      return { ...world, call: world.calls(work, 2), run: world.executes(work) };
    };
    const order = streaming();
    order.judge.gets(order.call, { run: 0, at: 1 });
    assert.match(order.judge.violation!, /^items come in order/);
    const more = streaming();
    for (const at of [0, 1, 2]) more.judge.gets(more.call, { run: 0, at });
    assert.match(more.judge.violation!, /^items are asked for/);
    const short = streaming();
    short.judge.gets(short.call, { run: 0, at: 0 });
    short.ends(short.call, short.run);
    assert.match(short.judge.violation!, /^a stream is whole/);
    const after = streaming();
    after.ends(after.call, 'CANCELLED');
    after.judge.gets(after.call, { run: 0, at: 0 });
    assert.match(after.judge.violation!, /^a call ends once/);
    const handler = streaming();
    handler.run.wanted = 5;
    handler.judge.gives(handler.run);
    assert.match(handler.judge.violation!, /^items are asked for: n2#1 is asked for 5 items/);
  });

  test('hears the end in time, unless his process does not run', () => {
    const { judge, asks, calls, passes } = judging();
    calls(asks());
    passes(250);
    judge.late(100, () => 200);
    assert.equal(judge.violation, null);
    judge.late(100, () => 0);
    assert.match(judge.violation!, /^a call ends in time/);
  });
});

describe('what is called', () => {
  test('is not executed twice if it may not be repeated, and not for ever if it may', () => {
    const once = judging();
    const work = once.asks();
    once.calls(work);
    once.executes(work);
    assert.equal(once.judge.violation, null);
    once.executes(work, 'n3#1');
    assert.match(
      once.judge.violation!,
      /^what may not be repeated is done once: s\.add 0 \(ok\) is executed 2 times: n2#1, n3#1/,
    );
    const often = judging();
    const put = often.asks({ method: 'put', isIdempotent: true });
    often.calls(put);
    for (let n = 0; n < 4; n++) often.executes(put, `n${n}#1`);
    assert.equal(often.judge.violation, null);
    often.executes(put);
    assert.match(often.judge.violation!, /^attempts are bounded/);
  });

  test('has one effect at one process under one request id', () => {
    const { judge, asks, calls, executes } = judging();
    const work = asks({ requestId: 'r' });
    calls(work);
    calls(work);
    executes(work, 'n2#1');
    executes(work, 'n2#2');
    assert.equal(judge.violation, null, 'a process that began anew knows nothing');
    executes(work, 'n2#2');
    assert.match(judge.violation!, /^a request id has one effect/);
  });

  test('ends in time, unless it stops for nobody or its process is gone', () => {
    const { judge, asks, executes, calls, ends, passes } = judging();
    for (const how of ['stubborn', 'hang'] as const) {
      const work = asks({ how });
      ends(calls(work), 'OUTCOME_UNKNOWN');
      executes(work, how === 'hang' ? 'n2#1' : 'n3#1');
    }
    passes(250);
    judge.late(100, (life) => (life === 'n2#1' ? 200 : 0));
    assert.equal(judge.violation, null);
    judge.late(100, () => 0);
    assert.match(judge.violation!, /^what is executed ends in time: s\.add 1 \(hang\) at n2#1/);
    judge.living(new Set(['n3#1']));
    assert.deepEqual(
      [...judge.openRuns].map(({ work }) => work.how),
      ['stubborn'],
    );
  });

  test('was asked for', () => {
    const { judge } = judging();
    judge.executes(undefined, { node: 'n2', life: 'n2#1', dueMs: 1, caller: 'p1' });
    assert.match(judge.violation!, /^what is executed was asked for/);
  });
});

describe('beside a breaker', () => {
  const options = { ...breakerDefaults, failuresMax: 2, jitter: 0 };
  const twinned = (lie: (door: BreakersDoor) => Partial<BreakersDoor> = () => ({})) => {
    const clock = createHandClock();
    const real = createBreakers({
      options,
      identity: 'x',
      clock,
      sink: quietSink(),
      nameOf: () => null,
      peerCalled: () => 'p',
    });
    const twins = new BreakerTwins('n1#1', { ...real, ...lie(real) }, clock, options);
    const { door } = twins;
    const fail = (times: number): void => {
      for (let n = 0; n < times; n++) door.settle('p', 's', door.admit('p', 's'), 'UNREACHABLE', 1);
    };
    return { clock, twins, door, fail, real };
  };

  test('its twin agrees with it, through all that it does', () => {
    const { clock, twins, door, fail } = twinned();
    fail(2);
    assert.equal(door.admit('p', 's'), 0);
    clock.pass(60_000);
    const probe = door.admit('p', 's');
    assert.equal(door.admit('p', 's'), 0);
    door.settle('p', 's', probe, 'UNREACHABLE', 1);
    clock.pass(120_000);
    door.settle('p', 's', door.admit('p', 's'), null, 1);
    fail(1);
    for (const command of ['open', 'close', 'reset'] as const) {
      door.api.commandBreaker({ node: 'p', service: 's' }, command);
      const ticket = door.admit('p', 's');
      assert.equal(ticket > 0, command !== 'open');
      if (ticket > 0) door.settle('p', 's', ticket, null, 1);
    }
    fail(2);
    door.members([{ peer: 'p', before: 'alive', after: 'left', why: 'said' }]);
    fail(1);
    assert.deepEqual([twins.violation, twins.open], [null, 0]);
  });

  test('a call is told that passes an open one, or a half-open one beside its probe', () => {
    const open = twinned(() => ({ admit: () => 1 }));
    open.fail(0);
    open.real.api.commandBreaker({ node: 'p', service: 's' }, 'open');
    open.door.admit('p', 's');
    assert.match(open.twins.violation!, /of p s: it lets through a call while it is held-open/);
    const closed = twinned(() => ({ admit: () => 0 }));
    closed.door.admit('p', 's');
    assert.match(closed.twins.violation!, /it refuses a call while it is closed/);
  });

  test('an end is told that is told twice, or of what did not begin; what never ended is counted', () => {
    const { twins, door } = twinned();
    const ticket = door.admit('p', 's');
    assert.equal(twins.open, 1);
    door.settle('p', 's', ticket, null, 1);
    door.settle('p', 's', ticket, null, 1);
    assert.match(twins.violation!, /the end of a call is told that was not let through, or twice/);
  });

  test('one that does not open, or opens for too long, is told', () => {
    const deaf = twinned(() => ({ settle: () => {} }));
    deaf.fail(2);
    assert.match(deaf.twins.violation!, /it is closed, not open, after UNREACHABLE/);
    const clock = createHandClock();
    const settings = { ...options, openMs: 5_000 };
    const slow = createBreakers({
      options: settings,
      identity: 'x',
      clock,
      sink: quietSink(),
      nameOf: () => null,
      peerCalled: () => null,
    });
    const twins = new BreakerTwins('n1#1', slow, clock, options);
    for (let n = 0; n < 2; n++) twins.door.settle('p', 's', twins.door.admit('p', 's'), 'UNREACHABLE', 1);
    assert.match(twins.violation!, /it is open for 5000 ms the 1\. time, not for 60000/);
  });
});

test('the same seed is the same run', () => {
  const run = () => runSeed(3, { scenario: 'calls', nodes: 3, timeMs: 1_500 });
  const [one, other] = [run(), run()];
  assert.equal(one.verdict, 'held', one.reason);
  assert.equal(one.hash, other.hash);
  assert.ok((one.calls.ok ?? 0) > 50, JSON.stringify(one.calls));
});
