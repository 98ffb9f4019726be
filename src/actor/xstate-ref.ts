// What XState 5.33 asks of an actor that a machine sends to (`sendTo`, `forwardTo`, `assign` of a ref into context): it goes by `_send`, and
// tells inspectors `id` and `sessionId`. The rest of its `ActorRef` is there for the compiler, and for actors that live beside each other;
// of an actor that may be anywhere it is refused by name. Pinned by test/src/actor/xstate-ref.test.ts.
import type { AnyActorRef, EventObject, Observer, Readable, Snapshot, Subscription } from 'xstate';
import { type ActorAddress, addressText } from '../../machines/entity/address.ts';
import { failure, PolityError } from '../../machines/errors.ts';

const nowhere = (what: string): never => {
  throw new PolityError(failure('INVALID_REQUEST', `${what} is had of an actor in the same process only, not by a reference`));
};

/** The word that XState uses, too, where the platform has no such symbol. */
const observable: typeof Symbol.observable =
  (Symbol.observable as typeof Symbol.observable | undefined) ?? ('@@observable' as never);

export abstract class XStateRef {
  abstract readonly address: ActorAddress;
  abstract send(event: EventObject): void;
  abstract subscribe(observer: Observer<never> | ((value: never) => void)): Subscription;

  /** Its address, as text. */
  get id(): string {
    return addressText(this.address);
  }

  get sessionId(): string {
    return addressText(this.address);
  }

  get src(): string {
    return this.address.type;
  }

  /** By XState: `system._relay(source, target, event)` ends here. */
  abstract _send(event: EventObject): void;

  /** It begins with its first event. */
  start(): void {}

  get system(): AnyActorRef['system'] {
    return nowhere('its system');
  }

  getPersistedSnapshot(): Snapshot<unknown> {
    return nowhere('a persisted snapshot');
  }

  // biome-ignore lint/suspicious/noExplicitAny: as XState declares it, whatever is emitted.
  abstract on(type: string, listener: (event: any) => void): Subscription;

  select(): Readable<never> {
    return nowhere('a selection by a function');
  }

  [observable](): this {
    return this;
  }
}
