// One actor of durability 'none' where it lives: its mailbox, its turns, and whoever waits for its answers or looks on. What becomes of it
// when it fails or is stopped is in actor-cell-life.ts.
import type { EventObject, Snapshot } from 'xstate';
import { type Failure, failure } from '../machines/errors.ts';
import {
  type ActorEnd,
  type ActorView,
  actorLimits,
  type DeliveryId,
  type LiveActor,
  type Seen,
  type Trail,
} from './actor-api.ts';
import { PatientAsk, replyOf, whyNoEvent } from './actor-cell-asks.ts';
import type { EngineHost, Inside } from './actor-cell-engine.ts';
import { CellLife } from './actor-cell-life.ts';
import { Hearers, Onlookers, Taps, tooManyLookOn } from './actor-cell-onlookers.ts';
import { executing } from './actor-execution.ts';
import type { TakesTurns, Turn } from './actor-turns.ts';
import type { Outcome } from './api.ts';

const saidCharsMax = 1_000;

const shownOf = (value: unknown): string => {
  try {
    return (typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))).slice(0, saidCharsMax);
  } catch {
    return 'something that cannot be shown';
  }
};

type Delivery = { id: DeliveryId | null; wantsReply: boolean; leftMs: number; trail: Trail };

export class ActorCell extends CellLife implements LiveActor, TakesTurns, EngineHost {
  // ---------------------------------------------------------------- what it is sent

  send(event: EventObject, trail: Trail): Failure | null {
    return this.#refusal(event) ?? this.#take(event, trail, null);
  }

  /** The same id twice is two events: of actors that live in memory the door remembers what was delivered. */
  deliver(event: EventObject, how: Delivery, done: (outcome: Outcome<unknown>) => void): () => void {
    const { wantsReply, leftMs, trail } = how;
    const ask = new PatientAsk(event, wantsReply, leftMs, done);
    const why = this.#refusal(event) ?? (wantsReply ? this.#noReply(event) : null) ?? this.#take(event, trail, ask);
    if (why !== null) this.endAsk(ask, { ok: false, failure: why });
    return () => ask.forget();
  }

  #refusal(event: EventObject): Failure | null {
    const why = whyNoEvent(event);
    if (why !== null) return why;
    if (this.state === 'failed') return this.failedWith();
    if (this.isEnding || this.isOver) return failure('ACTOR_STOPPED', `${this.id} has ended`);
    return null;
  }

  #noReply({ type }: EventObject): Failure | null {
    const { name, replies, mailboxMax } = this.definition;
    if (!Object.hasOwn(replies, type)) return failure('INVALID_REQUEST', `${name} has no reply to '${type}'`);
    return this.pending !== null && this.pending.size >= mailboxMax ? this.#full() : null;
  }

  #take(event: EventObject, trail: Trail, ask: PatientAsk | null): Failure | null {
    if (!this.mailbox.push({ event, trail, ask }, this.definition.mailboxMax)) return this.#full();
    this.ready();
    return null;
  }

  #full(): Failure {
    const waiting = this.definition.mailboxMax;
    return failure('MAILBOX_FULL', `${waiting} events or askers wait for ${this.id} already, which is the most`, { waiting });
  }

  // ---------------------------------------------------------------- its turn

  run(turn: Turn): boolean {
    const hasMore = !this.isOver && executing(this.execution, () => this.#work(turn));
    this.isInLine = hasMore;
    // Last, and outside of its own execution: what they send to it stands in line.
    if (this.onlookers !== null && this.engine !== null) this.onlookers.tell(this.engine.snapshot());
    return hasMore;
  }

  #work(turn: Turn): boolean {
    this.usedMs = turn.nowMs;
    const { token } = this.execution;
    if (token !== null && !this.endsNow && !this.place.holds(this.address, token)) {
      // For a moment, or until whoever places it lets it go. He does not know yet of one that is only being made: it waits for nothing.
      if (this.hasBegun) {
        this.place.held(this);
        return false;
      }
      this.release('moved', () => {});
    }
    this.prepare();
    while (this.state === 'running' && !this.endsNow) {
      if (!this.#handleNext()) break;
      if (turn.isOver()) return true;
    }
    this.conclude();
    return false;
  }

  /** False: nothing waits. */
  #handleNext(): boolean {
    const word = this.words?.shift();
    if (word !== undefined) this.#handle(word.event, word.to, null, null);
    else {
      const letter = this.mailbox.shift();
      if (letter === undefined) return false;
      this.#handle(letter.event, null, letter.trail, letter.ask);
    }
    return true;
  }

  #handle(event: EventObject, to: Inside, trail: Trail | null, ask: PatientAsk | null): void {
    const engine = this.engine!;
    if (this.taps !== null && to === null) this.taps.event('', event, trail);
    this.execution.follows(trail);
    engine.handle(event, to);
    this.execution.follows(null);
    this.handled++;
    const snapshot = engine.snapshot();
    if (snapshot.status === 'error' || this.thrown !== null) return this.fail(snapshot, { event, trail, ask });
    if (this.pending !== null) this.#askAgain(snapshot);
    if (ask !== null) this.#answer(ask, snapshot);
    if (snapshot.status !== 'active') this.finish(snapshot);
  }

  #answer(ask: PatientAsk, snapshot: Snapshot<unknown>): void {
    if (!ask.wantsReply) return this.endAsk(ask, { ok: true, value: null });
    if (!ask.isOpen) return;
    const reply = replyOf(this.definition, snapshot, ask.event);
    if (reply !== undefined) return this.endAsk(ask, reply);
    this.pending ??= new Set();
    this.pending.add(ask);
    ask.waitsAt = this;
    ask.atMs = this.clock.nowMs() + ask.leftMs;
    this.place.overdue.add(ask, ask.atMs);
  }

  #askAgain(snapshot: Snapshot<unknown>): void {
    for (const ask of this.pending!) {
      const reply = replyOf(this.definition, snapshot, ask.event);
      if (reply !== undefined) this.endAsk(ask, reply);
    }
  }

  // ---------------------------------------------------------------- for its engine

  /** Of this actor's own timers, promises and children; or of somebody who was given `self` of XState and not a reference of ours. */
  arrives(event: EventObject, to: Inside): void {
    if (this.keep({ event, to })) this.ready();
    else this.fails(new Error(`more than ${actorLimits.mailboxMost} events of its own wait for it`));
  }

  lost(event: EventObject): void {
    this.place.deadLetters.add(this.address, event, null, 'ACTOR_STOPPED');
  }

  stopsItself(): void {
    this.stop(true, () => {});
  }

  says(args: readonly unknown[]): void {
    this.place.sink.log('info', 'ACTOR_SAYS', args.map(shownOf).join(' '), { address: this.id });
  }

  // ---------------------------------------------------------------- those who look on

  subscribe(on: (snapshot: Snapshot<unknown>) => void, ended: (why: ActorEnd | 'moved') => void): () => void {
    const over =
      this.over ?? (this.onlookers !== null && this.onlookers.size >= actorLimits.watchersMax ? tooManyLookOn(this) : null);
    this.onlookers ??= new Onlookers((error) => this.place.onlookerThrew(this, error));
    if (over === null) return this.onlookers.add({ on, ended }, this.snapshot());
    try {
      ended(over);
    } catch (error) {
      this.place.onlookerThrew(this, error);
    }
    return () => {};
  }

  hear(on: (event: EventObject) => void): () => void {
    this.hearers ??= new Hearers((error) => this.place.onlookerThrew(this, error));
    const end = this.hearers.add(on);
    this.engine?.hear();
    return end;
  }

  tap(on: (seen: Seen) => void): () => void {
    this.taps ??= new Taps(this.address, (error) => this.place.onlookerThrew(this, error));
    const { taps } = this;
    taps.add(on);
    return () => {
      taps.delete(on);
      if (taps.size === 0 && this.taps === taps) this.taps = null;
    };
  }

  snapshot(): Snapshot<unknown> {
    return this.engine === null ? this.last : this.engine.snapshot();
  }

  persisted(): unknown {
    return this.engine === null ? this.definition.logic.getPersistedSnapshot(this.last) : this.engine.persisted();
  }

  view(): ActorView {
    const { address, state, handled, restarts, reason } = this;
    const { durability, placement, version } = this.definition;
    const waiting = this.mailbox.size + (this.words?.size ?? 0);
    const children = [...(this.engine?.children() ?? []), ...Array.from(this.place.childrenOf(this), ({ id }) => id)];
    const { token } = this.execution;
    return { address, durability, placement, version, state, handled, waiting, restarts, reason, token, children };
  }
}
