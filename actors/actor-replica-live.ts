// A replicated actor at the leader of its group, as the door sees it. Its events go into the log, and whoever waits is answered when the
// entry is applied here, from the snapshot right after it. It has no state of its own: that is the ledger's.
import type { EventObject, Snapshot } from 'xstate';
import { type ActorAddress, addressText } from '../machines/entity/address.ts';
import { removalOf } from '../machines/entity/ledger.ts';
import { answerIn } from '../machines/entity/ledger-answers.ts';
import { bodyOf, persistedOf } from '../machines/entity/ledger-fold.ts';
import { type ActorName, type ActorRecord, type LedgerItem, ledgerLimits, type Step } from '../machines/entity/ledger-types.ts';
import { passivationIn } from '../machines/entity/passivation.ts';
import { type Failure, failure } from '../machines/errors.ts';
import type { FencingToken } from '../machines/register/types.ts';
import { pack, unpack } from '../machines/wire/envelope.ts';
import {
  type ActorDefinition,
  type ActorEnd,
  type ActorState,
  type ActorView,
  actorLimits,
  type LiveActor,
  type Seen,
  type Trail,
} from './actor-api.ts';
import { Ask, replyOf } from './actor-cell-asks.ts';
import { Hearers, Onlookers, Taps } from './actor-cell-onlookers.ts';
import { type FormRef, innerOf } from './actor-replica-code.ts';
import type { ItemEnd } from './actor-replica-proposals.ts';
import { plainOf, revive } from './actor-values.ts';
import type { Outcome } from './api.ts';
import type { ClockPort, SinkPort } from './ports/index.ts';

export type LivePlace = {
  readonly clock: ClockPort;
  readonly sink: SinkPort;
  propose(item: LedgerItem, done: (end: ItemEnd) => void): void;
  record(name: ActorName): ActorRecord | null;
  readonly formRef: FormRef;
  fold(record: ActorRecord): Parameters<typeof bodyOf>[1] | null;
  /** Look at it again at that time. */
  lookAt(actor: ReplicaActor, atMs: number): void;
  onGone(actor: ReplicaActor, why: ActorEnd | 'passivated' | 'moved'): void;
  onDeadLetter(actor: ReplicaActor, event: EventObject, source: string, reason: Failure['code']): void;
};

type Deliver = Parameters<LiveActor['deliver']>[1];

const states: Record<ActorRecord['standing'], ActorState> = {
  ...{ empty: 'starting', active: 'running', done: 'stopped', failed: 'failed' },
};

export class ReplicaActor implements LiveActor {
  readonly address: ActorAddress;
  readonly definition: ActorDefinition;
  readonly name: ActorName;
  readonly token: FencingToken | null;
  readonly #place: LivePlace;
  /** Events on their way into the log. */
  #inFlight = 0;
  /** Whoever was not answered when his event was handled. */
  readonly #asks = new Set<Ask>();
  readonly #onlookers: Onlookers;
  readonly #taps: Taps;
  readonly #hearers: Hearers;
  #isNews = false;
  #over: ActorEnd | 'passivated' | 'moved' | null = null;
  #onIdle: (() => void) | null = null;
  #isClosing = false;
  #handled = 0;
  #activeMs: number;

  constructor(
    definition: ActorDefinition,
    address: ActorAddress,
    name: ActorName,
    token: FencingToken | null,
    place: LivePlace,
  ) {
    this.definition = definition;
    this.address = address;
    this.name = name;
    this.token = token;
    this.#place = place;
    this.#activeMs = place.clock.nowMs();
    const onThrow = (error: unknown): void =>
      place.sink.log('error', 'ONLOOKER_THREW', `who looks on ${addressText(address)} threw ${String(error)}`);
    this.#onlookers = new Onlookers(onThrow);
    this.#taps = new Taps(address, onThrow);
    this.#hearers = new Hearers(onThrow);
  }

  /** Once, when whoever opened it has it: one that is over already ends once it has answered; one that nobody needs goes after a while. */
  begun(): void {
    const record = this.#place.record(this.name);
    if (record !== null && isOver(record)) this.#finish();
    else this.look();
  }

  // ---------------------------------------------------------------- events

  send(event: EventObject, trail: Trail): Failure | null {
    const item = this.#itemOf(event, '', false);
    if ('code' in item) return item;
    this.#propose(item, trail, (end) => {
      const why = failureOf(end, this.name);
      if (why !== null) this.#place.onDeadLetter(this, event, trail.source, why.code);
    });
    return null;
  }

  deliver(event: EventObject, how: Deliver, done: (outcome: Outcome<unknown>) => void): () => void {
    const refuse = (why: Failure): (() => void) => {
      done({ ok: false, failure: why });
      return () => {};
    };
    const { name, replies } = this.definition;
    if (how.wantsReply && !Object.hasOwn(replies, event.type))
      return refuse(failure('INVALID_REQUEST', `${name} has no reply to '${event.type}'`));
    const item = this.#itemOf(event, how.id ?? '', how.wantsReply);
    if ('code' in item) return refuse(item);
    if (how.wantsReply && this.#asks.size >= this.definition.mailboxMax) return refuse(this.#full(this.#asks.size));
    const ask = new Ask(event, how.wantsReply, this.#place.clock.nowMs() + how.leftMs, done);
    this.#propose(item, how.trail, (end) => this.#answer(ask, end));
    return () => ask.forget();
  }

  #full(waiting: number): Failure {
    const message = `${waiting} events or askers wait for ${addressText(this.address)} already, which is the most`;
    return failure('MAILBOX_FULL', message, { waiting });
  }

  #itemOf(event: EventObject, id: string, wantsReply: boolean): Extract<LedgerItem, { kind: 'event' }> | Failure {
    if (this.#over !== null || this.#isClosing)
      return failure('NOT_READY', `${addressText(this.address)} does not live here any more`);
    if (this.#inFlight >= this.definition.mailboxMax) return this.#full(this.#inFlight);
    if (id.length > ledgerLimits.idCharsMax)
      return failure('INVALID_REQUEST', `a delivery id has at most ${ledgerLimits.idCharsMax} characters`);
    const plain = plainOf(event, 'event');
    if (!plain.ok) return plain.failure;
    const bytes = pack(plain.value);
    if (bytes.byteLength > ledgerLimits.eventBytesMax)
      return failure('TOO_LARGE', `the event has ${bytes.byteLength} bytes, at most ${ledgerLimits.eventBytesMax}`);
    const record = this.#place.record(this.name);
    // Told before it is in the log: the sender may try again, under the same id.
    if (record !== null && record.outbox.size >= 0.9 * ledgerLimits.outboxMax)
      return failure('OVERLOADED', `${record.outbox.size} effects of ${addressText(this.address)} wait to be run`);
    const isAsked = wantsReply && id !== '';
    return { kind: 'event', actor: this.name, version: this.definition.version, id, isAsked, event: bytes };
  }

  #propose(item: LedgerItem, trail: Trail, done: (end: ItemEnd) => void): void {
    this.#inFlight++;
    if (this.#taps.size > 0) this.#trails.push(trail);
    this.#place.propose(item, (end) => {
      this.#inFlight--;
      const at = this.#trails.indexOf(trail);
      if (at >= 0) this.#trails.splice(at, 1);
      done(end);
      if (this.#inFlight === 0) this.#onIdle?.();
    });
  }

  /** Of events that somebody looks on at, oldest first. */
  readonly #trails: Trail[] = [];

  #answer(ask: Ask, end: ItemEnd): void {
    const why = failureOf(end, this.name);
    if (why !== null) return this.#end(ask, { ok: false, failure: why });
    if (!ask.wantsReply) return this.#end(ask, { ok: true, value: null });
    if (!ask.isOpen) return;
    const outcome = end.type === 'applied' ? end.outcome : null;
    if (outcome?.type === 'again') {
      const before = this.#answerBefore(outcome.seq);
      if (before !== null) return this.#end(ask, before);
    }
    const after = outcome?.type === 'ok' ? outcome.snapshot : null;
    if (after === null && !this.#isReadable) return this.#end(ask, { ok: false, failure: untold(this.address) });
    const reply = replyOf(this.definition, (after ?? this.snapshot()) as Snapshot<unknown>, ask.event);
    if (reply !== undefined) return this.#end(ask, reply);
    if (this.#isClosing) return this.#end(ask, { ok: false, failure: untold(this.address) });
    this.#asks.add(ask);
    const timer = this.#place.clock.after(Math.max(0, ask.atMs - this.#place.clock.nowMs()), () => {
      if (ask.isOpen) this.#end(ask, { ok: false, failure: unanswered(this.address, ask.event) });
    });
    ask.waitsAt = {
      forget: (one) => {
        this.#asks.delete(one);
        timer.cancel();
      },
    };
  }

  /** What was answered when that step was handled; null: that is not known, but what the actor says by now is. */
  #answerBefore(seq: number): Outcome<unknown> | null {
    if (seq === 0) return { ok: false, failure: untoldByRemoved(this.address) };
    const kept = answerIn(this.#place.record(this.name)?.answers ?? null, seq);
    return kept === null ? null : { ok: true, value: revive(unpack(kept), this.#place.formRef) };
  }

  /** Whoever is told does what he likes, in a turn of his own: this may be the group's. */
  #end(ask: Ask, outcome: Outcome<unknown>): void {
    const { clock, sink } = this.#place;
    clock.soon(() =>
      ask.end(outcome, (error) => sink.log('error', 'ASKER_THREW', `who asked ${this.name} threw ${String(error)}`)),
    );
  }

  // ---------------------------------------------------------------- told by the ledger, within the group's turn

  folded(record: ActorRecord, step: Step, why: Failure | null, event: unknown, emitted: readonly EventObject[]): void {
    this.#handled++;
    this.#activeMs = this.#place.clock.nowMs();
    this.#news();
    if (this.#taps.size > 0) this.#tell(step, event, record);
    if (emitted.length > 0 && this.#hearers.size > 0)
      this.#place.clock.soon(() => {
        for (const one of emitted) this.#hearers.tell(one);
      });
    if (why === null && this.#asks.size > 0 && record.body !== null) this.#askAgain(innerOf(record.body).snapshot());
    if (isOver(record)) this.#finish();
  }

  /** It is there, and so is its code; else it was removed since, or this replica cannot follow. */
  get #isReadable(): boolean {
    const record = this.#place.record(this.name);
    return record !== null && record.standing !== 'empty' && this.#place.fold(record) !== null;
  }

  #askAgain(snapshot: Snapshot<unknown>): void {
    for (const ask of this.#asks) {
      const reply = replyOf(this.definition, snapshot, ask.event);
      if (reply !== undefined) this.#end(ask, reply);
    }
  }

  #tell(step: Step, event: unknown, record: ActorRecord): void {
    const { address } = this;
    const shown = (event ?? { type: step.item.kind }) as EventObject;
    const trail = step.item.kind === 'event' ? (this.#trails.shift() ?? null) : null;
    this.#taps.event('', shown, trail);
    if (record.body === null) return;
    const snapshot = innerOf(record.body).snapshot();
    this.#taps.tell({ type: 'snapshot', address, path: '', snapshot, event: shown });
  }

  /** At most one of a turn. */
  #news(): void {
    if (this.#isNews || this.#onlookers.size === 0) return;
    this.#isNews = true;
    this.#place.clock.soon(() => {
      this.#isNews = false;
      const record = this.#place.record(this.name);
      if (this.#over !== null || record === null) return;
      this.#onlookers.tell(this.snapshot());
    });
  }

  /** Its state was replaced, or it was stopped because replicas of it differ. */
  replaced(): void {
    this.#news();
  }

  /** Somebody removed it, here or elsewhere. */
  removed(): void {
    const end: ActorEnd = { address: this.address, reason: 'stopped' };
    this.#isClosing = true;
    this.#whenIdle(() => this.#close(end, () => {}));
  }

  #finish(): void {
    if (this.#over !== null || this.#isClosing) return;
    this.#isClosing = true;
    this.#place.clock.soon(() =>
      this.#whenIdle(() => {
        const record = this.#place.record(this.name);
        this.#close(record === null ? { address: this.address, reason: 'stopped' } : this.endOf(record), () => {});
      }),
    );
  }

  endOf(record: ActorRecord): ActorEnd {
    const { address } = this;
    if (record.standing === 'failed')
      return { address, reason: 'failed', failure: failure('ACTOR_FAILED', record.reason ?? 'it failed') };
    const { output } = this.snapshot() as { output?: unknown };
    return output === undefined ? { address, reason: 'done' } : { address, reason: 'done', output };
  }

  // ---------------------------------------------------------------- those who look on

  subscribe(on: (snapshot: Snapshot<unknown>) => void, ended: (why: ActorEnd | 'moved') => void): () => void {
    const { address } = this;
    if (this.#over !== null) {
      ended(this.#over === 'passivated' ? 'moved' : this.#over);
      return () => {};
    }
    if (this.#onlookers.size >= actorLimits.subscribersMax) {
      ended({ address, reason: 'unreachable', failure: failure('OVERLOADED', `too many look on ${addressText(address)}`) });
      return () => {};
    }
    const end = this.#onlookers.add({ on, ended }, this.snapshot());
    this.#news();
    return end;
  }

  snapshot(): Snapshot<unknown> {
    const record = this.#place.record(this.name);
    const fold = record === null ? null : this.#place.fold(record);
    if (record === null || fold === null) return { status: 'stopped', output: undefined, error: undefined };
    try {
      return innerOf(bodyOf(record, fold)).snapshot();
    } catch (error) {
      return { status: 'error', output: undefined, error };
    }
  }

  persisted(): unknown {
    const record = this.#place.record(this.name);
    const persisted = record === null ? undefined : persistedOf(record);
    return persisted === undefined ? null : (persisted as { snapshot: unknown }).snapshot;
  }

  view(): ActorView {
    const { address, token, definition } = this;
    const { durability, placement } = definition;
    const record = this.#place.record(this.name);
    const body = record?.body ?? null;
    const isDiverged = record?.presence === 'halted';
    return {
      ...{ address, durability, placement, token, version: record?.version ?? definition.version },
      state: isDiverged ? 'diverged' : record === null || this.#over !== null ? 'stopped' : states[record.standing],
      ...{ handled: this.#handled, waiting: this.#inFlight, restarts: record?.refused ?? 0 },
      reason: isDiverged ? divergedText(record) : (record?.reason ?? null),
      children: body === null ? [...(record?.invoked.keys() ?? [])] : innerOf(body).children(),
    };
  }

  hear(on: (event: EventObject) => void): () => void {
    return this.#hearers.add(on);
  }

  tap(on: (seen: Seen) => void): () => void {
    this.#taps.add(on);
    return () => {
      this.#taps.delete(on);
      if (this.#taps.size === 0) this.#trails.length = 0;
    };
  }

  // ---------------------------------------------------------------- ends

  /** Goes if nobody needs it. Its timers and effects do not: whoever leads looks after them (actor-replica-reign.ts). */
  look(): void {
    const record = this.#place.record(this.name);
    if (this.#over !== null || this.#isClosing || record === null) return;
    const { placement, passivateAfterMs } = this.definition;
    const nowMs = this.#place.clock.nowMs();
    const inMs = passivationIn(
      {
        ...{ placement, passivateAfterMs, state: this.view().state, activeMs: this.#activeMs, waiting: this.#inFlight },
        ...{ asks: this.#asks.size, subscribers: this.#onlookers.size, working: record.invoked.size + record.outbox.size },
        ...{ timers: record.timers.size, timersWake: true },
      },
      nowMs,
    );
    if (inMs === 0) this.release('passivated', () => {});
    else if (inMs !== null) this.#place.lookAt(this, nowMs + inMs);
  }

  stop(isHard: boolean, done: (why: Failure | null) => void): void {
    this.#isClosing = true;
    const remove = (): void =>
      this.#place.propose(removalOf(this.name, this.#place.record(this.name)), (end) => {
        // Not done here: whoever leads now has it, and the door asks there.
        const why = notRemoved(end, this.address);
        this.#close(why === null ? { address: this.address, reason: 'stopped' } : 'moved', () => done(why));
      });
    if (isHard) remove();
    else this.#whenIdle(remove);
  }

  release(why: 'passivated' | 'moved' | 'stopping', done: () => void): void {
    this.#isClosing = true;
    const close = (): void => this.#close(why === 'stopping' ? 'moved' : why, done);
    if (why === 'moved') close();
    else this.#whenIdle(close);
  }

  #whenIdle(run: () => void): void {
    if (this.#inFlight === 0) return run();
    const before = this.#onIdle;
    this.#onIdle = () => {
      this.#onIdle = null;
      before?.();
      run();
    };
  }

  #close(why: ActorEnd | 'passivated' | 'moved', done: () => void): void {
    const { clock } = this.#place;
    clock.soon(() => {
      if (this.#over === null) {
        this.#over = why;
        for (const ask of this.#asks) this.#end(ask, { ok: false, failure: untold(this.address) });
        this.#onlookers.end(why === 'passivated' ? 'moved' : why);
        if (this.#taps.size > 0)
          this.#taps.tell({ type: 'ended', address: this.address, path: '', end: why === 'passivated' ? 'moved' : why });
        this.#place.onGone(this, why);
      }
      done();
    });
  }
}

const isOver = ({ standing }: ActorRecord): boolean => standing === 'done' || standing === 'failed';

/** Under its delivery id it may be asked for elsewhere: there it is known that the event was handled. */
const untold = (address: ActorAddress): Failure =>
  failure('OUTCOME_UNKNOWN', `${addressText(address)} handled the event, and does not live here any more to answer`);

/** Asked elsewhere it would be told the same. */
const untoldByRemoved = (address: ActorAddress): Failure =>
  failure('ACTOR_REFUSED', `the ${addressText(address)} that handled the event was stopped since, and its answer with it`);

const unanswered = (address: ActorAddress, { type }: EventObject): Failure =>
  failure('OUTCOME_UNKNOWN', `${addressText(address)} handled '${type}' and had no answer in time`);

const notRemoved = (end: ItemEnd, address: ActorAddress): Failure | null => {
  if (end.type === 'applied') return null;
  if (end.type === 'not-taken') return end.failure;
  return failure('OUTCOME_UNKNOWN', `the leader was lost while ${addressText(address)} was stopped`);
};

const divergedText = ({ halt }: ActorRecord): string => `replicas differ since '${halt?.event}' at ${halt?.index}`;

/** Null: it was handled. */
const failureOf = (end: ItemEnd, name: ActorName): Failure | null => {
  if (end.type === 'not-taken') return end.failure;
  if (end.type === 'unknown')
    return failure('OUTCOME_UNKNOWN', `the leader was lost while an event for '${name}' was on its way into the log`);
  const { outcome } = end;
  if (outcome.type === 'refused') return outcome.failure;
  if (outcome.type === 'again' && outcome.failed === 'OUTCOME_UNKNOWN')
    return failure('OUTCOME_UNKNOWN', `'${name}' had it when it was removed; what came of it is not known any more`);
  if (outcome.type === 'again' && outcome.failed !== null)
    return failure(outcome.failed, `'${name}' refused it when it was delivered before`);
  return null;
};
