// Requests of this node to actors, wherever they are. What is to be done next, machines/entity/post-request.ts says; this room does it: asks
// here or a peer, waits, and tells whoever asked how it ended, once, with the address, the node and how often it was tried.
import type { EventObject } from 'xstate';
import { type ActorAddress, addressText } from '../machines/entity/address.ts';
import { postLimits } from '../machines/entity/post-limits.ts';
import { type AskKind, formAsk, type PostDone, postTypes } from '../machines/entity/post-messages.ts';
import { createRequest, here, type RequestEvent, type RequestState, stepRequest } from '../machines/entity/post-request.ts';
import { type Failure, failure } from '../machines/errors.ts';
import type { Trail } from './actor-api.ts';
import { type FormRef, type Found, type Here, packPlain, unpackPlain } from './actor-here.ts';
import type { Locating } from './actor-locating.ts';
import { isFailure } from './actor-values.ts';
import type { Outcome } from './api.ts';
import type { Carrier } from './calls-post.ts';
import { createDeadlines, type Deadlines } from './deadlines.ts';
import type { ClockPort, PeerId, SinkPort, Timer } from './ports/index.ts';
import type { Fate } from './router.ts';
import type { Scope } from './supervise.ts';

export type Asked = {
  readonly kind: AskKind;
  readonly address: ActorAddress;
  readonly event: EventObject;
  /** Given by whoever asks; null: it has a number only. */
  readonly id: string | null;
  readonly timeoutMs: number;
  readonly trail: Trail;
};

export type AskingArguments = {
  name: string;
  self: PeerId;
  clock: ClockPort;
  sink: SinkPort;
  chance: () => number;
  carrier: Carrier;
  here: Here;
  locating: Locating;
  formRef: FormRef;
  nameOf: (peer: PeerId) => string | null;
  epochOf: (peer: PeerId) => number;
  nextNumber: () => number;
  /** A message to it would take no way over others. */
  isStraight: (peer: PeerId) => boolean;
  /** It took one: connections of whom it is for are nothing to it. */
  isOver: (number: number) => boolean;
  /** That nobody guesses. */
  newId: () => string;
};

type Open = {
  readonly number: number;
  readonly asked: Asked;
  /** Over others nobody proves whose number it is: there it needs an id that means the same whoever brings it, and keeps it. */
  id: string | null;
  readonly state: RequestState;
  readonly done: (outcome: Outcome<unknown>) => void;
  /** Packed when it is needed first. */
  bytes: Uint8Array | null;
  /** Of the process that was asked; 0: not known. */
  epoch: number;
  timer: Timer | null;
  endHere: (() => void) | null;
  /** If it is here: where. */
  found: Found | null;
  /** Another one for each question, so that what becomes of an earlier one does not count. */
  turn: number;
};

export class Asking {
  readonly #scope: Scope;
  readonly #args: AskingArguments;
  readonly #open = new Map<number, Open>();
  readonly #deadlines: Deadlines<Open>;
  /** Answers that a peer need not remember any more; told with the next question. */
  readonly #heard = new Map<PeerId, number[]>();

  constructor(scope: Scope, args: AskingArguments) {
    this.#scope = scope;
    this.#args = args;
    this.#deadlines = createDeadlines(scope, args.clock.nowMs, (open) => this.#step(open, { type: 'late' }));
  }

  get size(): number {
    return this.#open.size;
  }

  /** Asked, or about to be asked again, here: the connection is of use. */
  isAsking(peer: PeerId): boolean {
    for (const { state } of this.#open.values()) if (state.target === peer) return true;
    return false;
  }

  begin(asked: Asked, done: (outcome: Outcome<unknown>) => void): () => void {
    const { clock, locating, nextNumber } = this.#args;
    const nowMs = clock.nowMs();
    if (this.#open.size >= postLimits.outgoingMax) {
      done({ ok: false, failure: failure('OVERLOADED', `${this.#open.size} requests to actors are under way`) });
      return () => {};
    }
    const state = createRequest(nowMs, nowMs + asked.timeoutMs, locating.isKept(asked.address.type));
    // One literal, as for the state.
    const open: Open = {
      number: nextNumber(),
      asked,
      id: asked.id,
      state,
      done,
      bytes: null,
      epoch: 0,
      timer: null,
      endHere: null,
      found: null,
      turn: 0,
    };
    this.#open.set(open.number, open);
    this.#deadlines.add(open, state.untilMs);
    this.#seek(open);
    return () => this.#step(open, { type: 'cancelled' });
  }

  // ---------------------------------------------------------------- what happens

  answered(peer: PeerId, { number, result, isKept }: PostDone): void {
    const open = this.#open.get(number);
    // Late answers are ordinary; those of others than were asked are told apart by nobody, and worth nothing.
    if (open === undefined || open.state.target !== peer) return this.#args.sink.count('actor_answers_late_total');
    const { type } = open.asked.address;
    if (isKept) this.#args.locating.learn(type, true);
    open.state.isKept ||= isKept;
    this.#noteHeard(peer, number);
    switch (result.type) {
      case 'ok': {
        const value = unpackPlain(result.value, this.#args.formRef);
        if (value !== undefined) return this.#finish(open, { ok: true, value: open.asked.kind === 'ask' ? value.value : null });
        return this.#finish(open, {
          ...{ ok: false, failure: failure('OUTCOME_UNKNOWN', 'it was handled, and its answer is no plain data') },
        });
      }
      case 'failed':
        return this.#step(open, { type: 'failed', failure: result.failure });
      case 'elsewhere':
        return this.#step(open, { type: 'elsewhere', peer: result.peer });
    }
  }

  #noteHeard(peer: PeerId, number: number): void {
    const heard = this.#heard.get(peer);
    if (heard === undefined) this.#heard.set(peer, [number]);
    // What is not said is forgotten in its time.
    else if (heard.length < postLimits.heardKeptMax) heard.push(number);
  }

  #all(type: 'lost' | 'gone', peer: PeerId): void {
    this.#heard.delete(peer);
    for (const open of [...this.#open.values()]) {
      if (open.state.target !== peer || (type === 'lost' && this.#args.isOver(open.number))) continue;
      this.#step(open, { type });
    }
  }

  /** Over others it surely did not get there. */
  unsent(number: number, why: Failure): void {
    const open = this.#open.get(number);
    if (open !== undefined) this.#step(open, { type: 'unsent', failure: why });
  }

  /** Over others it may have got there. */
  lost(number: number, why: Failure): void {
    const open = this.#open.get(number);
    if (open !== undefined) this.#step(open, { type: 'failed', failure: why });
  }

  closed(peer: PeerId): void {
    this.#all('lost', peer);
  }

  gone(peer: PeerId): void {
    this.#all('gone', peer);
  }

  changed(): void {
    for (const open of [...this.#open.values()]) this.#step(open, { type: 'changed' });
  }

  /** A while after something changed: who was asked where the actor is no more, and has not answered, may be cut off. */
  look(): void {
    for (const open of [...this.#open.values()]) {
      const { phase, target, isKept } = open.state;
      if (phase !== 'asked' || !isKept || target === here) continue;
      const located = this.#args.locating.locate(open.asked.address);
      if (located.type === 'here' || (located.type === 'at' && located.peer !== target)) this.#step(open, { type: 'moved' });
    }
  }

  stop(why: Failure): void {
    for (const open of [...this.#open.values()]) this.#step(open, { type: 'stopping', failure: why });
  }

  // ---------------------------------------------------------------- what is done

  #step(open: Open, event: RequestEvent): void {
    const { clock, chance, sink, locating } = this.#args;
    // News of its type may have come since it was put.
    open.state.isKept ||= locating.isKept(open.asked.address.type);
    const next = stepRequest(open.state, clock.nowMs(), chance(), event);
    if (next === null) return;
    open.timer?.cancel();
    open.timer = null;
    switch (next.do) {
      case 'seek':
        return this.#seek(open);
      case 'ask':
        open.turn++;
        if (open.state.attempts > 1) sink.count('actor_requests_retried_total', { why: open.state.last?.code ?? 'moved' });
        return next.target === here ? this.#askHere(open) : this.#askAt(open, next.target as PeerId);
      case 'pause':
        open.timer = this.#scope.after(next.ms, () => this.#step(open, { type: 'woke' }));
        return;
      case 'end':
        this.#giveUp(open);
        return this.#finish(open, { ok: false, failure: this.#described(open, next.failure) });
    }
  }

  #seek(open: Open): void {
    const located = this.#args.locating.locate(open.asked.address);
    open.found = located.type === 'here' ? located.found : null;
    if (located.type === 'at' && located.peer === this.#args.self)
      return this.#step(open, { type: 'nowhere', failure: failure('NOT_READY', 'nobody knows where it is'), againMs: 0 });
    this.#step(open, located);
  }

  #askHere(open: Open): void {
    const { found } = open;
    if (found === null)
      return this.#step(open, { type: 'failed', failure: failure('NOT_READY', 'the actor is elsewhere now') });
    const { asked, number, turn, state } = open;
    const { kind, event, trail } = asked;
    // Where ids are kept it may have been handled already, under the number that another node was told.
    const id = open.id ?? (found.definition.durability === 'none' ? null : number);
    const leftMs = Math.max(1, state.untilMs - this.#args.clock.nowMs());
    const end = this.#args.here.ask(found, { kind, event, id, caller: this.#args.self, leftMs, trail }, (outcome) => {
      if (open.turn !== turn || !this.#open.has(number)) return;
      open.endHere = null;
      if (outcome.ok) return this.#finish(open, { ok: true, value: kind === 'ask' ? outcome.value : null });
      this.#step(open, { type: 'failed', failure: outcome.failure });
    });
    if (open.turn === turn && this.#open.has(number)) open.endHere = end;
  }

  #askAt(open: Open, peer: PeerId): void {
    const { carrier, clock, epochOf, isStraight, newId } = this.#args;
    const { asked, state, number, turn } = open;
    if (open.bytes === null) {
      const bytes = asked.kind === 'ask' || asked.kind === 'deliver' ? packPlain(asked.event, 'event') : new Uint8Array(0);
      if (isFailure(bytes)) return this.#finish(open, { ok: false, failure: this.#described(open, bytes) });
      open.bytes = bytes;
    }
    // The same process or none, where only that knows whether it happened.
    const epoch = state.doubtAt === null ? 0 : open.epoch;
    const heard = this.#heard.get(peer)?.splice(0, postLimits.heardMax) ?? [];
    // What was put straight on, and is in doubt, was put under its number: elsewhere that would be another question.
    if (open.id === null && !state.isInDoubt && !isStraight(peer)) open.id = newId();
    const { id } = open;
    const { address, kind, trail } = asked;
    const body = formAsk({
      ...{ number, kind, id: id ?? number, address, source: trail.source, correlation: trail.correlation, epoch, heard },
      event: open.bytes,
    });
    const fate: Fate = {
      left: this.#scope.guard(() => this.#fate(open, turn, peer, { type: 'left' })),
      dropped: this.#scope.guard(() => this.#fate(open, turn, peer, { type: 'unsent', failure: unreachable })),
    };
    if (epoch === 0) open.epoch = epochOf(peer);
    const leftMs = Math.max(1, Math.ceil(state.untilMs - clock.nowMs()));
    const sent = carrier.send(peer, postTypes.ask, body, leftMs, '', fate);
    if (sent === 'waits') return this.#step(open, { type: 'waits' });
    if (sent === 'full') return this.#step(open, { type: 'unsent', failure: laneFull });
    if (sent === 'unreachable') this.#step(open, { type: 'unsent', failure: unreachable });
  }

  #fate(open: Open, turn: number, peer: PeerId, event: RequestEvent): void {
    if (open.turn !== turn || !this.#open.has(open.number)) return;
    if (event.type === 'left' && open.state.doubtAt === null) open.epoch = this.#args.epochOf(peer);
    this.#step(open, event);
  }

  /** Whoever was asked need not answer. */
  #giveUp(open: Open): void {
    open.endHere?.();
    const { target } = open.state;
    if (typeof target === 'string' && open.state.hasLeft)
      this.#args.carrier.send(target, postTypes.quit, open.number, 0, '', whatever);
  }

  #described(open: Open, why: Failure): Failure {
    const { target, attempts } = open.state;
    const { name, nameOf } = this.#args;
    const node = target === null ? null : typeof target === 'string' ? (nameOf(target) ?? target) : name;
    const address = addressText(open.asked.address);
    return failure(why.code, `${address}: ${why.message}`, {
      ...{ address, ...(node === null ? {} : { node }), attempts },
      ...why.details,
    });
  }

  #finish(open: Open, outcome: Outcome<unknown>): void {
    if (!this.#open.delete(open.number)) return;
    open.state.phase = 'over';
    open.timer?.cancel();
    this.#deadlines.delete(open, open.state.untilMs);
    try {
      open.done(outcome);
    } catch (error) {
      this.#args.sink.log('error', 'CALLER_THREW', error instanceof Error ? error.message : String(error), { error });
    }
  }
}

const whatever: Fate = { left() {}, dropped() {} };
const unreachable = failure('UNREACHABLE', 'its node cannot be reached');
const laneFull = failure('OVERLOADED', 'too much waits for its node already');
