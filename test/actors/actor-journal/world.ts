// A journal over memory, with a hand-moved clock: what was written, batch by batch, and what a restart makes of it.
import assert from 'node:assert/strict';
import type { AnyActorLogic, EventObject, Snapshot } from 'xstate';
import { type ActorDefinition, type LiveActor, refMark, restartDefault } from '../../../actors/actor-api.ts';
import { createDeadLetters, type DeadLetters } from '../../../actors/actor-dead-letters.ts';
import { createJournal, type Journal } from '../../../actors/actor-journal.ts';
import type { Outcome } from '../../../actors/api.ts';
import type { RandomPort, SinkPort } from '../../../actors/ports/index.ts';
import { createWriter, type Writer } from '../../../actors/writer.ts';
import { type ActorAddress, addressText, parseAddress } from '../../../machines/entity/address.ts';
import { createMemoryStorage, type MemoryStorage } from '../../ports/memory-storage.ts';
import { createHandClock, type HandClock } from '../hand-clock.ts';

export const nobody = { source: '', correlation: '' };

export const define = (logic: AnyActorLogic, more: Partial<ActorDefinition> = {}): ActorDefinition => ({
  ...{ name: 'thing', version: 1, logic, durability: 'local', placement: 'node', input: () => undefined, replies: {} },
  ...{ restart: restartDefault, mailboxMax: 1_000, passivateAfterMs: null, remember: false, timers: 'deadline' },
  ...{ resume: {}, migrate: {}, redact: [] },
  ...more,
});

export const addressOf = (key = 'a', type = 'thing'): ActorAddress => ({ type, key, node: 'n1' });

/** Another one each time, in whichever room. */
let drawn = 0;
const random: RandomPort = {
  uint32: () => 0,
  bytes: (length) => new Uint8Array(length).fill(++drawn),
};

type Contents = ReturnType<MemoryStorage['contents']>;

export type Room = {
  clock: HandClock;
  storage: MemoryStorage;
  writer: Writer;
  journal: Journal;
  letters: DeadLetters;
  lines: string[];
  sent: { to: string; event: EventObject; effectId: string }[];
};

/** `atMs`: what the wall clock says. */
export const openRoom = (contents: Contents = new Map(), atMs = 0): Room => {
  const clock = createHandClock();
  clock.pass(atMs);
  const lines: string[] = [];
  const sink: SinkPort = { log: (_level, code, message) => void lines.push(`${code} ${message}`), count: () => {} };
  const storage = createMemoryStorage(contents, clock.later);
  const writer = createWriter({ storage, clock, sink });
  const letters = createDeadLetters({ clock, sink });
  const sent: Room['sent'] = [];
  const journal = createJournal({
    ...{ clock, random, sink, writer, node: 'n1' },
    formRef: (address) => ({ [refMark]: address, send() {} }),
    deliver(to, event, { id }, done) {
      sent.push({ to: addressText(to), event, effectId: id ?? '' });
      done({ ok: true, value: null });
      return () => {};
    },
    events: {
      onGone() {},
      onGivenUp() {},
      onDeadLetter: ({ address, event, source, reason }) =>
        letters.add(parseAddress(address)!, { type: event }, { source, correlation: '' }, reason),
    },
  });
  return { clock, storage, writer, journal, letters, lines, sent };
};

export const outcomeOf = (room: Room, definition: ActorDefinition, key = 'a', onlyIfMade = false): Outcome<LiveActor> => {
  let answer: Outcome<LiveActor> | null = null;
  const given = (outcome: Outcome<LiveActor>): void => {
    assert.equal(answer, null, 'open answers once');
    answer = outcome;
  };
  room.journal.open(definition, addressOf(key, definition.name), null, given, onlyIfMade);
  room.clock.settle();
  // Over what nobody had noted before a crash it fails once more.
  if (answer === null) room.clock.pass(500);
  assert.ok(answer !== null, 'open answers');
  return answer;
};

export const opened = (room: Room, definition: ActorDefinition, key = 'a'): LiveActor => {
  const outcome = outcomeOf(room, definition, key);
  assert.ok(outcome.ok, outcome.ok ? '' : `${outcome.failure.code}: ${outcome.failure.message}`);
  return outcome.value;
};

export const ask = (room: Room, live: LiveActor, event: EventObject, id: string | null = null, wantsReply = true) => {
  const answers: Outcome<unknown>[] = [];
  live.deliver(event, { id, wantsReply, leftMs: 5_000, trail: nobody }, (outcome) => void answers.push(outcome));
  room.clock.settle();
  return answers;
};

export const contextOf = <Context>(live: LiveActor): Context =>
  (live.snapshot() as Snapshot<unknown> & { context: Context }).context;

export const stateOf = (live: LiveActor): unknown => (live.snapshot() as unknown as { value: unknown }).value;

/** The process is killed, and begins anew on what is on the disk. */
export const killed = (room: Room, afterMs = 0): Room => openRoom(room.storage.contents(), room.clock.wallMs() + afterMs);

/** The node is stopped in order. */
export const stopped = (room: Room, afterMs = 0): Room => {
  let isOver = false;
  room.journal.stop(() => {
    isOver = true;
  });
  room.clock.settle();
  assert.ok(isOver, 'stop answers');
  room.writer.stop(() => {});
  room.clock.settle();
  return killed(room, afterMs);
};
