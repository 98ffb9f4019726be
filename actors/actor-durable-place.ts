// What the actors of a node that have logs of their own share, and what each asks of the place where it lives.
import type { EventObject } from 'xstate';
import type { ActorAddress } from '../machines/entity/address.ts';
import type { Failure } from '../machines/errors.ts';
import type { ActorEnd, Trail } from './actor-api.ts';
import type { Ask } from './actor-cell-asks.ts';
import type { DurableActor } from './actor-durable.ts';
import type { Family } from './actor-family.ts';
import type { Turns } from './actor-turns.ts';
import type { Deadlines } from './deadlines.ts';
import type { ClockPort, RandomPort, SinkPort } from './ports/index.ts';
import type { Writer } from './writer.ts';

export interface DurablePlace {
  readonly clock: ClockPort;
  readonly random: RandomPort;
  readonly sink: SinkPort;
  readonly writer: Writer;
  readonly turns: Turns;
  readonly formRef: (address: ActorAddress) => unknown;
  /** To an actor that may be anywhere. `effectId`: the same when it is sent once more after a crash. */
  send(to: ActorAddress, event: EventObject, trail: Trail, effectId: string): void;
  /** An event that was taken, or sent by one of them, and will not be handled. */
  deadLetter(to: ActorAddress, event: EventObject, trail: Trail, reason: Failure['code']): void;
  /** When it is looked whether one is idle. */
  readonly idle: Deadlines<DurableActor>;
  /** When nobody waits any more for an answer that has not come. */
  readonly overdue: Deadlines<Ask>;
  /** It has something to write; asked together with the others of this turn. */
  wantsWrite(actor: DurableActor): void;
  /** It can be used, or why not. */
  began(actor: DurableActor, why: Failure | null): void;
  /** One that is stopped leaves what it was delivered on the disk, to be swept in its time. */
  buries(): void;
  /** It refused a write, and with it all that come. What it refused can be read on, and is worth nothing. */
  diskRefused(why: Failure): void;
  failed(actor: DurableActor, thrown: unknown, reason: string, delayMs: number | null): void;
  onlookerThrew(actor: DurableActor, thrown: unknown): void;
  /** `wakeMs`: when it is to be read again, on the wall clock; null: when somebody wants something of it. */
  over(actor: DurableActor, why: ActorEnd | 'passivated' | 'moved', wakeMs: number | null): void;
  /** With whom it stands and falls; null: it stands alone. */
  familyOf(actor: DurableActor): Family<DurableActor> | null;
  /** It stays, and refuses. */
  givenUp(actor: DurableActor, end: ActorEnd): void;
}

export const journalLimits = {
  /** After so many entries, or bytes of them, a snapshot takes their place. */
  snapshotEntries: 1_000,
  snapshotBytes: 1 << 20,
  /** Entries in one value of the log. */
  batchEntries: 128,
  /** Actors that are read from the disk at the same time because their time has come. */
  wakingMax: 64,
  /** So many of the first events after it was read, it is looked whether its state can be written at all. */
  triedEntries: 8,
  /** One that has ended stays in memory for those who still ask. */
  endedKeptMs: 60_000,
} as const;
