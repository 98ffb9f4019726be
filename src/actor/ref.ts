// An actor in somebody's hand, wherever it lives: what can be asked of it, and nothing of where it is. It may be put in a message or in an
// actor's context, and works on the other side.
import type { EventObject, Observer, Snapshot, Subscription } from 'xstate';
import {
  type ActorDefinition,
  type ActorEnd,
  type ActorsApi,
  actorLimits,
  type DeliveryId,
  refMark,
} from '../../actors/actor-api.ts';
import type { Outcome } from '../../actors/api.ts';
import type { SinkPort } from '../../actors/ports/index.ts';
import { type ActorAddress, addressText } from '../../machines/entity/address.ts';
import { failure, PolityError, readable } from '../../machines/errors.ts';
import { failureOfEnd, lookOnce, timeoutOf } from './first.ts';
import { Latest } from './latest.ts';
import type { AnyDefinedActor, AskedEvent, EventTo, ReplyTo, SnapshotOf, ValueAt } from './types.ts';
import { optionsOf, settled } from './waiting.ts';
import { XStateRef } from './xstate-ref.ts';

export type WaitingOptions = {
  /** Milliseconds until it is not waited for any more; 1 to 60 000, default 5 000. */
  timeoutMs?: number;
  /** Nobody waits once it aborts; what was taken is not taken back. Rejects with CANCELLED, its reason as `cause`. */
  signal?: AbortSignal;
};

export type DeliveringOptions = WaitingOptions & {
  /** The same id twice has one effect; 1 to 128 printable characters. Made up when absent. */
  id?: DeliveryId;
};

export type StopOptions = WaitingOptions & {
  /** What waits in its mailbox is not handled any more; and one that cannot be read (STORAGE_FAILED, ACTOR_VERSION, ACTOR_FAILED) goes unread. */
  isHard?: boolean;
};

/** What a reference needs of its node. */
export type RefPort = {
  readonly actors: ActorsApi;
  /** A listener threw. */
  thrown(error: unknown, address: ActorAddress): void;
};

/** `actors`: asked for each time, for a reference may be made before its node has them. */
export const refPortOf = (actors: () => ActorsApi, sink: Pick<SinkPort, 'log'>): RefPort => ({
  get actors() {
    return actors();
  },
  thrown(error, address) {
    sink.log('error', 'LISTENER_FAILED', 'a listener of an actor threw', {
      address: addressText(address),
      error: readable(error),
    });
  },
});

const invalid = (why: string): PolityError => new PolityError(failure('INVALID_REQUEST', why));

/** Of the user's. Throws INVALID_REQUEST. */
export const demandEvent = (event: unknown): EventObject => {
  const { type } = (event ?? {}) as Partial<EventObject>;
  const isType = typeof type === 'string' && type.length >= 1 && type.length <= actorLimits.eventTypeCharsMax;
  if (!isType) throw invalid(`an event is an object with a type of 1 to ${actorLimits.eventTypeCharsMax} characters`);
  // `xstate.done.actor.pay` says that something ended inside: nobody says that from outside.
  if (type === '*' || type.startsWith('xstate.')) throw invalid(`events of type '${type.slice(0, 64)}' are XState's own`);
  return event as EventObject;
};

const waitingOptions = ['timeoutMs', 'signal'];
const deliveringOptions = [...waitingOptions, 'id'];

const later = async <Value>(begin: () => Promise<Value>): Promise<Value> => begin();

/** How it ended, as an error; null: in order. */
const errorOfEnd = (end: ActorEnd): PolityError | null => {
  const why = failureOfEnd(end);
  return why === null ? null : new PolityError(why);
};

/** `out`: left alone, the compiler takes a reference to one type of actors for one to any other. */
export class Ref<out Actor extends AnyDefinedActor = AnyDefinedActor> extends XStateRef {
  readonly [refMark]: ActorAddress;
  readonly #port: RefPort;
  readonly #definition: Pick<ActorDefinition, 'replies'> | null;

  /** By `node.ref`. */
  constructor(port: RefPort, address: ActorAddress, definition: Pick<ActorDefinition, 'replies'> | null = null) {
    super();
    this[refMark] = Object.freeze({ type: address.type, key: address.key, node: address.node });
    this.#port = port;
    this.#definition = definition;
  }

  get address(): ActorAddress {
    return this[refMark];
  }

  /**
   * At most once, and nothing is told: what does not get there is a dead letter of the node where it got lost. Throws INVALID_REQUEST for
   * what is no event.
   */
  override send(event: EventTo<Actor>): void {
    this.#port.actors.send(this.address, demandEvent(event));
  }

  /**
   * At least once, with one effect for each id: tried again while the actor moves or its node is away. Resolves when it is handled, and as
   * durable as its definition promises. Rejects with a PolityError; `definite` says whether it surely was not handled.
   */
  deliver(event: EventTo<Actor>, options?: DeliveringOptions): Promise<void> {
    return later(async () => {
      const { signal, ...how } = optionsOf(options, deliveringOptions);
      const sent = demandEvent(event);
      await settled<null>(`the delivery to ${this}`, signal, (done) =>
        this.#port.actors.deliver(this.address, sent, how, done),
      );
    });
  }

  /** As `deliver`, and resolves with what the definition's `replies` say to this type of event. */
  ask<Event extends AskedEvent<Actor>>(event: Event, options?: DeliveringOptions): Promise<ReplyTo<Actor, Event>> {
    return later(async () => {
      const { signal, ...how } = optionsOf(options, deliveringOptions);
      const sent = demandEvent(event);
      if (this.#definition !== null && !Object.hasOwn(this.#definition.replies, sent.type))
        throw invalid(`${this.address.type} has no reply to '${sent.type.slice(0, 64)}': define one, or deliver it`);
      const begin = (done: (outcome: Outcome<unknown>) => void) => this.#port.actors.ask(this.address, sent, how, done);
      return (await settled(`the question to ${this}`, signal, begin)) as ReplyTo<Actor, Event>;
    });
  }

  /** By XState, in the name of a machine that sends to it. */
  override _send(event: EventObject): void {
    this.#port.actors.send(this.address, event);
  }

  // -------------------------------------------------------------- looking

  /**
   * Its snapshots, or what is at a path of them (`context.count`): now, and whenever that changed; only the latest of those that come at
   * once. Goes on while the actor moves. An observer is told its end, too: `complete`, or `error` if it failed or is out of reach.
   */
  override subscribe<Path extends string>(
    path: Path,
    listener: ((value: ValueAt<SnapshotOf<Actor>, Path>) => void) | Observer<ValueAt<SnapshotOf<Actor>, Path>>,
  ): Subscription;
  override subscribe(
    path: undefined,
    listener: ((snapshot: SnapshotOf<Actor>) => void) | Observer<SnapshotOf<Actor>>,
  ): Subscription;
  override subscribe(observer: Observer<SnapshotOf<Actor>>): Subscription;
  override subscribe(
    next: (snapshot: SnapshotOf<Actor>) => void,
    error?: (error: unknown) => void,
    complete?: () => void,
  ): Subscription;
  /** As XState declares it. */
  override subscribe(observer: Observer<Snapshot<unknown>>): Subscription;
  override subscribe(
    next: (snapshot: Snapshot<unknown>) => void,
    error?: (error: unknown) => void,
    complete?: () => void,
  ): Subscription;
  override subscribe(first: unknown, second?: unknown, complete?: () => void): Subscription {
    const isPath = typeof first === 'string' || first === undefined;
    const listener = isPath ? second : first;
    if (typeof listener !== 'function' && (typeof listener !== 'object' || listener === null))
      throw invalid('who subscribes gives a function or an observer, after a path if only that is wanted');
    const { next, ...told } = (typeof listener === 'function' ? { next: listener } : listener) as Observer<unknown>;
    if (next !== undefined && typeof next !== 'function') throw invalid('who subscribes listens by a function');
    const error = told.error ?? (isPath ? undefined : (second as Observer<unknown>['error']));
    const end = this.#port.actors.subscribe(
      this.address,
      typeof first === 'string' ? first : null,
      (value) => this.#told(() => next?.(value)),
      (how) => {
        const why = errorOfEnd(how);
        this.#told(() => (why === null ? (told.complete ?? complete)?.() : error?.(why)));
      },
    );
    return { unsubscribe: end };
  }

  /**
   * What it emits (`emit`) from now on: events of this type, or all with '*'. Each is told at most once, after it is as durable as its
   * definition says; what is emitted while the actor moves or cannot be reached is told to nobody. Goes on while it moves;
   * `ended` is told its end, and without it the log what kept it from being heard.
   */
  // biome-ignore lint/suspicious/noExplicitAny: as XState declares it, whatever is emitted.
  override on(type: string, listener: (event: any) => void, ended?: (end: ActorEnd) => void): Subscription {
    if (typeof listener !== 'function') throw invalid('who hears what an actor emits listens by a function');
    if (typeof type !== 'string' || type === '') throw invalid("on(type, listener): a type of events, or '*'");
    const tell = (event: EventObject): void => this.#told(() => listener(event));
    const over = (end: ActorEnd): void => {
      const why = errorOfEnd(end);
      if (ended !== undefined) this.#told(() => ended(end));
      else if (why !== null) this.#port.thrown(why, this.address);
    };
    return { unsubscribe: this.#port.actors.hear(this.address, type === '*' ? null : type, tell, over) };
  }

  /** What is there now; to look at it makes it, as an event does. ACTOR_STOPPED: it has come to its end. */
  snapshot(options?: WaitingOptions): Promise<SnapshotOf<Actor>> {
    return later(async () => {
      const { signal, ...how } = optionsOf(options, waitingOptions);
      const timeoutMs = timeoutOf(how.timeoutMs);
      return (await settled<unknown>(`the snapshot of ${this}`, signal, (done) =>
        lookOnce(this.#port.actors, this.address, null, timeoutMs, done),
      )) as SnapshotOf<Actor>;
    });
  }

  /** Its snapshots, or what is at a path of them, until it ends; who is slow gets the latest. */
  values(path: undefined, options?: { signal?: AbortSignal }): AsyncGenerator<SnapshotOf<Actor>, void, undefined>;
  values<Path extends string>(
    path: Path,
    options?: { signal?: AbortSignal },
  ): AsyncGenerator<ValueAt<SnapshotOf<Actor>, Path>, void, undefined>;
  values(path: string | undefined, options?: { signal?: AbortSignal }): AsyncGenerator<unknown, void, undefined> {
    const { signal } = optionsOf(options, ['signal']);
    const latest = new Latest<unknown>();
    const end = this.#port.actors.subscribe(
      this.address,
      path ?? null,
      (value) => latest.put(value),
      (how) => latest.end(errorOfEnd(how)),
    );
    const onAbort = (): void =>
      latest.end(new PolityError(failure('CANCELLED', `looking at ${this} was given up`), { cause: signal?.reason }));
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
    return latest.values(() => {
      signal?.removeEventListener('abort', onAbort);
      end();
    });
  }

  [Symbol.asyncIterator](): AsyncGenerator<SnapshotOf<Actor>, void, undefined> {
    return this.values(undefined);
  }

  // -------------------------------------------------------------- its end

  /** Told once, when it has ended; of one that never lived, at once. */
  watch(listener: (end: ActorEnd) => void): Subscription {
    if (typeof listener !== 'function') throw invalid('who watches listens by a function');
    return { unsubscribe: this.#port.actors.watch(this.address, (end) => this.#told(() => listener(end))) };
  }

  /** Resolves when it has ended, with how. */
  ended(options?: { signal?: AbortSignal }): Promise<ActorEnd> {
    return later(() => {
      const { signal } = optionsOf(options, ['signal']);
      return settled<ActorEnd>(`waiting for the end of ${this}`, signal, (done) =>
        this.#port.actors.watch(this.address, (value) => done({ ok: true, value })),
      );
    });
  }

  /** For good, with what is durable of it; the next event makes it anew. What waits in its mailbox is handled first. */
  stop(options?: StopOptions): Promise<void> {
    return later(async () => {
      const { signal, ...how } = optionsOf(options, [...waitingOptions, 'isHard']);
      await settled<null>(`stopping ${this}`, signal, (done) => {
        this.#port.actors.stop(this.address, how, done);
        return undefined;
      });
    });
  }

  #told(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.#port.thrown(error, this.address);
    }
  }

  // -------------------------------------------------------------- as a value

  /** For XState: what is known of it in this process; of an actor elsewhere only that it is active. */
  getSnapshot(): Snapshot<unknown> {
    const live = this.#port.actors.find(this.address);
    return live?.snapshot() ?? { status: 'active', output: undefined, error: undefined };
  }

  /** The same actor. */
  equals(other: unknown): boolean {
    return other instanceof Ref && other.toString() === this.toString();
  }

  override toString(): string {
    return addressText(this.address);
  }

  toJSON(): { $ref: string } {
    return { $ref: addressText(this.address) };
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Ref ${this}`;
  }
}
