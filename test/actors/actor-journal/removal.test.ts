// An actor that cannot be read is removed by a hard stop without being opened, and by nothing else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromTransition } from 'xstate';
import type { ActorDefinition } from '../../../actors/actor-api.ts';
import { createDirectory, type Directory, noHooks } from '../../../actors/actor-directory.ts';
import { historyLimits } from '../../../actors/actor-history.ts';
import type { Failure } from '../../../machines/errors.ts';
import { addressOf, ask, contextOf, define, killed, opened, openRoom, outcomeOf, type Room, stopped } from './world.ts';

type Told = { type: 'add' } | { type: 'break' };

const counting = define(
  fromTransition((n: number, event: Told) => {
    if (event.type === 'break') throw new Error('it broke');
    return n + 1;
  }, 0),
);

const directoryOf = (room: Room, definition: ActorDefinition): Directory => {
  const directory = createDirectory({ name: 'n1', backings: () => [room.journal], hooks: noHooks });
  assert.equal(directory.host(definition), null);
  return directory;
};

/** Why it is still there; null: it is gone. */
const stop = (room: Room, directory: Directory, isHard: boolean): Failure | null => {
  const ends: (Failure | null)[] = [];
  const place = directory.place(directory.definition('thing')!, addressOf());
  directory.stop(place, null, isHard, (outcome) => void ends.push(outcome.ok ? null : outcome.failure));
  room.clock.pass(500);
  assert.equal(ends.length, 1, 'a stop answers once');
  return ends[0]!;
};

const damage = (room: Room, part: '\0s' | '\0l' | '\0i', at = 0): void => {
  const found = [...room.storage.contents().values()].filter(([key]) => Buffer.from(key).includes(`thing/a${part}`));
  const [key, value] = found[at]!;
  room.storage.rot(
    key,
    value.map((byte, n) => (n === value.length - 1 ? byte ^ 1 : byte)),
  );
};

const keysOf = (room: Room): string[] => [...room.storage.contents().keys()].filter((key) => key.includes('thing/a'));

/** Delivered under these ids, each in a value of its own. */
const delivered = (ids: readonly string[], room = openRoom()): Room => {
  const live = opened(room, counting);
  for (const id of ids) assert.deepEqual(ask(room, live, { type: 'add' }, id, false), [{ ok: true, value: null }]);
  return room;
};

for (const part of ['\0s', '\0l'] as const)
  test(`damage of ${JSON.stringify(part)}: a soft stop refuses and says what helps, a hard one removes all of it`, () => {
    const room = killed(delivered(['x', 'y']));
    opened(room, counting, 'b');
    damage(room, part);
    const directory = directoryOf(room, counting);
    const why = stop(room, directory, false);
    assert.equal(why?.code, 'STORAGE_FAILED');
    assert.match(why.message, /is damaged on the disk: .*; a hard stop removes it unread$/);
    assert.ok(keysOf(room).length > 2, 'all is there yet');
    assert.equal(stop(room, directory, true), null);
    const lost = part === '\0s' ? 'its snapshot' : 'its log at 2';
    assert.match(
      room.lines.join('\n'),
      new RegExp(`ACTOR_REMOVED_UNREAD thing/a@n1 was removed by a hard stop, .* stood in ${lost}$`, 'm'),
    );
    // What could be read of its deliveries is known to the next of its name.
    const next = opened(room, counting);
    assert.equal(contextOf(next), 0);
    assert.deepEqual(ask(room, next, { type: 'add' }, 'y', false), [{ ok: true, value: null }]);
    assert.equal(contextOf(next), 0);
    ask(room, next, { type: 'add' }, 'x', false);
    assert.equal(contextOf(next), part === '\0s' ? 0 : 1);
    assert.equal(contextOf(opened(room, counting, 'b')), 0, 'others live');
  });

test('nothing is left of it on the disk once its deliveries are too long ago', () => {
  let room = killed(delivered(['x', 'y', 'z']));
  damage(room, '\0l', 1);
  assert.equal(stop(room, directoryOf(room, counting), true), null);
  assert.equal(keysOf(room).length, 2, 'what it was delivered, and until when');
  room = killed(room, historyLimits.idsKeptMs + 10_000);
  room.journal.hosted(counting);
  room.clock.pass(100);
  assert.deepEqual(keysOf(room), []);
  assert.equal(outcomeOf(room, counting, 'a', true).ok, false);
});

test('a delivery that it failed over does not count as handled', () => {
  let room = openRoom();
  ask(room, opened(room, counting), { type: 'break' }, 'x', false);
  room.clock.pass(1_000);
  room = killed(room);
  damage(room, '\0s');
  assert.equal(stop(room, directoryOf(room, counting), true), null);
  const next = opened(room, counting);
  ask(room, next, { type: 'add' }, 'x', false);
  assert.equal(contextOf(next), 1);
});

test('what was kept of one before it goes too, where that is what is damaged', () => {
  const room = delivered(['x']);
  const directory = directoryOf(room, counting);
  assert.equal(stop(room, directory, false), null);
  damage(room, '\0i');
  assert.equal(stop(room, directory, false)?.code, 'STORAGE_FAILED');
  assert.equal(stop(room, directory, true), null);
  const next = opened(room, counting);
  ask(room, next, { type: 'add' }, 'x', false);
  assert.equal(contextOf(next), 1);
});

test('of a version that nothing here reads', () => {
  const newer = define(counting.logic, { version: 2, migrate: { 1: (snapshot) => snapshot } });
  let room = openRoom();
  ask(room, opened(room, newer), { type: 'add' }, 'x', false);
  room = stopped(room);
  const directory = directoryOf(room, counting);
  const why = stop(room, directory, false);
  assert.equal(why?.code, 'ACTOR_VERSION');
  assert.match(why.message, /; a hard stop removes it unread$/);
  assert.equal(stop(room, directory, true), null);
  const next = opened(room, counting);
  ask(room, next, { type: 'add' }, 'x', false);
  assert.equal(contextOf(next), 0, 'it is known');
});

test('whose logic throws at its own log', () => {
  let room = stopped(delivered(['x', 'y']));
  const moody = define({ ...counting.logic, restoreSnapshot: () => assert.fail('not today') } as never);
  const directory = directoryOf(room, moody);
  assert.equal(stop(room, directory, false)?.code, 'ACTOR_FAILED');
  assert.equal(stop(room, directory, true), null);
  room = killed(room);
  assert.equal(contextOf(opened(room, counting)), 0);
});

test('who opens it while it is removed finds a new one; who watches is told that it was stopped', () => {
  const room = killed(delivered(['x']));
  damage(room, '\0s');
  assert.equal(outcomeOf(room, counting).ok, false);
  const directory = directoryOf(room, counting);
  const place = directory.place(counting, addressOf());
  const told: unknown[] = [];
  directory.watch(place, (end) => void told.push(end === 'moved' ? end : end.reason));
  const remove = room.journal.removal!(addressOf(), { code: 'STORAGE_FAILED', message: '' } as Failure)!;
  const ends: unknown[] = [];
  remove((why) => void ends.push(why));
  remove((why) => void ends.push(why?.code));
  const next = opened(room, counting);
  assert.deepEqual(ends, ['NOT_READY', null]);
  assert.equal(contextOf(next), 0);
  assert.equal(stop(room, directory, true), null);
  assert.deepEqual(told, ['stopped']);
});

test('a disk that refuses keeps it, and no hard stop is promised', () => {
  const room = killed(delivered(['x']));
  damage(room, '\0s');
  const directory = directoryOf(room, counting);
  room.storage.failWith({ code: 'DISK_FULL', message: 'no space is left' });
  const why = stop(room, directory, true);
  assert.equal(why?.code, 'STORAGE_FAILED');
  assert.match(why.message, /thing\/a@n1 could not be removed: .*no space is left/);
  for (const isHard of [false, true]) {
    const again = stop(room, directory, isHard);
    assert.equal(again?.code, 'STORAGE_FAILED');
    assert.doesNotMatch(again.message, /a hard stop removes it/);
  }
});

test('a disk that cannot say what there is of it keeps it; others go on', () => {
  const room = killed(delivered(['x']));
  const directory = directoryOf(room, counting);
  const { view } = room.writer;
  room.writer.view = () => ({
    read: (_range, done) => done({ code: 'IO_ERROR', message: 'a block is gone' }, []),
    close() {},
  });
  const why = stop(room, directory, true);
  assert.equal(why?.code, 'STORAGE_FAILED');
  assert.match(why.message, /thing\/a@n1 could not be removed: its log cannot be read: IO_ERROR: a block is gone/);
  room.writer.view = view;
  assert.equal(contextOf(opened(room, counting, 'b')), 0);
  assert.equal(contextOf(opened(room, counting)), 1);
});

test('a stop that the disk refuses is not acknowledged, nor later on', () => {
  const room = delivered(['x']);
  const directory = directoryOf(room, counting);
  room.storage.failWith({ code: 'DISK_FULL', message: 'no space is left' });
  for (const isHard of [false, true, true]) {
    const why = stop(room, directory, isHard);
    assert.equal(why?.code, 'STORAGE_FAILED');
    assert.match(why.message, /no space is left/);
  }
  assert.ok(keysOf(room).length > 2);
});
