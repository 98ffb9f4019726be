// Those who look on an actor from outside: subscribers to its snapshots and watchers of its end, and taps that see each event.
import type { EventObject, Snapshot } from 'xstate';
import type { ActorAddress } from '../machines/entity/address.ts';
import { failure } from '../machines/errors.ts';
import { type ActorEnd, actorLimits, type Seen, type Trail } from './actor-api.ts';
import type { EngineSeen } from './actor-cell-engine.ts';

type Subscriber = {
  readonly on: (snapshot: Snapshot<unknown>) => void;
  readonly ended: (why: ActorEnd | 'moved') => void;
};

/** What one of them throws is `onThrow`'s, and none of the actor's business. */
export class Onlookers {
  readonly #subscribers = new Set<Subscriber>();
  readonly #onThrow: (error: unknown) => void;
  #told: Snapshot<unknown> | null = null;

  constructor(onThrow: (error: unknown) => void) {
    this.#onThrow = onThrow;
  }

  get size(): number {
    return this.#subscribers.size;
  }

  /** Tells them of the snapshot now. */
  add(subscriber: Subscriber, snapshot: Snapshot<unknown>): () => void {
    // Whoever was there before must not be told again because of this one; nor must this one miss what the others have not heard yet.
    if (this.#subscribers.size === 0) this.#told = snapshot;
    this.#subscribers.add(subscriber);
    this.#safely(() => subscriber.on(snapshot));
    return () => void this.#subscribers.delete(subscriber);
  }

  /** At the end of a turn. */
  tell(snapshot: Snapshot<unknown>): void {
    if (snapshot === this.#told) return;
    this.#told = snapshot;
    for (const subscriber of [...this.#subscribers])
      if (this.#subscribers.has(subscriber)) this.#safely(() => subscriber.on(snapshot));
  }

  end(why: ActorEnd | 'moved'): void {
    const subscribers = [...this.#subscribers];
    this.#subscribers.clear();
    for (const { ended } of subscribers) this.#safely(() => ended(why));
  }

  #safely(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#onThrow(error);
    }
  }
}

type Tap = (seen: Seen) => void;

/** Of one actor, as long as somebody looks on. */
export class Taps {
  readonly #address: ActorAddress;
  readonly #onThrow: (error: unknown) => void;
  readonly #taps = new Set<Tap>();

  constructor(address: ActorAddress, onThrow: (error: unknown) => void) {
    this.#address = address;
    this.#onThrow = onThrow;
  }

  get size(): number {
    return this.#taps.size;
  }

  add(tap: Tap): void {
    this.#taps.add(tap);
  }

  delete(tap: Tap): void {
    this.#taps.delete(tap);
  }

  readonly seen = (seen: EngineSeen): void => {
    const address = this.#address;
    if (seen.type === 'event') {
      const { path, event, source } = seen;
      this.tell({ type: 'event', address, path, event, trail: { source, correlation: '' } });
    } else if (seen.type === 'snapshot') {
      const { path, snapshot, event } = seen;
      this.tell({ type: 'snapshot', address, path, snapshot, event });
    } else if (seen.type === 'actor') this.tell({ ...seen, address });
    else this.tell({ type: 'ended', address, path: seen.path, end: { address, reason: seen.reason } });
  };

  event(path: string, event: Extract<Seen, { type: 'event' }>['event'], trail: Trail | null): void {
    this.tell({ type: 'event', address: this.#address, path, event, trail });
  }

  tell(seen: Seen): void {
    for (const tap of [...this.#taps])
      try {
        tap(seen);
      } catch (error) {
        this.#onThrow(error);
      }
  }
}

/** Those who hear what it emits, at the moment when it does. */
export class Hearers {
  readonly #hearers = new Set<{ on: (event: EventObject) => void }>();
  readonly #onThrow: (error: unknown) => void;

  constructor(onThrow: (error: unknown) => void) {
    this.#onThrow = onThrow;
  }

  get size(): number {
    return this.#hearers.size;
  }

  add(on: (event: EventObject) => void): () => void {
    const hearer = { on };
    this.#hearers.add(hearer);
    return () => void this.#hearers.delete(hearer);
  }

  tell(event: EventObject): void {
    for (const { on } of [...this.#hearers])
      try {
        on(event);
      } catch (error) {
        this.#onThrow(error);
      }
  }
}

export const tooManyLookOn = ({ address, id }: { readonly address: ActorAddress; readonly id: string }): ActorEnd => {
  const why = failure('OVERLOADED', `${actorLimits.watchersMax} look on ${id} already, which is the most`);
  return { address, reason: 'unreachable', failure: why };
};
