// How an actor with a log leaves: for good, with all of it; for a while, written in one piece; or because it has come to its own end.
import type { Snapshot } from 'xstate';
import { passivationIn } from '../machines/entity/passivation.ts';
import { type ErrorCode, type Failure, failure } from '../machines/errors.ts';
import type { ActorEnd } from './actor-api.ts';
import { DurableCore, type Ending, type Letter } from './actor-durable-core.ts';
import { journalLimits } from './actor-durable-place.ts';
import type { History } from './actor-history.ts';
import type { Cut } from './actor-log.ts';
import type { Buried } from './actor-records.ts';
import { toBury } from './actor-remains.ts';

export abstract class DurableLeave extends DurableCore {
  /** Over this entry. */
  protected abstract fail(number: number, letter: Letter | null, error: unknown): void;

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

  protected resumeHerd(): void {
    const herd = this.herd;
    this.herd = [];
    for (const one of herd) one.resume();
  }

  stop(isHard: boolean, done: (why: Failure | null) => void): void {
    this.#endAs('stopped', isHard, done);
  }

  release(why: 'passivated' | 'moved' | 'stopping', done: () => void): void {
    this.#endAs(why, true, done);
  }

  drain(): void {
    this.#endAs('stopping', false, () => {});
  }

  #endAs(as: Ending['as'], isHard: boolean, done: (why: Failure | null) => void): void {
    if (this.isGone) return done(null);
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
    // Whoever opens it is told first.
    if (ending === null || this.isLeaving || this.state === 'starting') return;
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
    this.isLeaving = true;
    this.letGo();
    this.log.remove(this.#toBury(), (why) => {
      const end: ActorEnd = { address: this.address, reason: 'stopped' };
      if (why === null) return this.#leave(end, 'ACTOR_STOPPED', null);
      const refused = failure('STORAGE_FAILED', `${this.id} could not be removed: ${why.code}: ${why.message}`);
      this.place.sink.log('error', refused.code, refused.message);
      // What it refused may look as if it were done.
      this.place.diskRefused(refused);
      this.#leave(end, 'ACTOR_STOPPED', null, refused);
    });
  }

  /** What it was delivered, as long as that is not too long ago for any. */
  #toBury(): Buried | null {
    const buried = toBury(this.delivered, this.now());
    if (buried !== null) this.place.buries();
    return buried;
  }

  /** Its state is written, so that it is read in one go, and its timers are known to whoever wakes it. */
  #rest(as: 'passivated' | 'moved'): void {
    this.isLeaving = true;
    const wakeMs = this.state === 'running' ? this.#wakeMs : null;
    const leave = (): void => this.#leaveUnlessStopped(as, 'NOT_READY', wakeMs);
    const cut = this.state === 'running' && !this.log.isAtRest ? this.cutOf() : null;
    if (cut === null) leave();
    else this.log.cut(cut, wakeMs, { durable: true }, leave);
  }

  /** At once, if its timers count from when it is read. */
  get #wakeMs(): number | null {
    return this.history?.countsFromWaking === true ? 0 : (this.history?.firstDueMs ?? null);
  }

  /** Somebody may have stopped it meanwhile. */
  #leaveUnlessStopped(why: ActorEnd | 'passivated' | 'moved', code: ErrorCode, wakeMs: number | null): void {
    if (this.ending?.as === 'stopped') this.#remove();
    else this.#leave(why, code, wakeMs);
  }

  /** The logic has come to its own end, which stays on the disk: who speaks to it later is told. */
  protected finishIfOver(): void {
    const snapshot = this.history?.body.snapshot();
    if (snapshot === undefined || snapshot.status === 'active' || this.state !== 'running') return;
    const end = this.end(snapshot);
    const cut = this.cutOf();
    this.isLeaving = true;
    const leave = (): void => this.#leaveUnlessStopped(end, 'ACTOR_STOPPED', null);
    if (cut === null) leave();
    else this.log.cut(cut, null, { durable: true }, leave);
  }

  protected end({ status, output }: Snapshot<unknown>): ActorEnd {
    const { address } = this;
    const end: ActorEnd = status === 'done' ? { address, reason: 'done', output } : { address, reason: 'stopped' };
    const why = failure('ACTOR_STOPPED', `${this.id} has ended`);
    this.state = 'stopped';
    this.over = end;
    this.endPending(why);
    this.returnAll(why, true);
    this.endOnlookers(end);
    this.workers.stop();
    return end;
  }

  #leave(why: ActorEnd | 'passivated' | 'moved', code: ErrorCode, wakeMs: number | null, refused: Failure | null = null): void {
    const wasTold = this.state === 'failed' || this.over !== null;
    this.letGo();
    const told = failure(code, code === 'NOT_READY' ? `${this.id} has left this node's memory` : `${this.id} has ended`);
    this.endPending(told);
    this.returnAll(told, code === 'ACTOR_STOPPED');
    this.state = code === 'NOT_READY' ? 'passive' : 'stopped';
    this.timer?.cancel();
    this.resumeHerd();
    if (this.lookMs !== Number.POSITIVE_INFINITY) this.place.idle.delete(this.self, this.lookMs);
    if (!wasTold) this.endOnlookers(why === 'passivated' ? 'moved' : why);
    this.over ??= why === 'passivated' ? 'moved' : why;
    this.isGone = true;
    this.place.over(this.self, why, wakeMs);
    for (const done of this.ending?.dones.splice(0) ?? []) done(refused);
  }

  // ---------------------------------------------------------------- it is written

  /**
   * Now and then a snapshot takes the place of the log behind it: what it is after this entry, or null. Throws what keeps it from being
   * written: before the entry is acknowledged, for it is passed over then.
   */
  protected cutIfLong(history: History, number: number): Cut | null {
    const { snapshotEntries, snapshotBytes, batchEntries, triedEntries } = journalLimits;
    const { log } = this;
    const since = number - this.cutAt;
    const isLarge = log.bytes >= Math.max(snapshotBytes, log.snapshotBytes) && since >= batchEntries;
    const isLong = since >= snapshotEntries || isLarge;
    if (!isLong && this.handled > triedEntries) return null;
    const cut = history.record(number, this.countedMs);
    return isLong ? cut : null;
  }

  protected replaceLog(number: number, cut: Cut): void {
    this.cutAt = number;
    for (const skipped of this.skipped) if (skipped <= number) this.skipped.delete(skipped);
    this.log.cut(cut, undefined, { durable: false }, () => {});
  }

  // ---------------------------------------------------------------- it is idle

  protected lookIn(ms: number): void {
    const { placement } = this.definition;
    const afterMs = this.#idleMs;
    if (afterMs === null || (placement === 'each' && this.state === 'running') || this.isGone) return;
    this.lookMs = this.place.clock.nowMs() + (ms || afterMs);
    this.place.idle.add(this.self, this.lookMs);
  }

  /** One that has ended, or was given up, is of little use here. */
  get #idleMs(): number | null {
    const isOut = this.state === 'failed' || this.state === 'stopped';
    return this.definition.passivateAfterMs ?? (isOut ? journalLimits.endedKeptMs : null);
  }

  look(): void {
    this.lookMs = Number.POSITIVE_INFINITY;
    if (this.isEnding || this.isGone) return;
    const isOut = this.state === 'failed' || this.state === 'stopped';
    const leftMs = passivationIn(
      {
        placement: isOut ? 'node' : this.definition.placement,
        ...{ passivateAfterMs: this.#idleMs, state: isOut ? 'running' : this.state, activeMs: this.usedMs },
        waiting: this.mailbox.size + this.words.length + this.written.size + (this.isWriting ? 1 : 0),
        ...{ asks: this.pending?.size ?? 0, subscribers: this.onlookers?.size ?? 0, working: this.workers.size },
        // One whose timers count from when it is read would be woken with as much of them left as when it went.
        ...{ timers: this.history?.dues.size ?? 0, timersWake: this.history?.countsFromWaking !== true },
      },
      this.place.clock.nowMs(),
    );
    if (leftMs === 0) this.release('passivated', () => {});
    else this.lookIn(leftMs ?? 0);
  }
}
