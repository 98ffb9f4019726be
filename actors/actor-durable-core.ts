// What an actor with a log consists of where it lives, and what goes on at its edges: its own words on their way to the log, its timers, and
// those who wait for it or look on. How it is read and fails is in actor-durable-life.ts, how it leaves in actor-durable-leave.ts.
import type { EventObject, Snapshot } from 'xstate';
import { type ActorAddress, addressText } from '../machines/entity/address.ts';
import { errorTable, type Failure, failure, reasonOf } from '../machines/errors.ts';
import type { ActorDefinition, ActorEnd, ActorState, Trail } from './actor-api.ts';
import type { BodyAnswer, BodyPath } from './actor-body-api.ts';
import type { Ask } from './actor-cell-asks.ts';
import type { Hearers, Onlookers, Taps } from './actor-cell-onlookers.ts';
import type { DurableActor } from './actor-durable.ts';
import type { DurablePlace } from './actor-durable-place.ts';
import { birth, type History } from './actor-history.ts';
import { ActorLog } from './actor-log.ts';
import { Mailbox } from './actor-mailbox.ts';
import type { LogEntry } from './actor-records.ts';
import { Workers } from './actor-workers.ts';
import type { Outcome } from './api.ts';
import type { Timer } from './ports/index.ts';

/** An event from outside; several may wait for it under one id. */
export type Letter = { readonly event: EventObject; readonly id: string | null; readonly trail: Trail; asks: Ask[] };
/** What is on the disk and waits to be handled. */
export type Item = { readonly number: number; readonly entry: LogEntry; readonly letter: Letter | null };

/** It shall leave: at once, or when nothing waits any more. */
export type Ending = {
  isHard: boolean;
  readonly as: 'stopped' | 'passivated' | 'moved' | 'stopping';
  /** Told why what is on the disk may be there still, of one that was to be stopped; null: it is as it should be. */
  readonly dones: ((why: Failure | null) => void)[];
};

const unborn: Snapshot<unknown> = { status: 'active', output: undefined, error: undefined };
export const nobody: Trail = { source: '', correlation: '' };
/** A timer for longer than this is set again when it rings. */
const alarmMsMax = 3_600_000;

export abstract class DurableCore {
  readonly address: ActorAddress;
  readonly definition: ActorDefinition;
  readonly id: string;
  protected readonly place: DurablePlace;
  protected readonly log: ActorLog;
  protected readonly workers: Workers;
  /** Taken and not written. */
  protected readonly mailbox = new Mailbox<Letter>();
  protected words: LogEntry[] = [];
  protected readonly written = new Mailbox<Item>();
  protected isWriting = false;
  protected history: History | null = null;
  /** Of the history that was before. */
  protected last = unborn;
  protected delivered: readonly [string, number][] = [];
  protected state: ActorState = 'starting';
  protected isInLine = false;
  /** Why nobody is told of new snapshots any more: it has ended, or was given up, or left. */
  protected over: ActorEnd | 'moved' | null = null;
  /** Its own log has to say first from when its timers count. */
  protected isWaking = false;
  /** It is in nobody's table any more. */
  protected isGone = false;
  protected pending: Set<Ask> | null = null;
  protected onlookers: Onlookers | null = null;
  protected taps: Taps | null = null;
  protected hearers: Hearers | null = null;
  /** The last entry whose effects were done. */
  protected doneAt = 0;
  /** The last entry that had something done. */
  protected deedAt = 0;
  /** The last entry that was handled, well or not. */
  protected handledAt = birth;
  protected handled = 0;
  protected restarts = 0;
  protected reason: string | null = null;
  protected usedMs: number;
  protected readonly firing = new Set<string>();
  /** Deliveries that are on their way to be handled. */
  protected readonly byId = new Map<string, Letter>();
  /** The last entry that is in the snapshot. */
  protected cutAt = birth;
  protected readonly skipped = new Set<number>();
  protected herd: readonly DurableActor[] = [];
  protected timer: Timer | null = null;
  protected alarm: { atMs: number; timer: Timer } | null = null;
  protected lookMs = Number.POSITIVE_INFINITY;
  protected isLeaving = false;
  protected ending: Ending | null = null;

  constructor(place: DurablePlace, definition: ActorDefinition, address: ActorAddress) {
    this.place = place;
    this.definition = definition;
    this.address = address;
    this.id = addressText(address);
    this.log = new ActorLog(place.writer, address.type, address.key);
    this.usedMs = place.clock.nowMs();
    this.workers = new Workers({
      ...{ address, id: this.id },
      // One that an earlier build made has done some under its address already.
      life: () => this.history?.incarnation ?? this.id,
      send: (to, event, trail, effectId) => place.send(to, event, trail, effectId),
      emitted: (event) => this.hearers?.tell(event),
      answered: (path, invocation, answer) => this.say(path, invocation, answer),
      threw: (error) => place.onlookerThrew(this.self, error),
    });
  }

  protected get self(): DurableActor {
    return this as unknown as DurableActor;
  }

  /** It will not be used any more by whoever looks for it: another is made once it has left. */
  get isEnding(): boolean {
    return this.ending !== null || this.isLeaving;
  }

  protected get canWrite(): boolean {
    return !this.isWriting && !this.isLeaving && !this.isGone;
  }

  get hasBegun(): boolean {
    return this.state !== 'starting';
  }

  ready(): void {
    if (this.isInLine) return;
    this.isInLine = true;
    this.place.turns.ready(this.self);
  }

  protected now(): number {
    return this.place.clock.wallMs();
  }

  // ---------------------------------------------------------------- what it is told by its own

  protected say(path: BodyPath, invocation: string | null, answer: BodyAnswer): void {
    if (this.history === null) return;
    this.own({ kind: 'answer', atMs: this.now(), path, invocation, answer });
  }

  protected own(entry: LogEntry): void {
    this.words.push(entry);
    this.place.wantsWrite(this.self);
  }

  protected woken(): void {
    this.isWaking = false;
  }

  /** At the end of a turn: its timers ring when the first of them is due. */
  protected setAlarm(): void {
    const { history } = this;
    let first: number | null = null;
    if (history !== null && this.state === 'running' && !this.isWaking)
      for (const [timer, dueMs] of history.dues)
        if (!this.firing.has(timer) && (first === null || dueMs < first)) first = dueMs;
    if (first === (this.alarm?.atMs ?? null)) return;
    this.alarm?.timer.cancel();
    this.alarm = null;
    if (first === null) return;
    const delayMs = Math.min(alarmMsMax, Math.max(0, first - this.now()));
    this.alarm = { atMs: first, timer: this.place.clock.after(delayMs, () => this.#ring()) };
  }

  #ring(): void {
    this.alarm = null;
    const { history } = this;
    if (history === null || this.isWaking) return;
    const nowMs = this.now();
    const due = [...history.dues].filter(([timer, dueMs]) => dueMs <= nowMs && !this.firing.has(timer));
    for (const [timer] of due.sort(([, a], [, b]) => a - b)) {
      this.firing.add(timer);
      this.own({ kind: 'fire', atMs: nowMs, timer });
    }
    this.setAlarm();
  }

  // ---------------------------------------------------------------- those who wait, and those who look on

  failedWith(): Failure {
    return failure('ACTOR_FAILED', `${this.id} failed too often and was given up: ${this.reason}; stop it to begin anew`);
  }

  protected letGo(): void {
    const { history } = this;
    this.alarm?.timer.cancel();
    this.alarm = null;
    if (history === null) return;
    this.last = history.body.snapshot();
    this.delivered = history.delivered(this.now());
    this.history = null;
    this.workers.stop();
    history.body.stop();
  }

  protected endOnlookers(end: ActorEnd | 'moved'): void {
    this.onlookers?.end(end);
    this.onlookers = null;
    this.taps?.tell({ type: 'ended', address: this.address, path: '', end });
  }

  /** What was taken and is not on the disk; `all`: what is there, too. */
  protected returnAll(why: Failure, all = false): void {
    for (const letter of this.mailbox.drain()) this.bounce(letter, why);
    if (all) for (const { letter } of this.written.drain()) if (letter !== null) this.bounce(letter, why);
  }

  protected bounce(letter: Letter, why: Failure): void {
    const { event, trail, asks, id } = letter;
    if (id !== null && this.byId.get(id) === letter) this.byId.delete(id);
    if (asks.length === 0) this.place.deadLetter(this.address, event, trail, why.code);
    for (const ask of asks) this.endAsk(ask, { ok: false, failure: why });
  }

  /** They were handled: nobody is told that they surely were not. */
  protected endPending(why: Failure): void {
    const told = errorTable[why.code].definite
      ? failure('OUTCOME_UNKNOWN', `the event was handled and not answered: ${why.message}`)
      : why;
    for (const ask of this.pending ?? []) this.endAsk(ask, { ok: false, failure: told });
    this.pending = null;
  }

  protected endAsk(ask: Ask, outcome: Outcome<unknown>): void {
    ask.end(outcome, (error) => this.place.onlookerThrew(this.self, error));
  }

  /** Nobody waits any more for this answer. */
  forget(ask: Ask): void {
    this.pending?.delete(ask);
    this.place.overdue.delete(ask, ask.atMs);
  }

  /**
   * What is left of its timers is counted to here in what is written of it. One that is read and not woken yet wakes with what was left when
   * it went: whoever reads it again finds that it woke behind this, and counts the same.
   */
  protected get countedMs(): number {
    return this.isWaking && this.history !== null ? this.history.atMs : this.now();
  }

  protected cutOf(): ReturnType<History['record']> | null {
    try {
      return this.history?.record(this.doneAt, this.countedMs) ?? null;
    } catch (error) {
      this.place.sink.log('error', 'ACTOR_UNWRITABLE', `${this.id} cannot be written: ${reasonOf(error)}`, {
        address: this.id,
      });
      return null;
    }
  }
}
