// The judge of local timers knows when each was due from what its actor wrote, and blames what rings before, or later than its node explains.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type LogEntry, sealEntries } from '../../actors/actor-records.ts';
import { actorKeys } from '../../actors/keyspace.ts';
import { noChecksum } from '../../actors/log-batch.ts';
import { LocalTimers, TimerTwin } from '../../sim/actors/timer-twin.ts';
import type { Disk } from '../../sim/disk.ts';
import { Wounds } from '../../sim/nemesis/wounds.ts';
import type { SimulatedNode } from '../../sim/node.ts';
import { ClockSkew, wallMsOf } from '../../sim/process.ts';
import { Trace } from '../../sim/trace.ts';
import { World } from '../../sim/world.ts';

const wait = (atMs: number, n = 7): LogEntry => ({
  ...{ kind: 'event', atMs, event: { type: 'wait', n, ms: 1_000 } as never, id: null, isAsked: false },
});
const woken = (atMs: number): LogEntry => ({ kind: 'woken', atMs });
const fire = (atMs: number, n = 7): LogEntry => ({ kind: 'fire', atMs, timer: `t${n}` });
const clock = { aheadMs: 0, rate: 0 };

describe('the twin', () => {
  for (const [type, dueMs] of [
    ['diary', 1_100],
    // 300 of it had passed when something was written last.
    ['kettle', 9_700],
    ['hourglass', 10_000],
  ] as const)
    test(`knows when the timer of a ${type} is due after it was read again`, () => {
      const twin = new TimerTwin(type);
      twin.wrote(2, [wait(100), wait(100, 8)], clock);
      twin.wrote(4, [wait(400, 9)], clock);
      twin.wrote(5, [woken(9_000), fire(9_500, 8)], clock);
      assert.equal(twin.ringing(7), null, 'it has not rung');
      twin.wrote(7, [fire(10_500)], clock);
      assert.deepEqual(twin.ringing(7), { ms: 1_000, dueMs, rangMs: 10_500, clock });
    });

  test('counts a rest as something that was written, and forgets what never reached the disk', () => {
    const twin = new TimerTwin('kettle');
    twin.wrote(2, [wait(100)], clock);
    twin.rested(2, 600);
    twin.wrote(3, [woken(5_000), woken(6_000)], clock);
    twin.wrote(4, [fire(5_500)], clock);
    assert.equal(twin.ringing(7)?.dueMs, 5_500);
  });
});

test('a timer waits for the alarm of one that was set before it', () => {
  const twin = new TimerTwin('diary');
  const later = { aheadMs: 500, rate: 0 };
  twin.wrote(2, [wait(100, 1)], clock);
  twin.wrote(3, [wait(200)], later);
  twin.wrote(4, [fire(1_700, 1), fire(1_700)], later);
  twin.wrote(6, [wait(2_000, 8)], later);
  twin.wrote(7, [fire(3_000, 8)], later);
  assert.deepEqual([twin.ringing(7)?.clock, twin.ringing(8)?.clock], [clock, later]);
});

test('the time of an actor does not go back with the clock of its node', () => {
  const twin = new TimerTwin('diary');
  twin.wrote(2, [wait(5_000, 1)], clock);
  twin.rested(2, 6_000);
  twin.wrote(3, [wait(100)], clock);
  twin.wrote(4, [fire(7_000)], clock);
  assert.equal(twin.ringing(7)?.dueMs, 7_000);
});

const address = { type: 'diary', key: 'd', node: 'n1' };

const timing = () => {
  const world = new World(1, new Trace({ linesMax: 0 }));
  const skew = new ClockSkew(1, 0);
  const disk = {
    identity: 'peer-n1-1',
    busyUntilMs: 0,
    slowness: 1,
    failing: null,
    unreadable: null,
    options: { syncMs: [0.1, 10] },
    onChanged: null,
  };
  const process = { label: 'n1#1', isPaused: false, slowness: 1, longestWaitMs: 0 };
  const api = { status: () => ({ state: 'ready' }) };
  const node = { name: 'n1', disk, process, api, skew } as unknown as SimulatedNode;
  const blamed: string[] = [];
  const timers = new LocalTimers(world, [node], [address], new Wounds(), (rule, what) => blamed.push(`${rule}: ${what}`));
  const keys = actorKeys(address.type, address.key);
  const now = (): number => wallMsOf(world, skew);
  const writes = (first: number, entry: LogEntry): void => {
    const key = keys.log(first);
    (disk as unknown as Disk).onChanged!(key, sealEntries(key, noChecksum, 0, [entry]).value);
  };
  const pass = (ms: number): void => {
    for (let at = 0; at < ms; at += 10) {
      world.run(10, () => false);
      timers.look();
    }
  };
  timers.look();
  pass(100);
  writes(2, wait(now()));
  /** After so long. */
  const rings = (ms: number): string[] => {
    pass(ms);
    writes(3, fire(now()));
    timers.rang(address, 7);
    return blamed;
  };
  return { rings, pass, process, skew, timers, node };
};

describe('local timers', () => {
  test('ring at their instant, and no later than two writes and a reading explain', () => {
    assert.deepEqual(timing().rings(1_000), []);
    assert.deepEqual(timing().rings(1_020), []);
    assert.match(timing().rings(990)[0]!, /^no timer rings early: that of 7 at diary\/d@n1, .* \(10 ms\)$/);
    assert.match(
      timing().rings(1_030)[0]!,
      /^timers ring in time: that of 7 at diary\/d@n1, .* 30 ms later, where 25 are allowed$/,
    );
  });

  test('wait for a node that is paused, or has much to do, and begin anew with an actor that failed', () => {
    const paused = timing();
    paused.process.isPaused = true;
    paused.pass(1_500);
    paused.process.isPaused = false;
    assert.deepEqual(paused.rings(20), []);
    const busy = timing();
    busy.pass(900);
    busy.process.longestWaitMs = 50;
    assert.deepEqual(busy.rings(300), []);
    const failed = timing();
    failed.pass(950);
    failed.timers.failed(address);
    assert.deepEqual(failed.rings(200), []);
  });

  test('do not see a clock jump ahead, and never ring before what it shows', () => {
    const jumps = (ms: number, after: number): string[] => {
      const { skew, rings, pass } = timing();
      pass(500);
      skew.wallAheadMs += ms;
      pass(20);
      return rings(after);
    };
    assert.deepEqual(jumps(2_000, 480), []);
    assert.match(jumps(-200, 480)[0]!, /^no timer rings early/);
  });
});
