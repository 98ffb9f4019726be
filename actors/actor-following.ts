// Subscriptions and watches of this node, wherever the actors are. What is to be done next, machines/entity/post-follow.ts says; this room
// does it: follows here or at a peer, again elsewhere when the actor has moved, and tells the end once.
import type { EventObject, Snapshot } from 'xstate';
import type { ActorAddress } from '../machines/entity/address.ts';
import { createFollow, type FollowEvent, type FollowState, stepFollow } from '../machines/entity/post-follow.ts';
import { heardTypeOf } from '../machines/entity/post-hearing.ts';
import { postLimits } from '../machines/entity/post-limits.ts';
import {
  formFollow,
  formMore,
  type PostEnd,
  type PostNext,
  type PostOver,
  postTypes,
} from '../machines/entity/post-messages.ts';
import { here } from '../machines/entity/post-request.ts';
import { failure } from '../machines/errors.ts';
import { unpackValue } from '../machines/rpc/index.ts';
import type { ActorEnd } from './actor-api.ts';
import { endOutput, type FollowedHere, type FollowHere, followedOf, redactOf } from './actor-follow-here.ts';
import type { FormRef } from './actor-here.ts';
import type { Located, Locating } from './actor-locating.ts';
import type { PutOff } from './actor-put-off.ts';
import { isSame, plainOf, revive, shownOf } from './actor-values.ts';
import type { CallPost, Carrier } from './calls-post.ts';
import type { ClockPort, PeerId, SinkPort, Timer } from './ports/index.ts';
import type { Fate } from './router.ts';
import type { Scope } from './supervise.ts';

export type Wanted = {
  readonly isWatch: boolean;
  readonly address: ActorAddress;
  readonly select: string | null;
  readonly isRedacted: boolean;
  readonly on: (value: unknown) => void;
  readonly ended: (end: ActorEnd) => void;
};

export type FollowingArguments = {
  clock: ClockPort;
  sink: SinkPort;
  chance: () => number;
  carrier: Carrier;
  /** What a lane does not take waits here until it does. */
  post: CallPost;
  putOff: PutOff;
  followHere: FollowHere;
  locating: Locating;
  formRef: FormRef;
  nextNumber: () => number;
  /** It is told over others, whatever becomes of connections of whom it follows. */
  isOver: (number: number) => boolean;
  /** The node of this name has failed, left, or was thrown out. */
  isGone: (node: string) => boolean;
};

type Follower = {
  /** Another one for each peer, the same when that peer is asked again: a watch has its end by it. */
  number: number;
  readonly wanted: Wanted;
  readonly state: FollowState;
  /** Whom the number stands for. */
  numberAt: PeerId | null;
  timer: Timer | null;
  endHere: (() => void) | null;
  located: Located | null;
  hasValue: boolean;
  /** What was shown last, before its references were made. */
  plain: unknown;
  turn: number;
};

export class Following {
  readonly #scope: Scope;
  readonly #args: FollowingArguments;
  readonly #followers = new Set<Follower>();
  readonly #byNumber = new Map<number, Follower>();

  constructor(scope: Scope, args: FollowingArguments) {
    this.#scope = scope;
    this.#args = args;
  }

  get size(): number {
    return this.#followers.size;
  }

  isFollowing(peer: PeerId): boolean {
    for (const { state } of this.#followers) if (state.target === peer && state.phase === 'following') return true;
    return false;
  }

  begin(wanted: Wanted): () => void {
    const { clock } = this.#args;
    if (this.#followers.size >= postLimits.outgoingMax) {
      const why = failure('OVERLOADED', `${this.#followers.size} subscriptions and watches are under way`);
      this.#tell(() => wanted.ended({ address: wanted.address, reason: 'failed', failure: why }));
      return () => {};
    }
    const state = createFollow(wanted.isWatch, clock.nowMs());
    const follower: Follower = {
      ...{ number: 0, wanted, state, numberAt: null, timer: null, endHere: null, located: null },
      ...{ hasValue: false, plain: undefined, turn: 0 },
    };
    this.#followers.add(follower);
    this.#seek(follower);
    return () => this.#drop(follower);
  }

  // ---------------------------------------------------------------- what happens

  next(peer: PeerId, { number, at, value }: PostNext): void {
    const follower = this.#byNumber.get(number);
    if (follower === undefined || follower.numberAt !== peer) return void this.#say(peer, postTypes.drop, number);
    this.#step(follower, { type: 'held' });
    if (value === null) return;
    // He shows nothing more before he has heard it.
    if (!this.#say(peer, postTypes.more, formMore({ number, at }))) this.#step(follower, { type: 'lost' });
    const unpacked = unpackValue(value);
    if (unpacked === null) return;
    if (heardTypeOf(follower.wanted.select) === undefined) this.#show(follower, unpacked.value);
    else this.#tell(() => follower.wanted.on(revive(unpacked.value, this.#args.formRef)));
  }

  over(peer: PeerId, { number, why, isKept }: PostOver): void {
    // It is heard, and need not be kept.
    this.#say(peer, postTypes.drop, number);
    const follower = this.#byNumber.get(number);
    if (follower === undefined || follower.numberAt !== peer) return;
    follower.state.isKept ||= isKept;
    follower.numberAt = null;
    this.#byNumber.delete(number);
    switch (why.type) {
      case 'end':
        return this.#step(follower, { type: 'ended', end: why.end });
      case 'moved':
        return this.#step(follower, { type: 'moved' });
      case 'failed':
        return this.#step(follower, { type: 'refused', failure: why.failure });
      case 'elsewhere':
        return this.#step(follower, { type: 'elsewhere', peer: why.peer });
    }
  }

  closed(peer: PeerId): void {
    for (const follower of [...this.#followers])
      if (follower.state.target === peer && !this.#args.isOver(follower.number)) this.#step(follower, { type: 'lost' });
  }

  /** Its way over others is lost, or never was one. */
  broken(number: number): void {
    const follower = this.#byNumber.get(number);
    if (follower !== undefined) this.#step(follower, { type: 'lost' });
  }

  gone(peer: PeerId): void {
    for (const follower of [...this.#followers]) {
      if (follower.state.target !== peer) continue;
      const { node } = follower.wanted.address;
      this.#step(follower, { type: 'gone', isGone: node !== null && this.#args.isGone(node) });
    }
  }

  changed(): void {
    for (const follower of [...this.#followers]) this.#step(follower, { type: 'changed' });
  }

  /** A while after something changed: who tells of an actor that is elsewhere by now may be cut off. */
  look(): void {
    for (const follower of [...this.#followers]) {
      const { phase, target } = follower.state;
      if (phase !== 'following' || typeof target !== 'string') continue;
      const located = this.#args.locating.locate(follower.wanted.address);
      if (located.type === 'here' || (located.type === 'at' && located.peer !== target))
        this.#step(follower, { type: 'moved' });
    }
  }

  /** They begin anew wherever whoever wants them asks again. */
  stop(reason: 'STOPPING' | 'NOT_READY', message: string): void {
    for (const follower of [...this.#followers])
      this.#end(follower, { reason: 'unreachable', output: null, failure: failure(reason, message) });
  }

  // ---------------------------------------------------------------- what is done

  #step(follower: Follower, event: FollowEvent): void {
    const { clock, chance } = this.#args;
    const next = stepFollow(follower.state, clock.nowMs(), chance(), event);
    if (next === null) return;
    follower.timer?.cancel();
    follower.timer = null;
    follower.turn++;
    switch (next.do) {
      case 'seek':
        return this.#seek(follower);
      case 'follow':
        return next.target === here ? this.#followHere(follower) : this.#followAt(follower, next.target as PeerId);
      case 'pause':
        follower.timer = this.#scope.after(next.ms, () => this.#step(follower, { type: 'woke' }));
        return;
      case 'end':
        return this.#end(follower, next.end);
    }
  }

  #seek(follower: Follower): void {
    const { address } = follower.wanted;
    const located = this.#args.locating.locate(address);
    follower.located = located;
    if (located.type !== 'nowhere') return this.#step(follower, located);
    const isGone = address.node !== null && this.#args.isGone(address.node);
    this.#step(follower, { ...located, isGone });
  }

  #followHere(follower: Follower): void {
    const { located, wanted, turn } = follower;
    if (located?.type !== 'here') return this.#step(follower, { type: 'moved' });
    this.#leave(follower);
    const isNow = (): boolean => follower.turn === turn && this.#followers.has(follower);
    const events: FollowedHere = {
      held: () => isNow() && this.#step(follower, { type: 'held' }),
      snapshot: (snapshot) => isNow() && this.#showHere(follower, snapshot),
      emitted: (event) => isNow() && this.#hearHere(follower, event),
      over: (why) => {
        if (!isNow()) return;
        follower.endHere = null;
        if (why === 'moved') return this.#step(follower, { type: 'moved' });
        if ('failed' in why) return this.#step(follower, { type: 'refused', failure: why.failed });
        follower.state.isKept = located.found.definition.durability !== 'none';
        this.#step(follower, { type: 'ended', end: why.end });
      },
    };
    // What ended at once has begun something else already.
    const end = this.#args.followHere(
      located.found,
      followedOf(wanted.isWatch, wanted.select),
      redactOf(located.found, wanted.isRedacted),
      events,
    );
    if (follower.turn === turn) follower.endHere = end;
  }

  /** As from another node: a value of its own. */
  #hearHere({ wanted }: Follower, event: EventObject): void {
    const type = heardTypeOf(wanted.select);
    if (type !== null && type !== event.type) return;
    const plain = plainOf(event, 'what it emits');
    if (!plain.ok) return this.#args.sink.count('actor_emitted_lost_total');
    this.#tell(() => wanted.on(revive(plain.value, this.#args.formRef)));
  }

  #showHere(follower: Follower, snapshot: Snapshot<unknown>): void {
    const { located, wanted } = follower;
    if (located?.type !== 'here') return;
    const shown = shownOf(snapshot, wanted.select, redactOf(located.found, wanted.isRedacted));
    if (!shown.ok) return this.#end(follower, { reason: 'failed', output: null, failure: shown.failure });
    this.#show(follower, shown.value);
  }

  #followAt(follower: Follower, peer: PeerId): void {
    const { carrier, nextNumber } = this.#args;
    const { isWatch, address, select, isRedacted } = follower.wanted;
    // A subscription begins anew; a watch goes on where it was.
    if (follower.numberAt !== peer || !isWatch) {
      this.#leave(follower);
      follower.number = nextNumber();
      follower.numberAt = peer;
      this.#byNumber.set(follower.number, follower);
    }
    const { turn } = follower;
    const fate: Fate = {
      left() {},
      dropped: this.#scope.guard(() => {
        if (follower.turn === turn) this.#step(follower, { type: 'unsent' });
      }),
    };
    const body = formFollow({ number: follower.number, isWatch, address, select, isRedacted });
    const sent = carrier.send(peer, postTypes.follow, body, 0, '', fate);
    if (sent === 'full' || sent === 'unreachable') this.#step(follower, { type: 'unsent' });
  }

  #show(follower: Follower, plain: unknown): void {
    if (follower.hasValue && isSame(follower.plain, plain)) return;
    follower.hasValue = true;
    follower.plain = plain;
    this.#tell(() => follower.wanted.on(revive(plain, this.#args.formRef)));
  }

  /** Unsaid, somebody would show nothing more, or for ever what nobody wants. False: nobody is there. */
  #say(peer: PeerId, type: string, body: unknown): boolean {
    const { post, putOff } = this.#args;
    if (post.say(peer, type, body, 0) !== 'lost') return true;
    return putOff.later(peer, () => void this.#say(peer, type, body));
  }

  /** Whoever wanted it does not any more. */
  #drop(follower: Follower): void {
    if (!this.#followers.delete(follower)) return;
    follower.state.phase = 'over';
    follower.turn++;
    follower.timer?.cancel();
    follower.endHere?.();
    this.#leave(follower);
  }

  /** What the peer who told of it says from now on is old. */
  #leave(follower: Follower): void {
    const { numberAt, number } = follower;
    if (numberAt === null) return;
    follower.numberAt = null;
    this.#byNumber.delete(number);
    this.#say(numberAt, postTypes.drop, number);
  }

  #end(follower: Follower, { reason, output, failure: why }: PostEnd): void {
    if (!this.#followers.has(follower)) return;
    this.#drop(follower);
    const { address } = follower.wanted;
    const value = output === null ? undefined : endOutput(output, this.#args.formRef);
    const end: ActorEnd = {
      ...{ address, reason },
      ...(value === undefined ? {} : { output: value }),
      ...(why === null ? {} : { failure: why }),
    };
    this.#tell(() => follower.wanted.ended(end));
  }

  #tell(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#args.sink.log('error', 'CALLER_THREW', error instanceof Error ? error.message : String(error), { error });
    }
  }
}
