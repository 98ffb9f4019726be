// What whoever has a node does with actors, and what outlives the actor behind it: who lives here, what was answered under which id, what
// was lost. An event for an actor that lives here takes no more than two look-ups.
import type { EventObject } from 'xstate';
import { type ActorAddress, addressText, isActorAddress, isActorKey } from '../machines/entity/address.ts';
import { heardTypeOf, hearingOf } from '../machines/entity/post-hearing.ts';
import { postLimits } from '../machines/entity/post-limits.ts';
import { formSend, postTypes } from '../machines/entity/post-messages.ts';
import { type Failure, failure } from '../machines/errors.ts';
import {
  type ActorDefinition,
  type ActorsApi,
  actorLimits,
  type DeliverOptions,
  type Placing,
  type Trail,
} from './actor-api.ts';
import type { DeadLetters } from './actor-dead-letters.ts';
import type { Directory } from './actor-directory.ts';
import { currentExecution } from './actor-execution.ts';
import { packPlain } from './actor-here.ts';
import type { Locating } from './actor-locating.ts';
import { isFailure, isSelection, whyNoEvent } from './actor-values.ts';
import type { ActorsCore } from './actors.ts';
import type { Outcome } from './api.ts';
import type { Carrier } from './calls-post.ts';
import type { PeerId } from './ports/index.ts';

export type ActorDoorArguments = {
  name: string;
  self: PeerId;
  directory: Directory;
  locating: Locating;
  letters: DeadLetters;
  carrier: Carrier;
  placing: Placing;
  core: () => ActorsCore | null;
  isStopping: () => boolean;
  /** Something threw: the actor behind it fails. */
  broke: (error: unknown) => void;
  nextNumber: () => number;
};

const nobody: ActorAddress = { type: 'unknown', key: '-', node: null };
const nothing = (): void => {};
const bounds = `1 to ${actorLimits.timeoutMsMax}`;

/** Made up only when somebody reads it: most trails are never looked at. */
class OwnTrail implements Trail {
  readonly #name: string;
  readonly #next: () => number;
  readonly #from = currentExecution();
  #correlation: string | null;

  constructor(name: string, next: () => number) {
    this.#name = name;
    this.#next = next;
    this.#correlation = this.#from?.correlation || null;
  }

  get source(): string {
    return this.#from === null ? this.#name : addressText(this.#from.address);
  }

  get correlation(): string {
    this.#correlation ??= `${this.#name}-${this.#next().toString(36)}`;
    return this.#correlation;
  }
}

const isTaken = ({ check, placement }: ActorDefinition): boolean =>
  check === undefined && (placement === 'node' || placement === 'each');

const whyBadAddress = (address: unknown): Failure | null =>
  isActorAddress(address) ? null : failure('INVALID_REQUEST', 'an address has a type, a key, and a node or null');

const whyBadOptions = ({ timeoutMs, id, trail }: DeliverOptions): Failure | null => {
  if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs >= 1 && timeoutMs <= actorLimits.timeoutMsMax))
    return failure('INVALID_REQUEST', `timeoutMs is a number of milliseconds, ${bounds}`);
  if (id !== undefined && !(isActorKey(id) && id.length <= postLimits.idCharsMax))
    return failure('INVALID_REQUEST', `an id is a text of 1 to ${postLimits.idCharsMax} characters without control characters`);
  if (trail === undefined) return null;
  const { source, correlation } = trail;
  if (typeof source === 'string' && source.length <= postLimits.sourceCharsMax)
    if (typeof correlation === 'string' && correlation.length <= postLimits.correlationCharsMax) return null;
  return failure('INVALID_REQUEST', 'a trail has a source and a correlation, both short texts');
};

export type ActorDoor = Omit<ActorsApi, 'list' | 'find' | 'onOpened' | 'host' | 'definitions' | 'deadLetters'>;

export const createActorDoor = (args: ActorDoorArguments): ActorDoor => {
  const { name, self, directory, locating, letters, carrier, core, isStopping, broke, nextNumber } = args;
  const trailOf = (given: Trail | undefined): Trail => given ?? new OwnTrail(name, nextNumber);

  /** What runs may end, and speak to others for it. */
  const whyNotNow = (): Failure | null => {
    if (isStopping() && currentExecution() === null) return failure('STOPPING', `${name} is stopping`);
    return core() === null ? failure('NOT_READY', `actors on ${name} are being started`) : null;
  };

  // ---------------------------------------------------------------- at most once

  const sendAt = (peer: PeerId, address: ActorAddress, event: EventObject, trail: Trail): void => {
    const lost = (code: Failure['code']): void => letters.add(address, event, trail, code);
    if (peer === self) return lost('NOT_READY');
    const bytes = packPlain(event, 'event');
    if (isFailure(bytes)) return lost(bytes.code);
    const { source, correlation } = trail;
    const body = formSend({ number: nextNumber(), address, source, correlation, hops: 0, event: bytes });
    const sent = carrier.send(peer, postTypes.send, body, 0, '', { left: nothing, dropped: () => lost('UNREACHABLE') });
    if (sent === 'full') lost('OVERLOADED');
    else if (sent === 'unreachable') lost('UNREACHABLE');
  };

  const sendOn = (address: ActorAddress, event: EventObject, trail: Trail): void => {
    const why = whyBadAddress(address) ?? whyNoEvent(event, actorLimits.eventTypeCharsMax) ?? whyNotNow();
    const isBadTrail = why === null && whyBadOptions({ trail }) !== null;
    const code = isBadTrail ? 'INVALID_REQUEST' : why?.code;
    if (code !== undefined) {
      const type = typeof event?.type === 'string' ? event.type : '';
      return letters.add(isActorAddress(address) ? address : nobody, { type }, isBadTrail ? null : trail, code);
    }
    const located = locating.locate(address);
    if (located.type === 'at') return sendAt(located.peer, address, event, trail);
    if (located.type === 'nowhere') return letters.add(address, event, trail, located.failure.code);
    core()!.here.send(located.found, event, trail);
  };

  // ---------------------------------------------------------------- requests

  const refuse = (done: (outcome: { ok: false; failure: Failure }) => void, why: Failure): (() => void) => {
    done({ ok: false, failure: why });
    return nothing;
  };

  const ask = (
    kind: 'ask' | 'deliver' | 'stop' | 'stop-hard',
    address: ActorAddress,
    event: EventObject,
    options: DeliverOptions,
    done: (outcome: Outcome<unknown>) => void,
  ): (() => void) => {
    const why =
      whyBadAddress(address) ?? whyNoEvent(event, actorLimits.eventTypeCharsMax) ?? whyBadOptions(options) ?? whyNotNow();
    if (why !== null) return refuse(done, why);
    const { timeoutMs = actorLimits.timeoutMs, id = null } = options;
    let isOver = false;
    const once = (outcome: Outcome<unknown>): void => {
      if (isOver) return;
      isOver = true;
      done(outcome);
    };
    try {
      return core()!.ask({ kind, address, event, id, timeoutMs, trail: trailOf(options.trail) }, once);
    } catch (error) {
      broke(error);
      once({
        ok: false,
        failure: failure('INTERNAL', `a request to ${addressText(address)} failed at ${name} before it left`),
      });
      return nothing;
    }
  };

  const follow: ActorsApi['subscribe'] = (address, select, on, ended, { isRedacted = false } = {}) =>
    followed({ isWatch: false, address, select, isRedacted, on, ended });
  const followed = (wanted: Parameters<ActorsCore['follow']>[0]): (() => void) => {
    const bad = whyBadAddress(wanted.address) ?? whyBadSelection(wanted.select);
    const why = bad ?? whyNotNow();
    if (why !== null) {
      const address = isActorAddress(wanted.address) ? wanted.address : nobody;
      // Nothing is known of the actor where only this node has no time for it.
      wanted.ended({ address, reason: bad === null ? 'unreachable' : 'failed', failure: why });
      return nothing;
    }
    try {
      return core()!.follow(wanted);
    } catch (error) {
      broke(error);
      wanted.ended({ address: wanted.address, reason: 'failed', failure: failure('INTERNAL', `it failed at ${name}`) });
      return nothing;
    }
  };
  const whyBadSelection = (select: unknown): Failure | null =>
    select === null || isSelection(select) || (typeof select === 'string' && heardTypeOf(select) !== undefined)
      ? null
      : failure(
          'INVALID_REQUEST',
          'a selection is a path into a snapshot that begins with status, value, context, output or error',
        );

  return {
    placing: args.placing,

    send(address, event, options) {
      try {
        const given = options?.trail;
        const live = address === null || typeof address !== 'object' ? null : directory.live(address);
        // What an actor of this node takes straight away needs nobody to look for it.
        if (live !== null && isTaken(live.definition) && typeof event?.type === 'string') {
          const why = live.send(event, trailOf(given));
          if (why === null) return;
          if (why.code !== 'ACTOR_STOPPED') return letters.add(live.address, event, trailOf(given), why.code);
        }
        sendOn(address, event, trailOf(given));
      } catch (error) {
        broke(error);
      }
    },
    deliver: (address, event, options, done) =>
      ask('deliver', address, event, options, done as (outcome: Outcome<unknown>) => void),
    ask: (address, event, options, done) => ask('ask', address, event, options, done),
    subscribe: follow,
    hear(address, type, on, ended) {
      const select = hearingOf(type);
      const isHeard = type === null || (typeof type === 'string' && heardTypeOf(select) === type);
      return followed({ isWatch: false, address, select: isHeard ? select : '', isRedacted: false, on: on as never, ended });
    },
    watch: (address, on) => followed({ isWatch: true, address, select: null, isRedacted: false, on: nothing, ended: on }),
    stop(address, { isHard = false, timeoutMs }, done) {
      const options = timeoutMs === undefined ? {} : { timeoutMs };
      const kind = isHard ? 'stop-hard' : 'stop';
      ask(kind, address, { type: 'polity.stop' }, options, done as (outcome: Outcome<unknown>) => void);
    },
  };
};
