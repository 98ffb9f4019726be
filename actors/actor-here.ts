// What is done with a message at the node where its actor is: checked as the definition says, given to the actor once it is there, and tried
// once more with a new handle if the old one has ended. What does not get to it is a dead letter of this node.

import type { EventObject } from 'xstate';
import { type ActorAddress, addressText } from '../machines/entity/address.ts';
import type { AskKind, GivenId } from '../machines/entity/post-messages.ts';
import { type Failure, failure } from '../machines/errors.ts';
import type { FencingToken } from '../machines/register/types.ts';
import { type CallResult, isUnfit, packValue, unpackValue } from '../machines/rpc/index.ts';
import { type ActorDefinition, actorLimits, type LiveActor, type Trail } from './actor-api.ts';
import type { DeadLetters } from './actor-dead-letters.ts';
import type { Directory, Job, Place } from './actor-directory.ts';
import { type Once, outcomeOf, refusal } from './actor-once.ts';
import { isFailure, plainOf, revive, whyNoEvent } from './actor-values.ts';
import type { Outcome } from './api.ts';

export type FormRef = (address: ActorAddress) => unknown;

/** An actor that is to be found at this node. */
export type Found = {
  readonly definition: ActorDefinition;
  readonly address: ActorAddress;
  readonly token: FencingToken | null;
};

export type AskHere = {
  readonly kind: AskKind;
  readonly event: EventObject;
  /** Given by who asks; null: it is not asked twice. */
  readonly id: GivenId | null;
  /** Who gave the id, if it is a number. */
  readonly caller: string;
  readonly leftMs: number;
  readonly trail: Trail;
};

export interface Here {
  send(found: Found, event: EventObject, trail: Trail): void;
  /** Answers once, unless what is returned was called first. */
  ask(found: Found, asked: AskHere, done: (outcome: Outcome<unknown>) => void): () => void;
  /**
   * As `ask`, if an actor of this node that remembers nothing itself was asked it before, wherever it is by now: only here it is known
   * what came of it. Null: it was not.
   */
  again(address: ActorAddress, asked: AskedBefore, done: (outcome: Outcome<unknown>) => void): (() => void) | null;
  lost(address: ActorAddress, event: { readonly type: string }, trail: Trail, why: Failure['code']): void;
}

type AskedBefore = Pick<AskHere, 'kind' | 'event' | 'id' | 'caller'>;

export type HereArguments = { directory: Directory; letters: DeadLetters; once: Once; formRef: FormRef };

/** As bytes, or what of it no message carries. */
export const packPlain = (value: unknown, name: string): Uint8Array | Failure => {
  const plain = plainOf(value, name);
  if (!plain.ok) return plain.failure;
  const packed = packValue(plain.value);
  return isUnfit(packed) ? failure(packed.code, `${name}${packed.path}: ${packed.message}`, { path: packed.path }) : packed;
};

/** Undefined: it is no plain data. */
export const unpackPlain = (bytes: Uint8Array, formRef: FormRef): { readonly value: unknown } | undefined => {
  const unpacked = unpackValue(bytes);
  return unpacked === null ? undefined : { value: revive(unpacked.value, formRef) };
};

/** An event that another node sent, or what is wrong with it. */
export const eventOf = (bytes: Uint8Array, formRef: FormRef): EventObject | Failure => {
  const unpacked = unpackPlain(bytes, formRef);
  if (unpacked === undefined) return failure('INVALID_REQUEST', 'the event is no plain data');
  return whyNoEvent(unpacked.value, actorLimits.eventTypeCharsMax) ?? (unpacked.value as EventObject);
};

/** As much of a peer as tells it from others: more than 90 bits of its key. */
const callerChars = 16;

/** Of a request that nobody gave one. It stands in logs, and in what actors remember: many times over, so it is short. */
const idOf = (caller: string, number: number): string => `${caller.slice(-callerChars)}/${number.toString(36)}`;

/** It may be at another node with the next message: what that one would refuse is refused here. */
const travels = ({ placement }: ActorDefinition): boolean => placement === 'sharded' || placement === 'singleton';

const checked = (definition: ActorDefinition, event: EventObject): Outcome<EventObject> => {
  if (travels(definition)) {
    const plain = plainOf(event, 'event');
    if (!plain.ok) return plain;
  }
  if (definition.check === undefined) return { ok: true, value: event };
  try {
    return definition.check(event);
  } catch {
    return { ok: false, failure: failure('INVALID_REQUEST', `what checks events of ${definition.name} threw`) };
  }
};

/** Under what it is remembered. */
const keyOf = (address: ActorAddress, { kind, id, event, caller }: AskedBefore): { caller: string; what: string } => {
  const isNamed = kind !== 'stop' && kind !== 'stop-hard' && typeof id === 'string';
  return { caller: isNamed ? addressText(address) : caller, what: `${kind} ${event.type}` };
};

export const createHere = ({ directory, letters, once, formRef }: HereArguments): Here => {
  const lost: Here['lost'] = (address, event, trail, why) => letters.add(address, event, trail, why);

  /** The outcome that is remembered has no objects of this process. */
  const keep = (outcome: Outcome<unknown>) => {
    if (!outcome.ok) return refusal(outcome.failure);
    const bytes = packPlain(outcome.value, 'its answer');
    return isFailure(bytes) ? refusal(failure('ACTOR_FAILED', bytes.message, bytes.details)) : { value: bytes };
  };

  const stop = (found: Found, asked: AskHere, done: (outcome: Outcome<unknown>) => void): void =>
    directory.stop(directory.place(found.definition, found.address), found.token, asked.kind === 'stop-hard', done);

  /** To the actor; what is returned ends the waiting. */
  const deliver = (found: Found, asked: AskHere, done: (outcome: Outcome<unknown>) => void): (() => void) => {
    const { definition, address, token } = found;
    const event = checked(definition, asked.event);
    if (!event.ok) {
      done(event);
      return () => {};
    }
    let end: (() => void) | null = null;
    let isOver = false;
    let isAgain = false;
    const id = typeof asked.id === 'number' ? idOf(asked.caller, asked.id) : asked.id;
    const how = { id, wantsReply: asked.kind === 'ask', leftMs: asked.leftMs, trail: asked.trail };
    const job: Job = {
      makes: true,
      fail: (why) => finish({ ok: false, failure: why }),
      run(live, place) {
        if (isOver) return;
        let isNow = true;
        const ends = live.deliver(event.value, how, (outcome) => {
          const isStale = isNow && !isAgain && !outcome.ok && outcome.failure.code === 'ACTOR_STOPPED';
          if (!isStale) return finish(outcome);
          isAgain = true;
          renew(place, live, token, job);
        });
        isNow = false;
        end ??= ends;
      },
    };
    const finish = (outcome: Outcome<unknown>): void => {
      if (isOver) return;
      isOver = true;
      done(outcome);
    };
    directory.use(directory.place(definition, address), token, job);
    return () => {
      isOver = true;
      end?.();
    };
  };

  const renew = (place: Place, live: LiveActor, token: FencingToken | null, job: Job): void => {
    directory.stale(place, live);
    directory.use(directory.place(place.definition, place.address), token, job);
  };

  const told =
    (done: (outcome: Outcome<unknown>) => void) =>
    (result: CallResult): void =>
      done(outcomeOf(result, (bytes) => unpackPlain(bytes, formRef)?.value));

  const begin = (found: Found, asked: AskHere, done: (outcome: Outcome<unknown>) => void): (() => void) => {
    if (asked.kind === 'ask' || asked.kind === 'deliver') return deliver(found, asked, done);
    stop(found, asked, done);
    return () => {};
  };

  return {
    lost,
    send({ definition, address, token }, event, trail) {
      const taken = checked(definition, event);
      if (!taken.ok) return lost(address, event, trail, taken.failure.code);
      let isAgain = false;
      const job: Job = {
        makes: true,
        fail: (why) => lost(address, event, trail, why.code),
        run(live, place) {
          const why = live.send(taken.value, trail);
          if (why === null) return;
          if (why.code !== 'ACTOR_STOPPED' || isAgain) return lost(address, event, trail, why.code);
          isAgain = true;
          renew(place, live, token, job);
        },
      };
      directory.use(directory.place(definition, address), token, job);
    },

    ask(found, asked, done) {
      const { id, kind, leftMs } = asked;
      // Others remember ids with their state.
      const isForgetful = found.definition.durability === 'none' || !(kind === 'ask' || kind === 'deliver');
      if (id === null || !isForgetful) return begin(found, asked, done);
      return once.run(
        { ...keyOf(found.address, asked), id, leftMs },
        (heard) => void begin(found, asked, (outcome) => heard(keep(outcome))),
        told(done),
      );
    },

    again(address, asked, done) {
      const { id } = asked;
      return id === null ? null : once.again({ ...keyOf(address, asked), id }, told(done));
    },
  };
};
