// How a cell begins, fails, begins anew, is given up, and ends (row N4): its engine is an incarnation, its mailbox outlives it.
import type { Snapshot } from 'xstate';
import { type ErrorCode, errorTable, type Failure, failure, reasonOf } from '../machines/errors.ts';
import { type FailureRecord, judgeFailure, neverFailed } from '../machines/supervisor/index.ts';
import type { ActorEnd } from './actor-api.ts';
import type { ActorCell } from './actor-cell.ts';
import type { Ask } from './actor-cell-asks.ts';
import { isTransitionLogic, LightEngine } from './actor-cell-light.ts';
import { CellState, type Fatal } from './actor-cell-state.ts';
import { SystemEngine } from './actor-cell-system.ts';
import type { Family } from './actor-family.ts';
import type { Outcome } from './api.ts';
import type { Timer } from './ports/index.ts';

/** It shall end: at once, or when nothing waits any more. */
type Ending = { isHard: boolean; readonly as: 'stopped' | 'passivated' | 'moved' | 'stopping'; readonly dones: (() => void)[] };

export abstract class CellLife extends CellState {
  /** An engine is to be made in the next turn. */
  #begins = true;
  /** Why the engine is to be ended in the next turn: one with which it begins anew has failed. */
  #suspends: string | null = null;
  /** Why it is to be given up in the next turn: one with which it stands and falls was. */
  #falls: string | null = null;
  #ending: Ending | null = null;
  #record: FailureRecord = neverFailed;
  /** Those that wait for this one to begin anew. */
  #herd: readonly ActorCell[] | null = null;
  #timer: Timer | null = null;

  get isEnding(): boolean {
    return this.#ending !== null;
  }

  get endsNow(): boolean {
    return this.#ending?.isHard === true;
  }

  // ---------------------------------------------------------------- at the beginning and the end of each turn

  protected prepare(): void {
    if (this.endsNow) return;
    if (this.#falls !== null) return this.#fall(this.#falls);
    if (this.#suspends !== null) this.#suspend(this.#suspends);
    if (this.#begins) this.#begin();
    else if (this.thrown !== null && this.engine !== null) this.fail(this.engine.snapshot(), null);
  }

  protected conclude(): void {
    const ending = this.#ending;
    if (ending === null || this.isOver) return;
    // Whoever waits for it to begin anew still has his events handled.
    if (!ending.isHard && this.state === 'backoff' && this.mailbox.size > 0) return;
    const { address } = this;
    const stays = this.definition.placement === 'sharded' || this.definition.placement === 'singleton';
    if (ending.as === 'stopped') this.#end({ address, reason: 'stopped' }, 'ACTOR_STOPPED');
    else this.#end(ending.as === 'stopping' && !stays ? { address, reason: 'stopped' } : 'moved', 'NOT_READY');
  }

  // ---------------------------------------------------------------- it begins, and begins anew

  #begin(): void {
    const isFirst = this.state === 'starting';
    if (!isFirst) this.restarts++;
    this.#begins = false;
    this.hasBegun = true;
    this.state = 'running';
    this.#make();
    if (isFirst) this.place.began(this.self);
  }

  #make(): void {
    const { logic, input } = this.definition;
    const engine = isTransitionLogic(logic) ? new LightEngine(this, logic) : new SystemEngine(this, logic);
    try {
      const given = input(this.address.key);
      this.engine = engine;
      engine.begin(given);
    } catch (error) {
      this.thrown = { error };
    }
    const snapshot = this.snapshotNow();
    if (snapshot.status === 'error' || this.thrown !== null) this.fail(snapshot, null);
    else if (snapshot.status !== 'active') this.finish(snapshot);
  }

  protected snapshotNow(): Snapshot<unknown> {
    return this.engine === null ? this.last : this.engine.snapshot();
  }

  // ---------------------------------------------------------------- it fails

  fails(error: unknown): void {
    if (this.engine === null) return;
    this.thrown ??= { error };
    this.ready();
  }

  protected fail(snapshot: Snapshot<unknown>, over: Fatal | null): void {
    const error = this.thrown === null ? snapshot.error : this.thrown.error;
    const reason = reasonOf(error);
    this.reason = reason;
    const doing = over === null ? 'while it began or was at work' : `while it handled '${over.event.type}'`;
    if (over !== null) this.#bounce(over, failure('ACTOR_FAILED', `${this.id} failed ${doing}: ${reason}`));
    this.#letGo({ ...snapshot, status: 'error', output: undefined, error } as Snapshot<unknown>, () => this.#lostWith(reason));
    const nowMs = this.clock.nowMs();
    const chance = this.place.random.uint32() / 0x1_0000_0000;
    const { restart } = this.definition;
    const family = this.place.familyOf(this.self);
    const { record, delayMs } = judgeFailure(restart, family?.record ?? this.#record, nowMs, chance);
    if (family === null) this.#record = record;
    else family.record = record;
    if (delayMs === null) return this.#giveUpAll(family, error, reason);
    this.state = 'backoff';
    this.place.failed(this.self, error, reason, delayMs);
    this.#herd =
      restart.strategy === 'one-for-one' ? [this.self] : (family?.herdOf(this.self, restart.strategy) ?? [this.self]);
    for (const one of this.#herd) if (one !== this.self) one.suspend(`${this.id} failed: ${reason}`);
    this.#timer = this.clock.after(delayMs, () => {
      this.#timer = null;
      this.#resumeHerd();
    });
  }

  #lostWith(reason: string): Failure {
    return failure('ACTOR_FAILED', `${this.id} failed before it answered: ${reason}`);
  }

  #resumeHerd(): void {
    const herd = this.#herd ?? [];
    this.#herd = null;
    for (const one of herd) one.resume();
  }

  /** For one that fails together with another, but on its own turn. */
  suspend(why: string): void {
    if (this.state !== 'running') return;
    this.#suspends = why;
    this.ready();
  }

  resume(): void {
    // One that failed by itself meanwhile has its own time.
    if (this.#timer !== null || (this.state !== 'backoff' && this.#suspends === null)) return;
    this.#begins = true;
    this.ready();
  }

  #suspend(why: string): void {
    this.#suspends = null;
    if (this.state !== 'running') return;
    this.reason = why;
    this.#letGo(this.snapshotNow(), () => this.#lostWith(why));
    this.state = 'backoff';
  }

  /** With a parent it is the parent that fails, and ends them all. */
  #giveUpAll(family: Family<ActorCell> | null, error: unknown, reason: string): void {
    this.#giveUp();
    this.place.failed(this.self, error, reason, null);
    if (this.parent !== null) return;
    for (const one of family?.fall(this.self) ?? []) one.fallsWith(`its sibling ${this.id} was given up: ${reason}`);
  }

  /** For one that is given up together with another, but on its own turn. */
  fallsWith(why: string): void {
    if (this.isOver || this.state === 'failed') return;
    this.#falls = why;
    this.ready();
  }

  #fall(why: string): void {
    this.#falls = this.#suspends = this.#herd = null;
    if (this.state === 'failed') return;
    const isFirst = this.state === 'starting';
    this.#begins = false;
    this.#timer?.cancel();
    this.#timer = null;
    this.reason = why;
    this.#letGo(this.snapshotNow(), () => this.#lostWith(why));
    this.#giveUp();
    if (isFirst) this.place.began(this.self);
  }

  #giveUp(): void {
    const { address } = this;
    this.state = 'failed';
    const why = this.failedWith();
    this.#returnAll(() => why);
    const end: ActorEnd = { address, reason: 'failed', failure: why };
    this.#endOnlookers(end);
    this.place.givenUp(this.self, end);
  }

  failedWith(): Failure {
    return failure('ACTOR_FAILED', `${this.id} failed too often and was given up: ${this.reason}; stop it to begin anew`);
  }

  // ---------------------------------------------------------------- it ends

  stop(isHard: boolean, done: (why: null) => void): void {
    this.#endAs('stopped', isHard, () => done(null));
  }

  release(why: 'passivated' | 'moved' | 'stopping', done: () => void): void {
    this.#endAs(why, true, done);
  }

  /** The node is stopping: it handles what waits, then it is released. */
  drain(): void {
    this.#endAs('stopping', false, () => {});
  }

  #endAs(as: Ending['as'], isHard: boolean, done: () => void): void {
    if (this.isOver) return done();
    this.#ending ??= { isHard, as, dones: [] };
    this.#ending.isHard ||= isHard;
    this.#ending.dones.push(done);
    this.ready();
  }

  /** The logic has come to its own end. */
  protected finish({ status, output }: Snapshot<unknown>): void {
    const { address } = this;
    this.#end(status === 'done' ? { address, reason: 'done', output } : { address, reason: 'stopped' }, 'ACTOR_STOPPED');
  }

  #end(end: ActorEnd | 'moved', code: ErrorCode): void {
    const why = (): Failure =>
      failure(code, end === 'moved' ? `${this.id} has left this node` : `${this.id} has ended (${end.reason})`);
    const wasGivenUp = this.state === 'failed';
    this.#letGo(this.snapshotNow(), why);
    this.state = end === 'moved' ? 'passive' : 'stopped';
    this.#timer?.cancel();
    this.#timer = null;
    this.#resumeHerd();
    this.#returnAll(why);
    if (!wasGivenUp) this.#endOnlookers(end);
    this.over = end;
    this.place.over(this.self);
    this.place.gone(this.self, this.#ending?.as === 'passivated' ? 'passivated' : end);
    for (const done of this.#ending?.dones ?? []) done();
  }

  /** Ends the engine with everything of it. Whoever has asked it and was not answered is told why. */
  #letGo(last: Snapshot<unknown>, why: () => Failure): void {
    const { engine, words } = this;
    this.last = last;
    this.thrown = null;
    if (engine !== null) {
      if (this.onlookers !== null) this.onlookers.tell(last);
      this.engine = null;
      engine.stop();
    }
    // What it throws as it goes is nobody's concern any more.
    this.thrown = null;
    for (let word = words?.shift(); word !== undefined; word = words?.shift())
      if (!word.event.type.startsWith('xstate.')) this.lost(word.event);
    this.words = null;
    if (this.pending !== null) this.#leaveUnanswered(why());
    for (const child of this.place.childrenOf(this.self)) child.stop(true, () => {});
  }

  /** Their events were handled: that they surely were not would have them asked once more elsewhere. */
  #leaveUnanswered(why: Failure): void {
    const { code, message } = why;
    const unanswered = errorTable[code].definite ? failure('OUTCOME_UNKNOWN', `${message}; it handled the event`) : why;
    for (const ask of this.pending ?? []) this.endAsk(ask, { ok: false, failure: unanswered });
    this.pending = null;
  }

  #endOnlookers(end: ActorEnd | 'moved'): void {
    this.over = end;
    this.onlookers?.end(end);
    this.onlookers = null;
    this.taps?.tell({ type: 'ended', address: this.address, path: '', end });
  }

  /** What was taken and will not be handled. */
  #returnAll(why: () => Failure): void {
    for (let letter = this.mailbox.shift(); letter !== undefined; letter = this.mailbox.shift()) this.#bounce(letter, why());
  }

  #bounce({ event, trail, ask }: Fatal, why: Failure): void {
    this.place.deadLetters.add(this.address, event, trail, why.code);
    if (ask !== null) this.endAsk(ask, { ok: false, failure: why });
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

  get idleMsMax(): number | null {
    return this.definition.placement === 'each' ? null : this.definition.passivateAfterMs;
  }

  look(nowMs: number): void {
    if (nowMs - this.usedMs >= (this.idleMsMax ?? nowMs) && !this.isOver && this.#isIdle())
      this.release('passivated', () => {});
  }

  #isIdle(): boolean {
    if (this.state === 'failed') return true;
    if (this.state !== 'running' || this.mailbox.size > 0 || (this.words?.size ?? 0) > 0) return false;
    if ((this.pending?.size ?? 0) > 0 || (this.onlookers?.size ?? 0) > 0 || this.#ending !== null) return false;
    for (const _ of this.place.childrenOf(this.self)) return false;
    return !this.engine!.isBusy();
  }
}
