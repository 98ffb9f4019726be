// A subscription or a watch of an actor of this node, for a follower here or for one at another node. To subscribe makes the actor as any
// message does; to watch it does not, and tells at once if there is nothing to watch.
import type { EventObject, Snapshot } from 'xstate';
import { heardTypeOf } from '../machines/entity/post-hearing.ts';
import type { PostEnd } from '../machines/entity/post-messages.ts';
import { type Failure, failure } from '../machines/errors.ts';
import type { ActorEnd, LiveActor } from './actor-api.ts';
import type { Directory, Place } from './actor-directory.ts';
import { type FormRef, type Found, packPlain, unpackPlain } from './actor-here.ts';
import { isFailure, plainOf } from './actor-values.ts';
import { withoutSecrets } from './inspect-shown.ts';

export type FollowedHere = {
  /** It lives. */
  held(): void;
  snapshot(snapshot: Snapshot<unknown>): void;
  emitted(event: EventObject): void;
  /** Once; nothing comes after it. */
  over(why: 'moved' | { readonly end: PostEnd } | { readonly failed: Failure }): void;
};

/** Returns what ends it, after which nothing is told. */
export type FollowHere = (found: Found, what: Followed, redact: Redact, on: FollowedHere) => () => void;

/** Its snapshots, its end, or what it emits. */
export type Followed = 'snapshots' | 'end' | 'emitted';
export const followedOf = (isWatch: boolean, select: string | null): Followed =>
  isWatch ? 'end' : heardTypeOf(select) === undefined ? 'snapshots' : 'emitted';

/** What is left out of all that a follower is shown; null: nothing. */
export type Redact = ReadonlySet<string> | null;

export const redactOf = ({ definition }: Found, isRedacted: boolean): Redact =>
  isRedacted ? new Set(definition.redact) : null;

/** As it goes to another node: an output that no message carries is left out, and said to be. */
const endOf = ({ reason, output, failure: why }: ActorEnd, redact: Redact): PostEnd => {
  const plain = output === undefined ? null : plainOf(output, 'its output');
  const shown = plain?.ok === true && redact !== null ? withoutSecrets(plain.value, redact) : output;
  const packed = output === undefined ? null : packPlain(shown, 'its output');
  if (packed !== null && isFailure(packed)) return { reason, output: null, failure: why ?? packed };
  return { reason, output: packed, failure: why ?? null };
};

export const endOutput = (output: Uint8Array, formRef: FormRef): unknown => unpackPlain(output, formRef)?.value;

const nothing = (): void => {};
const neverLived: PostEnd = { reason: 'never-lived', output: null, failure: null };

export const createFollowHere =
  (directory: Directory): FollowHere =>
  (found, what, redact, on) => {
    const isWatch = what === 'end';
    const { definition, address, token } = found;
    const place = directory.place(definition, address);
    let isOver = false;
    let end: (() => void) | null = null;
    const over = (why: Parameters<FollowedHere['over']>[0]): void => {
      if (isOver) return;
      isOver = true;
      on.over(why);
    };

    const watch = (at: Place): void => {
      if (isOver) return;
      if (at.failed !== null) return over({ end: endOf(at.failed, redact) });
      end = directory.watch(at, (why) => over(why === 'moved' ? why : { end: endOf(why, redact) }));
      if (end === null) return over({ failed: failure('OVERLOADED', 'too many watch this actor') });
      on.held();
    };
    const subscribe = (live: LiveActor): void => {
      if (isOver) return;
      const unheard = what === 'emitted' ? live.hear((event) => isOver || on.emitted(event)) : nothing;
      const unsubscribed = live.subscribe(
        (snapshot) => {
          if (!isOver && what === 'snapshots') on.snapshot(snapshot);
        },
        (why) => {
          unheard();
          over(why === 'moved' ? why : { end: endOf(why, redact) });
        },
      );
      const ends = (): void => {
        unheard();
        unsubscribed();
      };
      if (isOver) ends();
      else {
        end = ends;
        on.held();
      }
    };

    if (isWatch && place.live === null && !place.isOpening && definition.durability === 'none' && place.watchers === null) {
      // Nothing is made, so nothing is kept of the address either.
      directory.forget(place);
      over({ end: neverLived });
      return () => {};
    }
    if (isWatch && place.live === null && place.watchers !== null) watch(place);
    else
      directory.use(place, token, {
        makes: !isWatch,
        run: (live, at) => (isWatch ? watch(at) : subscribe(live)),
        fail(why) {
          if (isWatch && why.code === 'ACTOR_STOPPED') over({ end: neverLived });
          else over({ failed: why });
        },
      });
    return () => {
      isOver = true;
      end?.();
    };
  };
