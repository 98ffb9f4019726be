// The door of actors at a node: what is said to an actor, from here or by another node, finds it wherever it is. Puts the rooms together
// (requests and followers of this node, and those of others) and hands each message to its own. What outlives it is given to it: who lives
// here, and what was answered under which id.
import { postLimits } from '../machines/entity/post-limits.ts';
import {
  parseAsk,
  parseDone,
  parseFollow,
  parseMore,
  parseNext,
  parseNumber,
  parseOver,
  parseSend,
  postTypes,
} from '../machines/entity/post-messages.ts';
import { type Failure, failure } from '../machines/errors.ts';
import type { Change } from '../machines/membership/index.ts';
import { type Asked, Asking } from './actor-asking.ts';
import type { DeadLetters } from './actor-dead-letters.ts';
import type { Directory } from './actor-directory.ts';
import { Feeds } from './actor-feeds.ts';
import { createFollowHere } from './actor-follow-here.ts';
import { Following, type Wanted } from './actor-following.ts';
import { createHere, type FormRef, type Here } from './actor-here.ts';
import type { Locating } from './actor-locating.ts';
import { createOnce, type Once, type OnceMemory } from './actor-once.ts';
import { createPutOff, type PutOff } from './actor-put-off.ts';
import { Serving } from './actor-serving.ts';
import type { Outcome } from './api.ts';
import { type CallPost, type Carrier, createCallPost } from './calls-post.ts';
import type { PeerId, Ports, Timer } from './ports/index.ts';
import { originOf } from './relay-parcel.ts';
import type { Delivery, Router } from './router.ts';
import type { Component, Scope } from './supervise.ts';

export const actorsAddress = 'actors';

export type ActorsEvent =
  | { type: 'peer-open'; peer: PeerId; epoch: number }
  | { type: 'peer-close' | 'drain'; peer: PeerId }
  | { type: 'members'; changes: readonly Change[] }
  /** Something may be elsewhere. */
  | { type: 'changed' }
  /** Something threw where no mailbox was. */
  | { type: 'broke'; error: unknown };

/** What is used without a mailbox, while this incarnation lives. */
export interface ActorsCore {
  readonly here: Here;
  ask(asked: Asked, done: (outcome: Outcome<unknown>) => void): () => void;
  follow(wanted: Wanted): () => void;
  receive(delivery: Delivery): void;
  /** Of what went over others: it surely did not get there; nobody knows; nobody can be told any more who asked here. */
  undelivered(type: string, number: number, why: Failure): void;
  lost(type: string, number: number, why: Failure): void;
  cut(peer: PeerId, number: number): void;
  isBusy(peer: PeerId): boolean;
  counts(): { asking: number; following: number; serving: number; feeding: number };
  /** Ends what others and this node wait for. */
  end(why: Failure): void;
}

export type ActorsArguments = {
  name: string;
  epoch: number;
  ports: Pick<Ports, 'clock' | 'sink' | 'random' | 'network'>;
  router: Pick<Router, 'refuse'>;
  carrier: Carrier;
  directory: Directory;
  locating: Locating;
  letters: DeadLetters;
  memory: OnceMemory;
  formRef: FormRef;
  nextNumber: () => number;
  nameOf: (peer: PeerId) => string | null;
  epochOf: (peer: PeerId) => number;
  isMember: (peer: PeerId) => boolean;
  isStraight: (peer: PeerId) => boolean;
  isOver: (number: number) => boolean;
  /** The node of this name has failed, left, or was thrown out. */
  isGone: (node: string) => boolean;
  isStopping: () => boolean;
  onCore: (core: ActorsCore | null) => void;
};

/** Who leads no more mostly says so, or his connection goes: only after so long others are asked too. */
const lookMs = 250;

export const createActors = (scope: Scope, args: ActorsArguments): Component<ActorsEvent> => new Actors(scope, args).component;

class Actors implements ActorsCore {
  readonly #args: ActorsArguments;
  readonly #post: CallPost;
  readonly #putOff: PutOff;
  readonly #once: Once;
  readonly here: Here;
  readonly #asking: Asking;
  readonly #following: Following;
  readonly #serving: Serving;
  readonly #feeds: Feeds;
  /** Set when something changed. */
  #lookTimer: Timer | null = null;
  readonly #scope: Scope;
  /** Starts of the processes that asked here. */
  readonly #epochs = new Map<PeerId, number>();
  /** Connected, and members no more. */
  readonly #leaving = new Set<PeerId>();

  constructor(scope: Scope, args: ActorsArguments) {
    this.#scope = scope;
    this.#args = args;
    const { name, epoch, ports, carrier, directory, locating, letters, formRef, nextNumber, nameOf, epochOf, isStopping } =
      args;
    const { clock, sink, random, network } = ports;
    const { self } = network;
    const chance = (): number => random.uint32() / 0x1_0000_0000;
    const newId = (): string => Array.from({ length: 4 }, () => random.uint32().toString(36)).join('-');
    const { isStraight, isOver } = args;
    this.#post = createCallPost(carrier, sink);
    this.#once = createOnce(scope, clock, args.memory);
    const once = this.#once;
    const post = this.#post;
    this.#putOff = createPutOff(post);
    const putOff = this.#putOff;
    this.here = createHere({ directory, letters, once, formRef });
    const followHere = createFollowHere(directory);
    const { here } = this;
    this.#asking = new Asking(scope, {
      ...{ name, self, clock, sink, chance, carrier, here, locating, formRef, nameOf, epochOf, nextNumber },
      ...{ isStraight, isOver, newId },
    });
    this.#following = new Following(scope, {
      ...{ clock, sink, chance, carrier, post, putOff, followHere, locating, formRef, nextNumber, isOver, isGone: args.isGone },
    });
    this.#serving = new Serving({
      ...{
        name,
        self,
        epoch,
        clock,
        sink,
        carrier,
        post,
        directory,
        here,
        locating,
        once,
        formRef,
        isStopping,
        nameOf,
        nextNumber,
      },
    });
    this.#feeds = new Feeds(scope, { name, clock, sink, post, putOff, followHere, locating, isStopping });
    args.onCore(this);
  }

  ask(asked: Asked, done: (outcome: Outcome<unknown>) => void): () => void {
    return this.#asking.begin(asked, done);
  }

  follow(wanted: Wanted): () => void {
    return this.#following.begin(wanted);
  }

  isBusy(peer: PeerId): boolean {
    return (
      this.#asking.isAsking(peer) ||
      this.#serving.isServing(peer) ||
      this.#following.isFollowing(peer) ||
      this.#feeds.isFeeding(peer)
    );
  }

  counts(): { asking: number; following: number; serving: number; feeding: number } {
    return {
      ...{ asking: this.#asking.size, following: this.#following.size },
      ...{ serving: this.#serving.size, feeding: this.#feeds.size },
    };
  }

  // ---------------------------------------------------------------- messages

  receive(delivery: Delivery): void {
    const { peer, type } = delivery;
    const { isMember, router } = this.#args;
    // Of who speaks over others the relay has looked at everybody on the way.
    if (originOf(peer) === null && !isMember(peer))
      return router.refuse(peer, 'FORBIDDEN', 'it speaks of actors, and is no member');
    const handled = this.#received(delivery);
    if (handled === 'unknown') router.refuse(peer, 'TYPE_UNKNOWN', `no such message of actors: ${type.slice(0, 32)}`);
    else if (handled === 'malformed')
      router.refuse(peer, 'MESSAGE_MALFORMED', `what should be a message '${type}' of actors is none`);
  }

  undelivered(type: string, number: number, why: Failure): void {
    if (type === postTypes.ask) this.#asking.unsent(number, why);
    else this.#following.broken(number);
  }

  lost(type: string, number: number, why: Failure): void {
    if (type === postTypes.ask) this.#asking.lost(number, why);
    else this.#following.broken(number);
  }

  cut(peer: PeerId, number: number): void {
    this.#serving.quit(peer, number);
    this.#feeds.cut(peer, number);
  }

  #received({ peer, type, body, timeLeftMs }: Delivery): 'ok' | 'malformed' | 'unknown' {
    const given = <Message>(message: Message | null, handle: (message: Message) => void): 'ok' | 'malformed' => {
      if (message === null) return 'malformed';
      handle(message);
      return 'ok';
    };
    switch (type) {
      case postTypes.send:
        return given(parseSend(body), (message) => this.#serving.sent(peer, message));
      case postTypes.ask:
        if (timeLeftMs <= 0) return 'malformed';
        return given(parseAsk(body), (message) => this.#serving.asked(peer, message, timeLeftMs));
      case postTypes.done:
        return given(parseDone(body), (message) => this.#asking.answered(peer, message));
      case postTypes.quit:
        return given(parseNumber(body), (number) => this.#serving.quit(peer, number));
      case postTypes.follow:
        return given(parseFollow(body), (message) => this.#feeds.followed(peer, message));
      case postTypes.next:
        return given(parseNext(body), (message) => this.#following.next(peer, message));
      case postTypes.more:
        return given(parseMore(body), ({ number, at }) => this.#feeds.more(peer, number, at));
      case postTypes.over:
        return given(parseOver(body), (message) => this.#following.over(peer, message));
      case postTypes.drop:
        return given(parseNumber(body), (number) => this.#feeds.dropped(peer, number));
      default:
        return 'unknown';
    }
  }

  // ---------------------------------------------------------------- the actor

  #opened(peer: PeerId, epoch: number): void {
    const before = this.#epochs.get(peer);
    this.#leaving.delete(peer);
    this.#epochs.delete(peer);
    this.#epochs.set(peer, epoch);
    const [oldest] = this.#epochs.keys();
    if (oldest !== undefined && this.#epochs.size > postLimits.peersMax) this.#epochs.delete(oldest);
    if (before !== undefined && before !== epoch) {
      this.#once.began(peer);
      this.#feeds.gone(peer);
    }
    this.#changed();
  }

  #closed(peer: PeerId): void {
    this.#post.closed(peer);
    this.#putOff.closed(peer);
    this.#serving.closed(peer);
    this.#feeds.closed(peer);
    this.#asking.closed(peer);
    this.#following.closed(peer);
    if (this.#leaving.delete(peer)) this.#asking.gone(peer);
  }

  #members(changes: readonly Change[]): void {
    for (const { peer, after } of changes) {
      if (after === 'alive' || after === 'suspect') continue;
      this.#epochs.delete(peer);
      this.#feeds.gone(peer);
      this.#following.gone(peer);
      // Who says goodbye still answers what it was asked; the end of its connection says that no answer comes any more.
      if (after === 'left' && this.#args.epochOf(peer) !== 0) this.#leaving.add(peer);
      else this.#asking.gone(peer);
    }
    this.#changed();
  }

  /** What is watched here and does not live may be watched elsewhere now. */
  #changed(): void {
    const { directory, locating } = this.#args;
    for (const place of directory.passive()) if (locating.locate(place.address).type !== 'here') directory.moved(place);
    this.#asking.changed();
    this.#following.changed();
    this.#lookTimer ??= this.#scope.after(lookMs, () => {
      this.#lookTimer = null;
      this.#asking.look();
      this.#following.look();
    });
  }

  end(why: Failure): void {
    const reason = why.code === 'STOPPING' ? 'STOPPING' : 'NOT_READY';
    this.#feeds.stop();
    this.#once.stop(failure('OUTCOME_UNKNOWN', why.message));
    this.#asking.stop(why);
    this.#following.stop(reason, why.message);
  }

  readonly component: Component<ActorsEvent> = {
    receive: (event) => {
      switch (event.type) {
        case 'peer-open':
          return this.#opened(event.peer, event.epoch);
        case 'peer-close':
          return this.#closed(event.peer);
        case 'drain':
          this.#post.drained(event.peer);
          return this.#putOff.drained(event.peer);
        case 'members':
          return this.#members(event.changes);
        case 'changed':
          return this.#changed();
        case 'broke':
          throw event.error;
      }
    },
    stop: (reason) => {
      const { name, onCore } = this.#args;
      onCore(null);
      this.end(
        reason === null
          ? failure('STOPPING', `${name} is stopping`)
          : failure('NOT_READY', `the door of actors on ${name} failed and begins anew: ${reason}`),
      );
    },
  };
}
