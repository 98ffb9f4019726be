// Whoever waits for the end of an event, or for an answer to it.
import type { EventObject, Snapshot } from 'xstate';
import { type Failure, failure, reasonOf } from '../machines/errors.ts';
import type { ActorDefinition } from './actor-api.ts';
import type { Outcome } from './api.ts';

export class Ask {
  readonly event: EventObject;
  readonly wantsReply: boolean;
  /** When nobody waits any more. */
  atMs: number;
  /** Where it waits once the event was handled and there was no answer yet. */
  waitsAt: { forget(ask: Ask): void } | null = null;
  #done: ((outcome: Outcome<unknown>) => void) | null;

  constructor(event: EventObject, wantsReply: boolean, atMs: number, done: (outcome: Outcome<unknown>) => void) {
    this.event = event;
    this.wantsReply = wantsReply;
    this.atMs = atMs;
    this.#done = done;
  }

  get isOpen(): boolean {
    return this.#done !== null;
  }

  /** Whoever asked is told, once. What he throws is `onThrow`'s. */
  end(outcome: Outcome<unknown>, onThrow: (error: unknown) => void): void {
    const done = this.#done;
    this.forget();
    try {
      done?.(outcome);
    } catch (error) {
      onThrow(error);
    }
  }

  /** Nobody waits any more. */
  forget(): void {
    this.#done = null;
    const { waitsAt } = this;
    this.waitsAt = null;
    waitsAt?.forget(this);
  }
}

/** The clock is read only for those whose event was handled without an answer: whoever asked is as patient from then on. */
export class PatientAsk extends Ask {
  readonly leftMs: number;

  constructor(event: EventObject, wantsReply: boolean, leftMs: number, done: (outcome: Outcome<unknown>) => void) {
    super(event, wantsReply, Number.POSITIVE_INFINITY, done);
    this.leftMs = leftMs;
  }
}

/** Undefined: there is no answer yet. */
export const replyOf = (
  { name, replies }: Pick<ActorDefinition, 'name' | 'replies'>,
  snapshot: Snapshot<unknown>,
  event: EventObject,
): Outcome<unknown> | undefined => {
  try {
    const value = replies[event.type]!({ snapshot, event });
    if (value === undefined) return undefined;
    // It would do at this node, and not from another.
    if (typeof (value as { then?: unknown } | null)?.then === 'function')
      throw new TypeError('a reply answers at once: it is undefined until a later event has it');
    return { ok: true, value };
  } catch (error) {
    return { ok: false, failure: failure('ACTOR_REFUSED', `${name} refused '${event.type}': ${reasonOf(error)}`) };
  }
};

/** Why nobody can send this from outside, or null. */
export const whyNoEvent = (event: EventObject): Failure | null => {
  const { type } = event;
  if (typeof type !== 'string' || type === '') return failure('INVALID_REQUEST', 'an event has a type, which is text');
  // XState's own would stop an actor or let it believe that its timers and children have spoken; '*' makes a chart throw.
  if (type === '*' || type.startsWith('xstate.')) return failure('INVALID_REQUEST', `nobody but XState sends '${type}'`);
  return null;
};
