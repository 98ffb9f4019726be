// How an actor with a log is read from the disk, fails, and begins anew. Its log outlives every incarnation: one that failed is read again
// without the event that it failed over.

import { migrate } from '../machines/entity/versions.ts';
import { type Failure, failure, reasonOf } from '../machines/errors.ts';
import { type FailureRecord, judgeFailure, neverFailed } from '../machines/supervisor/index.ts';
import { hexOf } from '../machines/wire/octets.ts';
import type { ActorEnd } from './actor-api.ts';
import type { BodyEffect } from './actor-body-api.ts';
import type { DurableActor } from './actor-durable.ts';
import { type Letter, nobody } from './actor-durable-core.ts';
import { DurableLeave } from './actor-durable-leave.ts';
import type { Family } from './actor-family.ts';
import { birth, History, isKept, type Newborn } from './actor-history.ts';
import type { LoadedLog } from './actor-log.ts';
import { plainOf } from './actor-values.ts';
import type { RandomPort, StorageFailure } from './ports/index.ts';

const incarnationBytes = 16;

/**
 * By chance, not counted: a count would have to outlive the stop, in a record for every actor that ever was, and would begin anew with a new
 * disk all the same.
 */
const newIncarnation = (random: RandomPort): string => hexOf(random.bytes(incarnationBytes));

const diskRefused = (id: string, why: StorageFailure): Failure =>
  failure('STORAGE_FAILED', `the disk refused what ${id} was told: ${why.code}: ${why.message}`);

export abstract class DurableLife extends DurableLeave {
  /** Its snapshot is of an older version. */
  #isMigrated = false;
  /** What was under way has to be begun. */
  #owes = false;
  /** What is to be done once more, for nobody knows whether it was. */
  #redo: { number: number; effects: BodyEffect[] }[] = [];
  #record: FailureRecord = neverFailed;

  /** `onlyIfMade`: there must be something to read. */
  begin(onlyIfMade: boolean): void {
    this.log.load((load) => {
      if (this.isLeaving) return;
      if (!load.ok) return this.#cannot(failure('STORAGE_FAILED', `${this.id} is damaged on the disk: ${load.message}`));
      if (load.log !== null) return this.#read(load.log);
      if (onlyIfMade) return this.#cannot(failure('ACTOR_STOPPED', `there is nothing of ${this.id}`));
      this.#make(load.buried.filter(([, atMs]) => isKept(atMs, this.now())));
    });
  }

  #cannot(why: Failure): void {
    if (this.state === 'starting') this.#refuse(why);
    else this.#giveUp(new Error(why.message), why.message);
  }

  /** To whoever opens it; it is not there then. */
  #refuse(why: Failure): void {
    this.state = 'stopped';
    this.isLeaving = this.isGone = true;
    this.place.began(this.self, why);
    for (const done of this.ending?.dones.splice(0) ?? []) done(why.code === 'ACTOR_STOPPED' ? null : why);
  }

  protected historyOf(from: ConstructorParameters<typeof History>[1]): History {
    const { definition, address, id, place } = this;
    return new History(
      {
        ...{ definition, address, id, formRef: place.formRef },
        onSent: (path, event) => this.say(path, null, { type: 'sent', event }),
        onLog: (line) => place.sink.log('info', 'ACTOR_SAYS', line.map(String).join(' '), { address: id }),
      },
      from,
    );
  }

  #make(before: Newborn['before']): void {
    let history: History;
    let cut: ReturnType<History['record']>;
    try {
      history = this.historyOf({ atMs: this.now(), incarnation: newIncarnation(this.place.random), before });
      cut = history.record(0, this.now());
    } catch (error) {
      return this.#cannot(failure('ACTOR_FAILED', `${this.id} cannot be made: ${reasonOf(error)}`));
    }
    this.log.cut(cut, undefined, { durable: true }, (why) => {
      if (why !== null) {
        const refused = diskRefused(this.id, why);
        this.place.diskRefused(refused);
        return this.#cannot(refused);
      }
      this.#redo.push({ number: birth, effects: history.owed });
      this.#live(history);
    });
  }

  #read({ snapshot: record, entries, done }: NonNullable<LoadedLog>): void {
    const moved = migrate(this.definition, record.version, record.body.snapshot);
    if (!moved.ok) return this.#cannot(moved.failure);
    const isMigrated = record.version !== this.definition.version;
    const plain = isMigrated ? plainOf(moved.snapshot, 'snapshot') : { ok: true as const, value: moved.snapshot };
    if (!plain.ok) return this.#cannot(this.#mismade(plain.failure.message));
    if (isMigrated && typeof (plain.value as { status?: unknown } | null | undefined)?.status !== 'string')
      return this.#cannot(this.#mismade('it has no status'));
    const isFirst = this.state === 'starting';
    const doneAt = Math.max(this.doneAt, done);
    for (const entry of entries) if (entry.kind === 'skip') this.skipped.add(entry.number);
    let history: History;
    let number = record.at;
    this.#redo = [];
    try {
      history = this.historyOf({ record, snapshot: plain.value });
      if (doneAt < birth) this.#redo.push({ number: birth, effects: history.owed });
      for (const entry of entries) {
        number++;
        // What is beyond waits in memory to be handled.
        if (!isFirst && number > this.handledAt) break;
        const isSkipped = this.skipped.has(number);
        const effects = history.apply(number, isSkipped ? { kind: 'skip', atMs: entry.atMs, number } : entry);
        if (!isSkipped && number > doneAt) this.#redo.push({ number, effects });
        history.body.takeEffects();
      }
    } catch (error) {
      if (isMigrated && number === record.at) return this.#cannot(this.#mismade(reasonOf(error)));
      return this.#unread(number, record.at, doneAt, error);
    }
    if (isFirst) this.handledAt = history.at;
    this.doneAt = doneAt;
    this.cutAt = Math.max(this.cutAt, record.at);
    this.#isMigrated = isMigrated;
    this.#live(history);
    if (this.state !== 'running' || !history.countsFromWaking) return;
    this.isWaking = true;
    this.own({ kind: 'woken', atMs: this.now() });
  }

  #mismade(why: string): Failure {
    const what = `what the migration to version ${this.definition.version} made of ${this.id}`;
    return failure('ACTOR_VERSION', `${what} is no snapshot of its logic: ${why}; its state stays as it was`);
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
    if (this.state === 'stopped') this.end(history.body.snapshot());
    // Somebody may have said already that it shall leave.
    this.ready();
    if (!isFirst) return;
    this.lookIn(0);
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
    const cut = this.cutOf();
    if (cut !== null) this.log.cut(cut, undefined, { durable: false }, () => {});
  }

  // ---------------------------------------------------------------- it fails

  /** Over this entry, which is passed over from now on. */
  protected fail(number: number, letter: Letter | null, error: unknown, isReading = false): void {
    const reason = reasonOf(error);
    this.reason = reason;
    this.handledAt = Math.max(this.handledAt, number);
    this.skipped.add(number);
    // While it is read, what comes before may have to be done yet.
    if (!isReading) this.doneAt = Math.max(this.doneAt, number);
    this.own({ kind: 'skip', atMs: this.now(), number });
    const what = letter === null ? 'while it was at work' : `while it handled '${letter.event.type}'`;
    if (letter !== null) this.bounce(letter, failure('ACTOR_FAILED', `${this.id} failed ${what}: ${reason}`));
    this.letGo();
    this.endPending(failure('ACTOR_FAILED', `${this.id} failed before it answered: ${reason}`));
    const { clock, random } = this.place;
    const chance = random.uint32() / 0x1_0000_0000;
    const { restart } = this.definition;
    const family = this.place.familyOf(this.self);
    const { record, delayMs } = judgeFailure(restart, family?.record ?? this.#record, clock.nowMs(), chance);
    if (family === null) this.#record = record;
    else family.record = record;
    if (delayMs === null) return this.#giveUpAll(family, error, reason);
    if (this.state !== 'starting') this.state = 'backoff';
    this.place.failed(this.self, error, reason, delayMs);
    const herd = restart.strategy === 'one-for-one' ? [] : (family?.herdOf(this.self, restart.strategy) ?? []);
    this.herd = herd.filter((one) => one !== this.self);
    for (const one of this.herd) one.suspend(`${this.id} failed: ${reason}`);
    this.timer = clock.after(delayMs, () => {
      this.timer = null;
      this.#beginAnew();
      this.resumeHerd();
    });
  }

  /** Begins anew together with another that failed. */
  suspend(why: string): void {
    if (this.state !== 'running') return;
    this.reason = why;
    this.letGo();
    this.endPending(failure('ACTOR_FAILED', why));
    this.state = 'backoff';
  }

  resume(): void {
    if (this.state === 'backoff' && this.timer === null) this.#beginAnew();
  }

  #beginAnew(): void {
    if (this.isLeaving) return;
    this.restarts++;
    this.log.load((load) => {
      if (this.isLeaving || this.history !== null || this.timer !== null) return;
      if (load.ok && load.log !== null) return this.#read(load.log);
      const why = load.ok ? 'there is nothing of it any more' : load.message;
      this.#giveUp(new Error(why), `it cannot be read again: ${why}`);
    });
  }

  #giveUpAll(family: Family<DurableActor> | null, error: unknown, reason: string): void {
    this.#giveUp(error, reason);
    for (const one of family?.fall(this.self) ?? []) one.fallsWith(`its sibling ${this.id} was given up: ${reason}`);
  }

  /** Given up together with another. */
  fallsWith(why: string): void {
    if (this.isLeaving || this.isGone || this.state === 'failed' || this.state === 'stopped') return;
    this.timer?.cancel();
    this.timer = null;
    this.herd = [];
    this.letGo();
    this.endPending(failure('ACTOR_FAILED', why));
    this.#giveUp(new Error(why), why);
  }

  #giveUp(error: unknown, reason: string): void {
    this.reason = reason;
    const why = this.failedWith();
    this.place.failed(this.self, error, reason, null);
    if (this.state === 'starting') return this.#refuse(why);
    this.state = 'failed';
    const end: ActorEnd = { address: this.address, reason: 'failed', failure: why };
    this.over = end;
    this.returnAll(why);
    // What is on the disk is handled when it is read again, if ever: nobody waits for that.
    for (const { letter } of this.written.drain())
      for (const ask of letter?.asks ?? []) this.endAsk(ask, { ok: false, failure: why });
    this.endOnlookers(end);
    this.place.givenUp(this.self, end);
    this.lookIn(0);
  }

  /** What was handed to the disk may be there or not; nobody writes to it any more. */
  protected diskFailed(why: StorageFailure, lost: readonly (Letter | null)[]): void {
    const refused = diskRefused(this.id, why);
    this.place.diskRefused(refused);
    for (const letter of lost) if (letter !== null) this.bounce(letter, refused);
    if (this.isGone || this.state === 'failed') return;
    this.letGo();
    this.endPending(refused);
    this.#giveUp(new Error(refused.message), refused.message);
  }
}
