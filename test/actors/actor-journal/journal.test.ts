// Actors whose state is on this node's disk: what is acknowledged is kept, what is told is done after that, and they are read again as
// they were.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assign, fromCallback, fromPromise, fromTransition, sendTo, setup } from 'xstate';
import { type ActorEnd, type LiveActor, refMark } from '../../../actors/actor-api.ts';
import { currentExecution } from '../../../actors/actor-execution.ts';
import { historyLimits } from '../../../actors/actor-history.ts';
import type { Outcome } from '../../../actors/api.ts';
import { openRecord, sealRecord } from '../../../actors/log-batch.ts';
import { addressLimits } from '../../../machines/entity/address.ts';
import { postLimits } from '../../../machines/entity/post-limits.ts';
import { addressOf, ask, contextOf, define, killed, nobody, opened, openRoom, outcomeOf, stateOf, stopped } from './world.ts';

type Counted = { type: 'add'; by: number } | { type: 'break' } | { type: 'get' };

const counter = fromTransition((n: number, event: Counted) => {
  if (event.type === 'break') throw new Error('it broke');
  return event.type === 'add' ? n + event.by : n;
}, 0);

const replies = { get: ({ snapshot }: { snapshot: unknown }) => (snapshot as { context: number }).context };
const counting = define(counter, { replies });

const add = (live: LiveActor, by = 1): void => assert.equal(live.send({ type: 'add', by } as never, nobody), null);

test('what was acknowledged is there after the process was killed', () => {
  let room = openRoom();
  let live = opened(room, counting);
  for (let n = 1; n <= 5; n++) add(live, n);
  assert.deepEqual(ask(room, live, { type: 'get' }), [{ ok: true, value: 15 }]);
  for (let times = 0; times < 3; times++) {
    room = killed(room);
    live = opened(room, counting);
    assert.equal(contextOf(live), 15 + times);
    add(live);
    room.clock.settle();
  }
});

test('an event is on the disk before it is handled, and everybody of a turn shares a write', () => {
  const room = openRoom();
  const lives = ['a', 'b', 'c'].map((key) => opened(room, counting, key));
  const before = room.storage.batches.length;
  for (const live of lives) for (let n = 0; n < 10; n++) add(live);
  assert.equal(contextOf(lives[0]!), 0);
  room.clock.settle();
  assert.deepEqual(lives.map(contextOf), [10, 10, 10]);
  const durable = room.storage.batches.slice(before).filter((batch) => batch.durable);
  assert.equal(durable.length, 1);
});

test('a delivery under an id that was handled has one effect, and is answered once more; restored, too', () => {
  let room = openRoom();
  let live = opened(room, counting);
  assert.deepEqual(ask(room, live, { type: 'add', by: 1 } as never, 'x', false), [{ ok: true, value: null }]);
  assert.deepEqual(ask(room, live, { type: 'add', by: 1 } as never, 'x', false), [{ ok: true, value: null }]);
  const twice: unknown[] = [];
  const how = { id: 'y', wantsReply: false, leftMs: 1_000, trail: nobody };
  for (let times = 0; times < 2; times++)
    live.deliver({ type: 'add', by: 1 } as never, how, (outcome) => void twice.push(outcome.ok));
  room.clock.settle();
  assert.deepEqual(twice, [true, true]);
  for (const again of [killed, stopped]) {
    room = again(room);
    live = opened(room, counting);
    for (const id of ['x', 'y']) ask(room, live, { type: 'add', by: 1 } as never, id, false);
    assert.equal(contextOf(live), 2);
  }
});

test('a snapshot takes the place of a log that has become long', () => {
  let room = openRoom();
  let live = opened(room, { ...counting, mailboxMax: 10_000 });
  for (let n = 0; n < 3_500; n++) add(live);
  room.clock.settle();
  room.clock.pass(100);
  const logs = [...room.storage.contents().keys()].filter((key) => key.includes('\0l'));
  assert.ok(logs.length < 1_000 / 128 + 2, `${logs.length} values are left of the log`);
  room = killed(room);
  live = opened(room, counting);
  assert.equal(contextOf(live), 3_500);
});

test('an actor that fails begins anew without the event that it failed over, which is a dead letter and stays passed over', () => {
  let room = openRoom();
  let live = opened(room, counting);
  add(live, 1);
  const answers = ask(room, live, { type: 'break' }, null, false);
  add(live, 2);
  assert.equal(answers[0]?.ok, false);
  assert.equal(live.view().state, 'backoff');
  room.clock.pass(1_000);
  assert.deepEqual([live.view().state, live.view().restarts, contextOf(live)], ['running', 1, 3]);
  room = killed(room);
  live = opened(room, counting);
  assert.equal(contextOf(live), 3);
  live.send({ type: 'break' }, nobody);
  room.clock.settle();
  assert.deepEqual(
    room.letters.view().recent.map(({ event, reason }) => [event, reason]),
    [['break', 'ACTOR_FAILED']],
  );
});

test('one that fails too often is given up; its state stays and it is read again when the node begins anew', () => {
  let room = openRoom();
  const brittle = define(counter, { restart: { ...counting.restart, failuresMax: 1 } });
  let live = opened(room, brittle);
  add(live, 7);
  const ends: unknown[] = [];
  live.subscribe(
    () => {},
    (end) => void ends.push((end as ActorEnd).reason),
  );
  for (let times = 0; times < 2; times++) {
    live.send({ type: 'break' }, nobody);
    room.clock.pass(1_000);
  }
  assert.deepEqual([live.view().state, ends], ['failed', ['failed']]);
  assert.equal(live.send({ type: 'add', by: 1 } as never, nobody)?.code, 'ACTOR_FAILED');
  room = stopped(room);
  live = opened(room, brittle);
  assert.equal(contextOf(live), 7);
});

const seen: (string | null)[] = [];
const door = setup({
  types: {} as { context: { opened: number; friend: unknown } },
  actions: { ring: () => void seen.push(currentExecution()?.effectId ?? null) },
  actors: { work: fromPromise(async () => 'worked') },
}).createMachine({
  initial: 'shut',
  context: { opened: 0, friend: { [refMark]: addressOf('b', 'friend'), send() {} } as unknown },
  states: {
    shut: {
      on: {
        open: {
          target: 'ajar',
          actions: [
            'ring',
            assign({ opened: ({ context }) => context.opened + 1 }),
            sendTo(({ context }) => context.friend as never, { type: 'hi' } as never),
          ],
        },
      },
    },
    ajar: { after: { 1000: 'shut' }, on: { push: 'wide' } },
    wide: { invoke: { src: 'work', id: 'work', onDone: 'done' } },
    done: { type: 'final' },
  },
});
const doors = define(door);

test('actions are done after the event is on the disk, under an id, and messages go out under theirs', () => {
  seen.length = 0;
  const room = openRoom();
  const live = opened(room, doors);
  live.send({ type: 'open' }, nobody);
  assert.deepEqual(seen, []);
  room.clock.settle();
  const [rung, ...others] = seen as readonly string[];
  assert.match(rung!, /^[0-9a-f]{32}\.2\.0$/);
  assert.deepEqual(others, []);
  assert.deepEqual(room.sent, [{ to: 'friend/b@n1', event: { type: 'hi' }, effectId: rung!.replace(/0$/, '1') }]);
});

test('what nobody knows was done is done once more after a crash, under the same id; what was surely done is not', () => {
  seen.length = 0;
  const room = openRoom();
  const live = opened(room, doors);
  live.send({ type: 'open' }, nobody);
  room.clock.settle();
  const lost = killed(room);
  opened(lost, doors);
  assert.equal(seen.length, 2);
  assert.equal(seen[1], seen[0]);
  room.clock.pass(100);
  const known = killed(room);
  opened(known, doors);
  assert.equal(seen.length, 2);
});

test('what is done once more after a crash is what its own entry wanted, also behind one that wanted nothing', () => {
  const done: (string | null)[] = [];
  const bells = define(
    setup({ actions: { ring: () => void done.push(currentExecution()?.effectId ?? null) } }).createMachine({
      on: { ring: { actions: 'ring' }, rest: {} },
    }),
  );
  const room = openRoom();
  const live = opened(room, bells);
  for (const type of ['rest', 'ring']) live.send({ type }, nobody);
  room.clock.settle();
  opened(killed(room), bells);
  const [first, second, ...others] = done as readonly string[];
  assert.match(first!, /\.3\.0$/);
  assert.deepEqual([second, others], [first, []]);
});

for (const [timers, left] of [
  ['deadline', 0],
  ['remaining', 400],
  ['restart', 1_000],
] as const)
  test(`timers are ${timers} when their actor is read again`, () => {
    const policy = define(door, { timers });
    let room = openRoom();
    opened(room, policy).send({ type: 'open' }, nobody);
    room.clock.pass(600);
    room = stopped(room, 10_000);
    const live = opened(room, policy);
    room.clock.settle();
    if (left > 0) {
      room.clock.pass(left - 1);
      assert.equal(stateOf(live), 'ajar');
    }
    room.clock.pass(1);
    room.clock.settle();
    assert.equal(stateOf(live), 'shut');
  });

test('an actor whose timer is due wakes without a message, whether it was put to rest or killed', () => {
  for (const again of [stopped, killed]) {
    let room = openRoom();
    opened(room, doors).send({ type: 'open' }, nobody);
    room.clock.pass(100);
    room = again(room);
    assert.equal(room.journal.find(addressOf()), null);
    room.journal.hosted(doors);
    room.clock.pass(2_000);
    const live = room.journal.find(addressOf());
    assert.equal(live === null ? null : stateOf(live), 'shut');
  }
});

test('one whose timers count from when it is read is read as soon as its node begins anew, not when they would have been due', () => {
  for (const [timers, left] of [
    ['remaining', 400],
    ['restart', 1_000],
  ] as const)
    for (const again of [stopped, killed]) {
      const policy = define(door, { timers });
      let room = openRoom();
      opened(room, policy).send({ type: 'open' }, nobody);
      room.clock.pass(600);
      // That long ago something was written last.
      opened(room, policy).send({ type: 'nothing' }, nobody);
      room.clock.settle();
      room = again(room, 100);
      room.journal.hosted(policy);
      room.clock.settle();
      room.clock.pass(left - 1);
      assert.equal(stateOf(room.journal.find(addressOf())!), 'ajar', timers);
      room.clock.pass(1);
      room.clock.settle();
      assert.equal(stateOf(room.journal.find(addressOf())!), 'shut', timers);
    }
});

test('timers that count from when their actor is read keep it in memory: to leave for a while would put them off', () => {
  for (const timers of ['remaining', 'restart'] as const) {
    const room = openRoom();
    const idle = define(door, { timers, passivateAfterMs: 200 });
    room.journal.hosted(idle);
    opened(room, idle).send({ type: 'open' }, nobody);
    room.clock.settle();
    room.clock.pass(999);
    assert.equal(stateOf(opened(room, idle)), 'ajar', timers);
    room.clock.pass(1);
    room.clock.settle();
    assert.equal(stateOf(opened(room, idle)), 'shut', timers);
    room.clock.pass(1_000);
    assert.equal(room.journal.size, 0, 'then it leaves');
  }
});

test('one that nobody needs leaves the memory, and its timer wakes it', () => {
  const room = openRoom();
  const idle = define(door, { passivateAfterMs: 200 });
  room.journal.hosted(idle);
  opened(room, idle).send({ type: 'open' }, nobody);
  room.clock.pass(600);
  assert.equal(room.journal.size, 0);
  room.clock.pass(450);
  assert.equal(room.journal.size, 1);
});

test('what was invoked is begun again when its actor is read again', async () => {
  let room = openRoom();
  let live = opened(room, doors);
  for (const type of ['open', 'push']) live.send({ type }, nobody);
  room.clock.settle();
  room = killed(room);
  live = opened(room, doors);
  assert.equal(stateOf(live), 'wide');
  await new Promise<void>((resolve) => setImmediate(resolve));
  const ends: unknown[] = [];
  live.subscribe(
    () => {},
    (end) => void ends.push((end as ActorEnd).reason),
  );
  room.clock.settle();
  assert.deepEqual(ends, ['done']);
});

test('one that came to its end says so from then on; only when it is stopped, another can be made', async () => {
  let room = openRoom();
  const live = opened(room, doors);
  for (const type of ['open', 'push']) live.send({ type }, nobody);
  room.clock.settle();
  await new Promise<void>((resolve) => setImmediate(resolve));
  room.clock.settle();
  assert.equal(room.journal.size, 0);
  for (const again of [stopped, killed]) {
    room = again(room);
    const ended = opened(room, doors);
    assert.equal(ended.send({ type: 'open' }, nobody)?.code, 'ACTOR_STOPPED');
    const ends: unknown[] = [];
    ended.subscribe(
      () => {},
      (end) => void ends.push((end as ActorEnd).reason),
    );
    assert.deepEqual(ends, ['done']);
  }
  const ended = opened(room, doors);
  ended.stop(true, () => {});
  room.clock.settle();
  assert.equal(stateOf(opened(room, doors)), 'shut');
});

test('a stop leaves nothing on the disk; what waits is handled first, unless it is hard', () => {
  for (const isHard of [false, true]) {
    const room = openRoom();
    const live = opened(room, counting);
    const answers: unknown[] = [];
    live.deliver(
      { type: 'get' },
      { id: null, wantsReply: true, leftMs: 1_000, trail: nobody },
      (outcome) => void answers.push(outcome.ok),
    );
    let isOver = false;
    live.stop(isHard, () => {
      isOver = true;
    });
    room.clock.settle();
    assert.deepEqual([isOver, answers], [true, [!isHard]]);
    assert.deepEqual([...room.storage.contents().keys()], []);
    assert.equal(outcomeOf(room, counting, 'a', true).ok, false);
  }
});

test('what one handled that was stopped since is not done by the next of its name, for as long as ids are kept', () => {
  const sums = define(counter, { replies: { ...replies, add: replies.get } });
  let room = openRoom();
  room.journal.hosted(sums);
  const one = { type: 'add', by: 1 } as never;
  const stop = (): void => {
    opened(room, sums).stop(true, () => {});
    room.clock.settle();
  };
  assert.deepEqual(ask(room, opened(room, sums), one, 'asked'), [{ ok: true, value: 1 }]);
  assert.deepEqual(ask(room, opened(room, sums), one, 'told', false), [{ ok: true, value: null }]);
  ask(room, opened(room, sums), { type: 'break' }, 'failed', false);
  room.clock.pass(1_000);
  for (const again of [() => room, killed, stopped]) {
    stop();
    room = again(room);
    room.journal.hosted(sums);
    const live = opened(room, sums);
    const [asked] = ask(room, live, one, 'asked');
    assert.equal(asked?.ok === false ? asked.failure.code : asked?.value, 'ACTOR_REFUSED');
    assert.deepEqual(ask(room, live, one, 'told', false), [{ ok: true, value: null }]);
    assert.equal(contextOf(live), 0);
    // What the one before it failed over was not done.
    const [failed] = ask(room, live, { type: 'break' }, 'failed', false);
    assert.equal(failed?.ok === false ? failed.failure.code : '', 'ACTOR_FAILED');
    room.clock.pass(1_000);
  }
  stop();
  assert.deepEqual(
    [...room.storage.contents().keys()].map((key) => key[0]),
    ['a', 'b'],
  );
  room.clock.pass(historyLimits.idsKeptMs + 20_000);
  assert.deepEqual([...room.storage.contents().keys()], []);
  assert.deepEqual(ask(room, opened(room, sums), one, 'asked'), [{ ok: true, value: 1 }]);
});

test('what stopped actors were delivered is swept by whatever process is there when its time is over', () => {
  let room = openRoom();
  for (let n = 0; n < 600; n++) {
    ask(room, opened(room, counting, `k${n}`), { type: 'add', by: 1 } as never, 'x', false);
    opened(room, counting, `k${n}`).stop(true, () => {});
  }
  room.clock.settle();
  assert.equal(room.storage.contents().size, 1_200);
  room = killed(room, historyLimits.idsKeptMs / 2);
  room.journal.hosted(counting);
  room.clock.settle();
  assert.equal(room.storage.contents().size, 1_200);
  room = killed(room, historyLimits.idsKeptMs / 2 + 10_000);
  room.journal.hosted(counting);
  room.clock.pass(100);
  assert.deepEqual([...room.storage.contents().keys()], []);
});

test('whoever only wants what was made is told that there is nothing', () => {
  const room = openRoom();
  const outcome = outcomeOf(room, counting, 'a', true);
  assert.equal(outcome.ok ? '' : outcome.failure.code, 'ACTOR_STOPPED');
  assert.equal(room.journal.size, 0);
});

test('a state of an older version is migrated, one of a newer is refused and stays', () => {
  let room = openRoom();
  const first = opened(room, counting);
  add(first, 4);
  room = stopped(room);
  const doubled = {
    1: (snapshot: unknown) => ({ ...(snapshot as object), context: (snapshot as { context: number }).context * 2 }),
  };
  const second = define(counter, { version: 2, replies, migrate: doubled });
  assert.equal(contextOf(opened(room, second)), 8);
  room = stopped(room);
  const refused = outcomeOf(room, counting);
  assert.equal(refused.ok ? '' : refused.failure.code, 'ACTOR_VERSION');
  assert.equal(contextOf(opened(room, second)), 8);
});

test('what is left of a timer is the same for who reads an actor that was migrated when it was woken, and killed then', () => {
  for (const [timers, left] of [
    ['deadline', 0],
    ['remaining', 300],
    ['restart', 1_000],
  ] as const) {
    const migrate = { 1: (snapshot: unknown) => snapshot };
    const next = define(door, { version: 2, timers, migrate });
    let room = openRoom();
    opened(room, define(door, { timers })).send({ type: 'open' }, nobody);
    room.clock.pass(600);
    room = stopped(room, 10_000);
    const migrated = opened(room, next);
    room.clock.pass(100);
    migrated.send({ type: 'nothing' }, nobody);
    room.clock.settle();
    room = killed(room, 100);
    const live = opened(room, next);
    room.clock.settle();
    if (left > 0) {
      room.clock.pass(left - 1);
      assert.equal(stateOf(live), 'ajar', timers);
    }
    room.clock.pass(1);
    room.clock.settle();
    assert.equal(stateOf(live), 'shut', timers);
  }
});

test('what a migration makes that is no snapshot is refused, and the state stays as it was', () => {
  let room = openRoom();
  add(opened(room, counting), 4);
  room = stopped(room);
  const made: [made: unknown, why: RegExp][] = [
    [undefined, /made of thing\/a@n1 is no snapshot of its logic: it has no status/],
    ['text', /made of thing\/a@n1 is no snapshot of its logic/],
    [{}, /made of thing\/a@n1 is no snapshot of its logic/],
    [
      { status: 'active', context: new Date(0) },
      /made of thing\/a@n1 is no snapshot of its logic: snapshot\.context is a Date/,
    ],
    [Promise.resolve(), /made of thing\/a@n1 is no snapshot of its logic: snapshot is a Promise/],
  ];
  for (const [snapshot, why] of made) {
    const refused = outcomeOf(room, define(counter, { version: 2, migrate: { 1: () => snapshot } }));
    assert.equal(refused.ok ? 'ok' : refused.failure.code, 'ACTOR_VERSION');
    assert.match(refused.ok ? '' : refused.failure.message, why);
    room = stopped(room);
  }
  assert.equal(contextOf(opened(room, counting)), 4);
});

test('damage is told, and keeps its actor from being opened; others live', () => {
  for (const part of ['\0s', '\0l']) {
    let room = openRoom();
    for (const key of ['a', 'b'])
      for (let n = 0; n < 2; n++) {
        add(opened(room, counting, key));
        room.clock.settle();
      }
    room = killed(room);
    const [key, value] = [...room.storage.contents().values()].find(([one]) => Buffer.from(one).includes(`/a${part}`))!;
    room.storage.rot(
      key,
      value.map((byte, at) => (at === value.length - 1 ? byte ^ 1 : byte)),
    );
    const outcome = outcomeOf(room, counting, 'a');
    assert.equal(outcome.ok ? '' : outcome.failure.code, 'STORAGE_FAILED');
    assert.match(outcome.ok ? '' : outcome.failure.message, /checksum does not match/);
    assert.equal(contextOf(opened(room, counting, 'b')), 2);
  }
});

test('a snapshot that is missing is noticed as long as anything else of its actor is there', () => {
  for (const adds of [0, 2]) {
    let room = openRoom();
    const live = opened(room, counting);
    for (let n = 0; n < adds; n++) add(live);
    room.clock.settle();
    room = killed(room);
    const [snapshot] = [...room.storage.contents().values()].filter(([one]) => Buffer.from(one).includes('\0s'));
    room.storage.rot(snapshot![0], null);
    room.journal.hosted(counting);
    room.clock.pass(10);
    assert.match(
      room.lines.join(),
      /STORAGE_FAILED thing\/a@n1 is damaged on the disk: .*(there is no snapshot|its snapshot is missing)/,
    );
    const outcome = outcomeOf(room, counting);
    assert.equal(outcome.ok ? '' : outcome.failure.code, 'STORAGE_FAILED', `${adds} entries`);
  }
});

test('a value of the log that is missing in the middle is noticed', () => {
  let room = openRoom();
  for (let n = 0; n < 3; n++) {
    add(opened(room, counting));
    room.clock.settle();
  }
  room = killed(room);
  const logs = [...room.storage.contents().values()].filter(([one]) => Buffer.from(one).includes('\0l'));
  room.storage.rot(logs[1]![0], null);
  const outcome = outcomeOf(room, counting);
  assert.match(outcome.ok ? '' : outcome.failure.message, /it begins at 4, where 3 is expected/);
});

test('a disk that is full refuses: nothing is acknowledged, nothing that was is lost', () => {
  let room = openRoom();
  let live = opened(room, counting);
  add(live, 3);
  room.clock.settle();
  room.storage.failWith({ code: 'DISK_FULL', message: 'no space is left' });
  const answers = ask(room, live, { type: 'add', by: 1 } as never, 'x', false);
  const [first] = answers;
  assert.equal(first?.ok === false ? first.failure.code : '', 'STORAGE_FAILED');
  assert.notEqual(live.send({ type: 'add', by: 1 } as never, nobody), null);
  assert.equal(contextOf(live), 3);
  room = killed(room);
  live = opened(room, counting);
  assert.equal(contextOf(live), 3);
});

test('what is no plain data is refused where it is sent, and a state that is none fails at once and says where', () => {
  const room = openRoom();
  const live = opened(room, counting);
  assert.match(live.send({ type: 'add', by: new Date(0) } as never, nobody)?.message ?? '', /event\.by is a Date/);
  const dated = define(
    fromTransition((state: { when: unknown }) => ({ when: state.when === null ? new Date(0) : null }), {
      when: null as unknown,
    }),
    { name: 'dated' },
  );
  const other = opened(room, dated);
  other.send({ type: 'go' }, nobody);
  room.clock.settle();
  assert.match(other.view().reason ?? '', /snapshot\.context\.when is a Date/);
  room.clock.pass(1_000);
  assert.deepEqual([other.view().state, contextOf(other)], ['running', { when: null }]);
});

test('an event after which the state cannot be written is not acknowledged first and passed over then', () => {
  const dated = define(
    fromTransition(
      ({ adds, when }: { adds: number; when: unknown }, { type }: { type: string }) =>
        type === 'add' ? { adds: adds + 1, when } : { adds, when: new Date(0) },
      { adds: 0, when: null as unknown },
    ),
    { name: 'dated', mailboxMax: 10_000 },
  );
  // At once, and where it is found out only when the log has become long.
  for (const before of [0, 20]) {
    let room = openRoom();
    let live = opened(room, dated);
    const adding: Outcome<unknown>[][] = [];
    const one = (): void => void adding.push(ask(room, live, { type: 'add' }, null, false));
    for (let n = 0; n < before; n++) one();
    const [dating] = ask(room, live, { type: 'date' }, null, false);
    assert.equal(dating?.ok, before > 0);
    room.clock.pass(1_000);
    for (let n = 0; n < 1_100; n++) one();
    room.clock.pass(60_000);
    assert.ok(adding.every((told) => told.length === 1));
    const codes = new Set(adding.map(([told]) => (told?.ok === true ? 'ok' : told?.failure.code)));
    assert.deepEqual([...codes], before > 0 ? ['ok', 'ACTOR_FAILED'] : ['ok']);
    room = killed(room);
    live = opened(room, dated);
    const acknowledged = adding.filter(([told]) => told?.ok === true).length;
    const { adds } = contextOf<{ adds: number }>(live);
    // What waited on the disk when it was given up is handled now; whoever waited for it was told that it is not known.
    assert.ok(before > 0 ? adds >= acknowledged : adds === acknowledged, `${adds} of ${acknowledged}`);
  }
});

test('a callback is told, answers through the log, and its end is seen to', () => {
  const doneBy: string[] = [];
  const line = setup({
    types: {} as { context: { got: string[] } },
    actors: {
      line: fromCallback(({ sendBack, receive }) => {
        receive((event) => sendBack({ type: 'echo', what: event.type }));
        return () => void doneBy.push('ended');
      }),
    },
  }).createMachine({
    context: { got: [] },
    invoke: { src: 'line', id: 'line' },
    on: {
      say: { actions: sendTo('line', { type: 'said' }) },
      echo: { actions: assign({ got: ({ context, event }) => [...context.got, (event as unknown as { what: string }).what] }) },
    },
  });
  let room = openRoom();
  let live = opened(room, define(line));
  live.send({ type: 'say' }, nobody);
  room.clock.settle();
  assert.deepEqual(contextOf(live), { got: ['said'] });
  room = stopped(room);
  assert.deepEqual(doneBy, ['ended']);
  live = opened(room, define(line));
  live.send({ type: 'say' }, nobody);
  room.clock.settle();
  assert.deepEqual(contextOf(live), { got: ['said', 'said'] });
});

test('a mailbox that is full says so', () => {
  const room = openRoom();
  const live = opened(room, { ...counting, mailboxMax: 2 });
  const codes = [1, 2, 3].map(() => live.send({ type: 'add', by: 1 } as never, nobody)?.code ?? 'taken');
  assert.deepEqual(codes, ['taken', 'taken', 'MAILBOX_FULL']);
});

test('taps see events with who sent them, subscribers the latest snapshot of a turn', () => {
  const room = openRoom();
  const live = opened(room, counting);
  const shown: unknown[] = [];
  live.subscribe(
    (snapshot) => void shown.push((snapshot as unknown as { context: number }).context),
    () => {},
  );
  const tapped: unknown[] = [];
  live.tap((one) => void tapped.push(one.type === 'event' ? [one.event.type, one.trail?.source] : one.type));
  live.send({ type: 'add', by: 1 } as never, { source: 'n2', correlation: 'c' });
  add(live, 1);
  room.clock.settle();
  assert.deepEqual(shown, [0, 2]);
  assert.deepEqual(tapped, [['add', 'n2'], 'snapshot', ['add', ''], 'snapshot']);
});

test('one that is made again under its name owes nothing to the one before', () => {
  seen.length = 0;
  let room = openRoom();
  let live = opened(room, doors);
  live.send({ type: 'open' }, nobody);
  room.clock.pass(100);
  live.stop(true, () => {});
  room.clock.settle();
  live = opened(room, doors);
  live.send({ type: 'open' }, nobody);
  while (seen.length < 2) room.clock.turn();
  room = killed(room);
  opened(room, doors);
  const [first, second, third] = seen;
  assert.equal(seen.length, 3);
  assert.notEqual(second, first);
  assert.equal(third, second);
});

test('ids of effects are given once, whatever happens to the actor or its disk between', () => {
  let room = openRoom();
  const given = new Set<string>();
  const says = (): string[] => {
    seen.length = 0;
    opened(room, doors).send({ type: 'open' }, nobody);
    room.clock.pass(2_000);
    return [...(seen as string[]), ...room.sent.splice(0).map(({ effectId }) => effectId)];
  };
  const isNew = (id: string): boolean => given.size < given.add(id).size;
  const stop = (): void => {
    opened(room, doors).stop(true, () => {});
    room.clock.settle();
  };
  for (const between of [
    () => {},
    stop,
    stop,
    () => {
      room = killed(room);
    },
    () => {
      room = stopped(room);
    },
    () => {
      room = openRoom();
    },
  ]) {
    between();
    const ids = says();
    assert.equal(ids.length, 2);
    assert.ok(ids.every(isNew), ids.join());
  }
});

test('an actor under the longest key is heard by others: ids fit what a delivery may be called', () => {
  const room = openRoom();
  opened(room, doors, 'k'.repeat(addressLimits.keyCharsMax)).send({ type: 'open' }, nobody);
  room.clock.settle();
  assert.ok(room.sent[0]!.effectId.length <= postLimits.idCharsMax);
});

test('what an earlier build wrote is read, and is done once more under the id that it had', () => {
  seen.length = 0;
  let room = openRoom();
  let live = opened(room, doors);
  live.send({ type: 'open' }, nobody);
  room.clock.settle();
  room = killed(room);
  const [key, value] = [...room.storage.contents().values()].find(([one]) => Buffer.from(one).includes('\0s'))!;
  const fields = openRecord(key, value) as unknown[];
  room.storage.rot(key, sealRecord(key, [1, ...fields.slice(1, -2)]));
  live = opened(room, doors);
  assert.deepEqual(seen.slice(1), ['thing/a@n1.2.0']);
  room.clock.pass(1_000);
  room = stopped(room);
  live = opened(room, doors);
  live.send({ type: 'open' }, nobody);
  room.clock.settle();
  assert.match(seen.at(-1)!, /^thing\/a@n1\.\d+\.0$/);
  live.stop(true, () => {});
  room.clock.settle();
  opened(room, doors).send({ type: 'open' }, nobody);
  room.clock.settle();
  assert.match(seen.at(-1)!, /^[0-9a-f]{32}\.2\.0$/);
});

test('those that stand or fall together begin anew together, and keep their state', () => {
  const together = define(counter, { restart: { ...counting.restart, strategy: 'all' } });
  const room = openRoom();
  const lives = ['a', 'b'].map((key) => opened(room, together, key));
  for (const live of lives) add(live, 2);
  lives[0]!.send({ type: 'break' }, nobody);
  room.clock.settle();
  assert.deepEqual(
    lives.map((live) => live.view().state),
    ['backoff', 'backoff'],
  );
  room.clock.pass(1_000);
  assert.deepEqual(
    lives.map((live) => [live.view().restarts, contextOf(live)]),
    [
      [1, 2],
      [1, 2],
    ],
  );
});

test('those that stand or fall together share their failures, are given up together, and lose nothing', () => {
  const together = define(counter, { restart: { ...counting.restart, strategy: 'all', failuresMax: 1 } });
  let room = openRoom();
  let lives = ['a', 'b', 'c'].map((key) => opened(room, together, key));
  for (const live of lives) add(live, 2);
  room.clock.settle();
  for (const at of [0, 1]) {
    lives[at]!.send({ type: 'break' }, nobody);
    room.clock.pass(1_000);
  }
  assert.deepEqual(
    lives.map((live) => live.view().state),
    ['failed', 'failed', 'failed'],
  );
  assert.match(lives[2]!.view().reason!, /^its sibling [a-z]+\/b@n1 was given up: /);
  assert.equal(lives[2]!.send({ type: 'add', by: 1 } as never, nobody)?.code, 'ACTOR_FAILED');
  room = killed(room);
  lives = ['a', 'b', 'c'].map((key) => opened(room, together, key));
  assert.deepEqual(
    lives.map((live) => contextOf(live)),
    [2, 2, 2],
  );
});

test('an actor that is opened while it leaves, or twice at once, is one', () => {
  const room = openRoom();
  const [one, other] = [opened(room, counting), opened(room, counting)];
  assert.equal(one, other);
  add(one, 3);
  one.release('passivated', () => {});
  const again = opened(room, counting);
  assert.notEqual(again, one);
  assert.equal(contextOf(again), 3);
  assert.equal(one.send({ type: 'add', by: 1 } as never, nobody)?.code, 'ACTOR_STOPPED');
});

test('one whose log its logic does not read any more is not opened: what was acknowledged is not left out', () => {
  let room = openRoom();
  add(opened(room, counting), 3);
  room.clock.settle();
  room.clock.pass(100);
  add(opened(room, counting), 4);
  room.clock.settle();
  room = killed(room);
  const stricter = define(
    fromTransition((n: number, event: Counted) => {
      if (event.type === 'add' && event.by === 3) throw new Error('no threes');
      return event.type === 'add' ? n + event.by : n;
    }, 0),
  );
  const outcome = outcomeOf(room, stricter);
  assert.match(outcome.ok ? '' : outcome.failure.message, /throws at entry 2 of its log: Error: no threes/);
  assert.equal(contextOf(opened(room, counting)), 7);
});

test('what an actor is told before it has begun anew waits for it', () => {
  const room = openRoom();
  const live = opened(room, counting);
  live.send({ type: 'break' }, nobody);
  room.clock.settle();
  assert.equal(live.view().state, 'backoff');
  const answers = ask(room, live, { type: 'get' });
  add(live, 5);
  assert.deepEqual(answers, []);
  room.clock.pass(1_000);
  assert.deepEqual([answers, contextOf(live)], [[{ ok: true, value: 0 }], 5]);
});

test('what an invocation says that another has taken the place of meanwhile is not heard', async () => {
  const resolvers: ((value: string) => void)[] = [];
  const pending = setup({
    types: {} as { context: { got: string } },
    actors: { work: fromPromise(() => new Promise<string>((resolve) => void resolvers.push(resolve))) },
  }).createMachine({
    context: { got: '' },
    initial: 'busy',
    states: {
      busy: {
        invoke: { src: 'work', id: 'work', onDone: { target: 'idle', actions: assign({ got: ({ event }) => event.output }) } },
        on: { again: { target: 'busy', reenter: true } },
      },
      idle: {},
    },
  });
  const said = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const room = openRoom();
  const live = opened(room, define(pending));
  live.send({ type: 'again' }, nobody);
  // It is on its way to the disk when the first promise answers.
  room.clock.turn();
  resolvers[0]!('old');
  await said();
  room.clock.settle();
  assert.equal(stateOf(live), 'busy');
  resolvers[1]!('new');
  await said();
  room.clock.settle();
  assert.deepEqual([stateOf(live), contextOf(live)], ['idle', { got: 'new' }]);
  const again = killed(room);
  assert.deepEqual(contextOf(opened(again, define(pending))), { got: 'new' });
});

test('who asks once more is told what he was told, though the actor has gone on since then', () => {
  const sums = define(counter, { replies: { add: replies.get } });
  let room = openRoom();
  let live = opened(room, sums);
  const put = (id: string) => ask(room, live, { type: 'add', by: 1 } as never, id);
  for (const [at, id] of ['x', 'y', 'z'].entries()) assert.deepEqual(put(id), [{ ok: true, value: at + 1 }]);
  for (const again of [(same: typeof room) => same, killed, stopped, killed]) {
    room = again(room);
    live = opened(room, sums);
    assert.deepEqual([put('x'), put('z')], [[{ ok: true, value: 1 }], [{ ok: true, value: 3 }]]);
  }
});

test('a delivery that comes again while its actor begins anew has no effect', () => {
  const sums = define(counter, { replies: { add: replies.get } });
  const room = openRoom();
  const live = opened(room, sums);
  const put = () => ask(room, live, { type: 'add', by: 1 } as never, 'x');
  assert.deepEqual(put(), [{ ok: true, value: 1 }]);
  live.send({ type: 'break' }, nobody);
  room.clock.settle();
  assert.equal(live.view().state, 'backoff');
  const [answers, others] = [put(), put()];
  add(live, 5);
  room.clock.pass(1_000);
  assert.deepEqual([answers, others, contextOf(live)], [[{ ok: true, value: 1 }], [{ ok: true, value: 1 }], 6]);
  assert.equal(contextOf(opened(killed(room), sums)), 6);
});

test('a question that was handled and not answered when its actor leaves or ends is not said to have surely not been', () => {
  for (const leaves of ['passivated', 'stopping', 'stopped'] as const) {
    const room = openRoom();
    const live = opened(room, define(counter, { replies: { add: () => undefined } }));
    const answers = ask(room, live, { type: 'add', by: 1 } as never);
    assert.equal(answers.length, 0);
    if (leaves === 'stopped') live.stop(true, () => {});
    else live.release(leaves, () => {});
    room.clock.settle();
    assert.deepEqual(
      answers.map((answer) => (answer.ok ? 'ok' : answer.failure.code)),
      ['OUTCOME_UNKNOWN'],
    );
  }
});

test('what a disk refused is not read again as if it were there', () => {
  const did: string[] = [];
  const acting = define(
    setup({ actions: { act: () => void did.push('act') } }).createMachine({ on: { act: { actions: 'act' } } }),
    { passivateAfterMs: 100 },
  );
  const room = openRoom();
  const live = opened(room, acting);
  room.storage.failWith({ code: 'IO_ERROR', message: 'it is broken' });
  const [first] = ask(room, live, { type: 'act' }, null, false);
  assert.equal(first?.ok === false ? first.failure.code : '', 'STORAGE_FAILED');
  room.clock.pass(1_000);
  assert.equal(room.journal.size, 0);
  const again = outcomeOf(room, acting);
  assert.equal(again.ok ? 'ok' : again.failure.code, 'STORAGE_FAILED');
  assert.deepEqual(did, []);
});
