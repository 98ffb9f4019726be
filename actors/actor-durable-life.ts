// How an actor with a log is read from the disk, fails, begins anew, and leaves. Its log outlives every incarnation: one that failed is read
// again without the event that it failed over.
import type { EventObject, Snapshot } from 'xstate';
import { type ActorAddress, addressText } from '../machines/entity/address.ts';
import { passivationIn } from '../machines/entity/passivation.ts';
import { migrate } from '../machines/entity/versions.ts';
import { type ErrorCode, type Failure, failure } from '../machines/errors.ts';
import { type FailureRecord, judgeFailure, neverFailed } from '../machines/supervisor/index.ts';
import type { ActorDefinition, ActorEnd, ActorState, Trail } from './actor-api.ts';
import type { BodyAnswer, BodyEffect, BodyPath } from './actor-body-api.ts';
import { type Ask, reasonOf } from './actor-cell-asks.ts';
import type { Onlookers, Taps } from './actor-cell-onlookers.ts';
import type { DurableActor } from './actor-durable.ts';
import { type DurablePlace, journalLimits } from './actor-durable-place.ts';
import { birth, History } from './actor-history.ts';
import { ActorLog, type LoadedLog } from './actor-log.ts';
import { Mailbox } from './actor-mailbox.ts';
import type { LogEntry } from './actor-records.ts';
import { Workers } from './actor-workers.ts';
import type { Outcome } from './api.ts';
import type { StorageFailure, Timer } from './ports/index.ts';

/** An event from outside; several may wait for it under one id. */
export type Letter = { readonly event: EventObject; readonly id: string | null; readonly trail: Trail; asks: Ask[] };
/** What is on the disk and waits to be handled. */
export type Item = { readonly number: number; readonly entry: LogEntry; readonly letter: Letter | null };

type Ending = { isHard: boolean; readonly as: 'stopped' | 'passivated' | 'moved' | 'stopping'; readonly dones: (() => void)[] };

const unborn: Snapshot<unknown> = { status: 'active', output: undefined, error: undefined };
export const nobody: Trail = { source: '', correlation: '' };
/** A timer for longer than this is set again when it rings. */
const alarmMsMax = 3_600_000;

export abstract class DurableLife {
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
  protected state: ActorState = 'starting';
  protected isInLine = false;
  /** Why nobody is told of new snapshots any more: it has ended, or was given up, or left. */
  protected over: ActorEnd | 'moved' | null = null;
  /** Its own log has to say first from when its timers count. */
  #isWaking = false;
  /** Its snapshot is of an older version. */
  #isMigrated = false;
  /** What was under way has to be begun. */
  #owes = false;
  /** It is in nobody's table any more. */
  protected isGone = false;
  protected pending: Set<Ask> | null = null;
  protected onlookers: Onlookers | null = null;
  protected taps: Taps | null = null;
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
  #cutAt = birth;
  readonly #skipped = new Set<number>();
  /** What is to be done once more, for nobody knows whether it was. */
  #redo: { number: number; effects: BodyEffect[] }[] = [];
  #record: FailureRecord = neverFailed;
  #herd: readonly DurableActor[] = [];
  #timer: Timer | null = null;
  #alarm: { atMs: number; timer: Timer } | null = null;
  #lookMs = Number.POSITIVE_INFINITY;
  #isLeaving = false;
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
      send: (to, event, trail, effectId) => place.send(to, event, trail, effectId),
      answered: (path, invocation, answer) => this.#say(path, invocation, answer),
      threw: (error) => place.onlookerThrew(this.self, error),
    });
  }

  protected get self(): DurableActor {
    return this as unknown as DurableActor;
  }

  /** It will not be used any more by whoever looks for it: another is made once it has left. */
  get isEnding(): boolean {
    return this.ending !== null || this.#isLeaving;
  }

  protected get canWrite(): boolean {
    return !this.isWriting && !this.#isLeaving && !this.isGone;
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

  // ---------------------------------------------------------------- it is read

  /** `onlyIfMade`: there must be something to read. */
  begin(onlyIfMade: boolean): void {
    this.log.load((load) => {
      if (this.#isLeaving) return;
      if (!load.ok) return this.#cannot(failure('STORAGE_FAILED', `${this.id} is damaged on the disk: ${load.message}`));
      if (load.log !== null) return this.#read(load.log);
      if (onlyIfMade) return this.#cannot(failure('ACTOR_STOPPED', `there is nothing of ${this.id}`));
      this.#make();
    });
  }

  #cannot(why: Failure): void {
    this.state = 'stopped';
    this.#isLeaving = true;
    this.place.began(this.self, why);
  }

  #historyOf(from: ConstructorParameters<typeof History>[1]): History {
    const { definition, address, id, place } = this;
    return new History(
      {
        ...{ definition, address, id, formRef: place.formRef },
        onSent: (path, event) => this.#say(path, null, { type: 'sent', event }),
        onLog: (line) => place.sink.log('info', 'ACTOR_SAYS', line.map(String).join(' '), { address: id }),
      },
      from,
    );
  }

  #make(): void {
    let history: History;
    let cut: ReturnType<History['record']>;
    try {
      history = this.#historyOf({ atMs: this.now() });
      cut = history.record(0, this.now());
    } catch (error) {
      return this.#cannot(failure('ACTOR_FAILED', `${this.id} cannot be made: ${reasonOf(error)}`));
    }
    this.log.cut(cut, undefined, { durable: true }, (why) => {
      if (why !== null) return this.#cannot(diskRefused(this.id, why));
      this.#redo.push({ number: birth, effects: history.owed });
      this.#live(history);
    });
  }

  #read({ snapshot: record, entries, done }: NonNullable<LoadedLog>): void {
    const moved = migrate(this.definition, record.version, record.body.snapshot);
    if (!moved.ok) return this.#cannot(moved.failure);
    const isFirst = this.state === 'starting';
    const doneAt = Math.max(this.doneAt, done);
    for (const entry of entries) if (entry.kind === 'skip') this.#skipped.add(entry.number);
    let history: History;
    let number = record.at;
    this.#redo = [];
    try {
      history = this.#historyOf({ record, snapshot: moved.snapshot });
      if (doneAt < birth) this.#redo.push({ number: birth, effects: history.owed });
      for (const entry of entries) {
        number++;
        // What is beyond waits in memory to be handled.
        if (!isFirst && number > this.handledAt) break;
        const isSkipped = this.#skipped.has(number);
        const effects = history.apply(number, isSkipped ? { kind: 'skip', atMs: entry.atMs, number } : entry);
        if (!isSkipped && number > doneAt) this.#redo.push({ number, effects });
        history.body.takeEffects();
      }
    } catch (error) {
      return this.#unread(number, record.at, doneAt, error);
    }
    if (isFirst) this.handledAt = history.at;
    this.doneAt = doneAt;
    this.#cutAt = Math.max(this.#cutAt, record.at);
    this.#isMigrated = record.version !== this.definition.version;
    this.#live(history);
    if (this.state !== 'running' || !history.countsFromWaking) return;
    this.#isWaking = true;
    this.#own({ kind: 'woken', atMs: this.now() });
  }

  /** Its code throws at what is in its log: it may have failed over that before, and nobody had noted it. */
  #unread(number: number, at: number, doneAt: number, error: unknown): void {
    if (number > at && number > doneAt) {
      this.handledAt = Math.max(this.handledAt, number);
      return this.fail(number, null, error, true);
    }
    const where = number > at ? `at entry ${number} of its log` : 'at its snapshot';
    this.#cannot(failure('ACTOR_FAILED', `${this.id} cannot be read again, for its logic throws ${where}: ${reasonOf(error)}`));
  }

  #live(history: History): void {
    this.history = history;
    const isFirst = this.state === 'starting';
    this.state = history.body.snapshot().status === 'active' ? 'running' : 'stopped';
    this.firing.clear();
    this.#owes = true;
    this.tapBody();
    if (this.state === 'running') this.ready();
    else this.#end(history.body.snapshot());
    if (!isFirst) return;
    this.#lookIn(0);
    this.place.began(this.self, null);
  }

  protected abstract tapBody(): void;

  /** At the beginning of a turn: what is owed is done. */
  protected catchUp(): void {
    const { history } = this;
    if (!this.#owes || history === null || this.state !== 'running') return;
    this.#owes = false;
    const redo = this.#redo;
    this.#redo = [];
    for (const { number, effects } of redo) {
      // What is under way is what is at these paths now.
      const rest = effects.filter(({ kind }) => kind === 'action' || kind === 'send');
      if (rest.length > 0) this.deedAt = number;
      if (!this.attempt(number, null, () => this.workers.perform(history.body, number, rest, nobody))) return;
      this.doneAt = Math.max(this.doneAt, number);
    }
    this.doneAt = Math.max(this.doneAt, this.handledAt);
    this.workers.resume(history.body, history.invocations);
    if (!this.#isMigrated) return;
    // Nothing that this version makes of it may follow on a snapshot of another.
    this.#isMigrated = false;
    const cut = this.#cutOf();
    if (cut !== null) this.log.cut(cut, undefined, { durable: false }, () => {});
  }

  /** False: it has failed. */
  protected attempt(number: number, letter: Letter | null, run: () => void): boolean {
    try {
      run();
    } catch (error) {
      this.fail(number, letter, error);
      return false;
    }
    return true;
  }

  // ---------------------------------------------------------------- what it is told by its own

  #say(path: BodyPath, invocation: string | null, answer: BodyAnswer): void {
    if (this.history === null) return;
    this.#own({ kind: 'answer', atMs: this.now(), path, invocation, answer });
  }

  #own(entry: LogEntry): void {
    this.words.push(entry);
    this.place.wantsWrite(this.self);
  }

  protected woken(): void {
    this.#isWaking = false;
  }

  /** At the end of a turn: its timers ring when the first of them is due. */
  protected setAlarm(): void {
    const { history } = this;
    let first: number | null = null;
    if (history !== null && this.state === 'running' && !this.#isWaking)
      for (const [timer, dueMs] of history.dues)
        if (!this.firing.has(timer) && (first === null || dueMs < first)) first = dueMs;
    if (first === (this.#alarm?.atMs ?? null)) return;
    this.#alarm?.timer.cancel();
    this.#alarm = null;
    if (first === null) return;
    const delayMs = Math.min(alarmMsMax, Math.max(0, first - this.now()));
    this.#alarm = { atMs: first, timer: this.place.clock.after(delayMs, () => this.#ring()) };
  }

  #ring(): void {
    this.#alarm = null;
    const { history } = this;
    if (history === null || this.#isWaking) return;
    const nowMs = this.now();
    const due = [...history.dues].filter(([timer, dueMs]) => dueMs <= nowMs && !this.firing.has(timer));
    for (const [timer] of due.sort(([, a], [, b]) => a - b)) {
      this.firing.add(timer);
      this.#own({ kind: 'fire', atMs: nowMs, timer });
    }
    this.setAlarm();
  }

  // ---------------------------------------------------------------- it fails

  /** Over this entry, which is passed over from now on. */
  protected fail(number: number, letter: Letter | null, error: unknown, isReading = false): void {
    const reason = reasonOf(error);
    this.reason = reason;
    this.handledAt = Math.max(this.handledAt, number);
    this.#skipped.add(number);
    // While it is read, what comes before may have to be done yet.
    if (!isReading) this.doneAt = Math.max(this.doneAt, number);
    this.#own({ kind: 'skip', atMs: this.now(), number });
    const what = letter === null ? 'while it was at work' : `while it handled '${letter.event.type}'`;
    if (letter !== null) this.bounce(letter, failure('ACTOR_FAILED', `${this.id} failed ${what}: ${reason}`));
    this.#letGo();
    this.#endPending(failure('ACTOR_FAILED', `${this.id} failed before it answered: ${reason}`));
    const { clock, random } = this.place;
    const chance = random.uint32() / 0x1_0000_0000;
    const { record, delayMs } = judgeFailure(this.definition.restart, this.#record, clock.nowMs(), chance);
    this.#record = record;
    if (delayMs === null) return this.#giveUp(error, reason);
    if (this.state !== 'starting') this.state = 'backoff';
    this.place.failed(this.self, error, reason, delayMs);
    this.#herd = this.place.herdOf(this.self).filter((one) => one !== this.self);
    for (const one of this.#herd) one.suspend(`${this.id} failed: ${reason}`);
    this.#timer = clock.after(delayMs, () => {
      this.#timer = null;
      this.#beginAnew();
      this.#resumeHerd();
    });
  }

  /** Begins anew together with another that failed. */
  suspend(why: string): void {
    if (this.state !== 'running') return;
    this.reason = why;
    this.#letGo();
    this.#endPending(failure('ACTOR_FAILED', why));
    this.state = 'backoff';
  }

  resume(): void {
    if (this.state === 'backoff' && this.#timer === null) this.#beginAnew();
  }

  #resumeHerd(): void {
    const herd = this.#herd;
    this.#herd = [];
    for (const one of herd) one.resume();
  }

  #beginAnew(): void {
    if (this.#isLeaving) return;
    this.restarts++;
    this.log.load((load) => {
      if (this.#isLeaving || this.history !== null || this.#timer !== null) return;
      if (load.ok && load.log !== null) return this.#read(load.log);
      const why = load.ok ? 'there is nothing of it any more' : load.message;
      this.#giveUp(new Error(why), `it cannot be read again: ${why}`);
    });
  }

  #giveUp(error: unknown, reason: string): void {
    const wasStarting = this.state === 'starting';
    this.reason = reason;
    this.state = 'failed';
    this.over = { address: this.address, reason: 'failed', failure: this.failedWith() };
    const why = this.failedWith();
    this.place.failed(this.self, error, reason, null);
    if (wasStarting) return this.#cannot(why);
    this.returnAll(why);
    this.#endOnlookers({ address: this.address, reason: 'failed', failure: why });
    this.#lookIn(0);
  }

  failedWith(): Failure {
    return failure('ACTOR_FAILED', `${this.id} failed too often and was given up: ${this.reason}; stop it to begin anew`);
  }

  /** What was handed to the disk may be there or not; nobody writes to it any more. */
  protected diskFailed(why: StorageFailure, lost: readonly (Letter | null)[]): void {
    const refused = diskRefused(this.id, why);
    for (const letter of lost) if (letter !== null) this.bounce(letter, refused);
    if (this.isGone || this.state === 'failed') return;
    this.#letGo();
    this.#endPending(refused);
    this.#giveUp(new Error(refused.message), refused.message);
  }

  #letGo(): void {
    const { history } = this;
    this.#alarm?.timer.cancel();
    this.#alarm = null;
    if (history === null) return;
    this.last = history.body.snapshot();
    this.history = null;
    this.workers.stop();
    history.body.stop();
  }

  // ---------------------------------------------------------------- it leaves

  stop(isHard: boolean, done: () => void): void {
    this.#endAs('stopped', isHard, done);
  }

  release(why: 'passivated' | 'moved' | 'stopping', done: () => void): void {
    this.#endAs(why, true, done);
  }

  drain(): void {
    this.#endAs('stopping', false, () => {});
  }

  #endAs(as: Ending['as'], isHard: boolean, done: () => void): void {
    if (this.isGone) return done();
    const { ending } = this;
    // For good, whatever else was meant before.
    if (ending === null || (as === 'stopped' && ending.as !== 'stopped'))
      this.ending = { isHard, as, dones: [...(ending?.dones ?? []), done] };
    else {
      ending.isHard ||= isHard;
      ending.dones.push(done);
    }
    this.ready();
  }

  protected conclude(): void {
    const { ending } = this;
    if (ending === null || this.#isLeaving) return;
    const isForGood = ending.as === 'stopped';
    if (ending.isHard || this.state === 'failed')
      this.returnAll(failure(isForGood ? 'ACTOR_STOPPED' : 'NOT_READY', `${this.id} is leaving`), isForGood);
    if (isForGood && ending.isHard) return this.#remove();
    // What is on the disk was taken, and is handled; or it is handled when the actor is read again.
    const isAtRest = this.state !== 'running' || this.written.size === 0;
    if (this.isWriting || !isAtRest || this.words.length > 0 || this.mailbox.size > 0) return;
    if (isForGood) this.#remove();
    else this.#rest(ending.as === 'passivated' ? 'passivated' : 'moved');
  }

  #remove(): void {
    this.#isLeaving = true;
    this.#letGo();
    this.log.remove((why) => {
      if (why !== null) this.place.sink.log('error', 'STORAGE_FAILED', `${this.id} could not be removed: ${why.message}`);
      this.#leave({ address: this.address, reason: 'stopped' }, 'ACTOR_STOPPED', null);
    });
  }

  /** Its state is written, so that it is read in one go, and its timers are known to whoever wakes it. */
  #rest(as: 'passivated' | 'moved'): void {
    this.#isLeaving = true;
    const wakeMs = this.state === 'running' ? (this.history?.firstDueMs ?? null) : null;
    const leave = (): void => this.#leaveUnlessStopped(as, 'NOT_READY', wakeMs);
    const cut = this.state === 'running' && !this.log.isAtRest ? this.#cutOf() : null;
    if (cut === null) leave();
    else this.log.cut(cut, wakeMs, { durable: true }, leave);
  }

  /** Somebody may have stopped it meanwhile. */
  #leaveUnlessStopped(why: ActorEnd | 'passivated' | 'moved', code: ErrorCode, wakeMs: number | null): void {
    if (this.ending?.as === 'stopped') this.#remove();
    else this.#leave(why, code, wakeMs);
  }

  #cutOf(): ReturnType<History['record']> | null {
    try {
      return this.history?.record(this.doneAt, this.now()) ?? null;
    } catch (error) {
      this.place.sink.log('error', 'ACTOR_UNWRITABLE', `${this.id} cannot be written: ${reasonOf(error)}`, {
        address: this.id,
      });
      return null;
    }
  }

  /** Now and then a snapshot takes the place of the log behind it. */
  protected cutIfLong(number: number): void {
    const { snapshotEntries, snapshotBytes, batchEntries, triedEntries } = journalLimits;
    const { history, log } = this;
    if (history === null) return;
    const since = number - this.#cutAt;
    const isLarge = log.bytes >= Math.max(snapshotBytes, log.snapshotBytes) && since >= batchEntries;
    const isLong = since >= snapshotEntries || isLarge;
    if (!isLong && this.handled > triedEntries) return;
    this.attempt(number, null, () => {
      const cut = history.record(this.doneAt, this.now());
      if (!isLong) return;
      this.#cutAt = number;
      for (const skipped of this.#skipped) if (skipped <= number) this.#skipped.delete(skipped);
      log.cut(cut, undefined, { durable: false }, () => {});
    });
  }

  /** The logic has come to its own end, which stays on the disk: who speaks to it later is told. */
  protected finishIfOver(): void {
    const snapshot = this.history?.body.snapshot();
    if (snapshot === undefined || snapshot.status === 'active' || this.state !== 'running') return;
    const end = this.#end(snapshot);
    const cut = this.#cutOf();
    this.#isLeaving = true;
    const leave = (): void => this.#leaveUnlessStopped(end, 'ACTOR_STOPPED', null);
    if (cut === null) leave();
    else this.log.cut(cut, null, { durable: true }, leave);
  }

  #end({ status, output }: Snapshot<unknown>): ActorEnd {
    const { address } = this;
    const end: ActorEnd = status === 'done' ? { address, reason: 'done', output } : { address, reason: 'stopped' };
    const why = failure('ACTOR_STOPPED', `${this.id} has ended`);
    this.state = 'stopped';
    this.over = end;
    this.#endPending(why);
    this.returnAll(why, true);
    this.#endOnlookers(end);
    this.workers.stop();
    return end;
  }

  #leave(why: ActorEnd | 'passivated' | 'moved', code: ErrorCode, wakeMs: number | null): void {
    const wasTold = this.state === 'failed' || this.over !== null;
    this.#letGo();
    const told = failure(code, code === 'NOT_READY' ? `${this.id} has left this node's memory` : `${this.id} has ended`);
    this.#endPending(told);
    this.returnAll(told, code === 'ACTOR_STOPPED');
    this.state = code === 'NOT_READY' ? 'passive' : 'stopped';
    this.#timer?.cancel();
    this.#resumeHerd();
    if (this.#lookMs !== Number.POSITIVE_INFINITY) this.place.idle.delete(this.self, this.#lookMs);
    if (!wasTold) this.#endOnlookers(why === 'passivated' ? 'moved' : why);
    this.over ??= why === 'passivated' ? 'moved' : why;
    this.isGone = true;
    this.place.over(this.self, why, wakeMs);
    for (const done of this.ending?.dones.splice(0) ?? []) done();
  }

  #endOnlookers(end: ActorEnd | 'moved'): void {
    this.onlookers?.end(end);
    this.onlookers = null;
    this.taps?.tell({ type: 'ended', address: this.address, path: '', end });
  }

  // ---------------------------------------------------------------- those who wait

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

  #endPending(why: Failure): void {
    for (const ask of this.pending ?? []) this.endAsk(ask, { ok: false, failure: why });
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

  // ---------------------------------------------------------------- it is idle

  #lookIn(ms: number): void {
    const { placement } = this.definition;
    const afterMs = this.#idleMs;
    if (afterMs === null || (placement === 'each' && this.state === 'running') || this.isGone) return;
    this.#lookMs = this.place.clock.nowMs() + (ms || afterMs);
    this.place.idle.add(this.self, this.#lookMs);
  }

  /** One that has ended, or was given up, is of little use here. */
  get #idleMs(): number | null {
    const isOut = this.state === 'failed' || this.state === 'stopped';
    return this.definition.passivateAfterMs ?? (isOut ? journalLimits.endedKeptMs : null);
  }

  look(): void {
    this.#lookMs = Number.POSITIVE_INFINITY;
    if (this.isEnding || this.isGone) return;
    const isOut = this.state === 'failed' || this.state === 'stopped';
    const leftMs = passivationIn(
      {
        placement: isOut ? 'node' : this.definition.placement,
        ...{ passivateAfterMs: this.#idleMs, state: isOut ? 'running' : this.state, activeMs: this.usedMs },
        waiting: this.mailbox.size + this.words.length + this.written.size + (this.isWriting ? 1 : 0),
        ...{ asks: this.pending?.size ?? 0, subscribers: this.onlookers?.size ?? 0, working: this.workers.size },
        ...{ timers: this.history?.dues.size ?? 0, timersWake: true },
      },
      this.place.clock.nowMs(),
    );
    if (leftMs === 0) this.release('passivated', () => {});
    else this.#lookIn(leftMs ?? 0);
  }
}

const diskRefused = (id: string, why: StorageFailure): Failure =>
  failure('STORAGE_FAILED', `the disk refused what ${id} was told: ${why.code}: ${why.message}`);
