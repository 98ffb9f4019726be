// Followers at other nodes of actors at this one: subscribers, who are shown one thing at a time, and watchers, whose end is kept until they
// have heard it, also while their connection is gone for a moment.
import type { EventObject, Snapshot } from 'xstate';
import { createFeed, type Feed, heard, offer, putOff, withdraw } from '../machines/entity/post-feed.ts';
import { createHearing, type Hearing, has, heardTypeOf, tell, untell } from '../machines/entity/post-hearing.ts';
import { postLimits } from '../machines/entity/post-limits.ts';
import { formNext, formOver, type PostFollow, type PostOver, postTypes } from '../machines/entity/post-messages.ts';
import { failure } from '../machines/errors.ts';
import { type FollowedHere, type FollowHere, followedOf, type Redact, redactOf } from './actor-follow-here.ts';
import { packPlain } from './actor-here.ts';
import type { Locating } from './actor-locating.ts';
import type { PutOff } from './actor-put-off.ts';
import { isFailure, isSame, isSelection, plainOf, shownOf } from './actor-values.ts';
import type { CallPost } from './calls-post.ts';
import { createDeadlines, type Deadlines } from './deadlines.ts';
import { withoutSecrets } from './inspect-shown.ts';
import type { ClockPort, PeerId, SinkPort } from './ports/index.ts';
import type { Scope } from './supervise.ts';

export type FeedsArguments = {
  name: string;
  clock: ClockPort;
  sink: SinkPort;
  post: CallPost;
  putOff: PutOff;
  followHere: FollowHere;
  locating: Locating;
  isStopping: () => boolean;
};

type Why = PostOver['why'];

type Followed = {
  readonly peer: PeerId;
  readonly follow: PostFollow;
  readonly feed: Feed<Snapshot<unknown>>;
  readonly redact: Redact;
  /** Of one who hears what it emits. */
  readonly hearing: Hearing;
  hasShown: boolean;
  shown: unknown;
  /** Of a watch that has ended: until its watcher has heard it. */
  why: Why | null;
  end: (() => void) | null;
  /** The connection of its watcher is gone; when nothing is kept for him any longer. 0: he is there. */
  untilMs: number;
};

type OfPeer = { readonly feeds: Map<number, Followed>; readonly watches: Map<number, Followed> };

const told = (why: Parameters<FollowedHere['over']>[0]): Why => {
  if (why === 'moved') return { type: 'moved' };
  return 'end' in why ? { type: 'end', end: why.end } : { type: 'failed', failure: why.failed };
};

export class Feeds {
  readonly #args: FeedsArguments;
  readonly #peers = new Map<PeerId, OfPeer>();
  readonly #deadlines: Deadlines<Followed>;

  constructor(scope: Scope, args: FeedsArguments) {
    this.#args = args;
    this.#deadlines = createDeadlines(scope, args.clock.nowMs, (followed) => this.#forget(followed));
  }

  get size(): number {
    let size = 0;
    for (const { feeds, watches } of this.#peers.values()) size += feeds.size + watches.size;
    return size;
  }

  isFeeding(peer: PeerId): boolean {
    const of = this.#peers.get(peer);
    if (of === undefined) return false;
    if (of.feeds.size > 0) return true;
    for (const { untilMs } of of.watches.values()) if (untilMs === 0) return true;
    return false;
  }

  followed(peer: PeerId, follow: PostFollow): void {
    const known = this.#find(peer, follow.number);
    if (known !== undefined) return this.#again(known);
    const { name, locating, isStopping } = this.#args;
    const refuse = (why: Why): void => this.#sayOver(peer, follow, why);
    if (isStopping()) return refuse({ type: 'moved' });
    if (follow.select !== null && !isSelection(follow.select) && heardTypeOf(follow.select) === undefined)
      return refuse({
        type: 'failed',
        failure: failure('INVALID_REQUEST', 'no path into a snapshot', { select: follow.select }),
      });
    const located = locating.locate(follow.address);
    if (located.type === 'at') return refuse({ type: 'elsewhere', peer: located.peer });
    if (located.type === 'nowhere') return refuse({ type: 'failed', failure: located.failure });
    const of = this.#of(peer);
    const all = follow.isWatch ? of.watches : of.feeds;
    if (all.size >= (follow.isWatch ? postLimits.watchesPerPeerMax : postLimits.feedsPerPeerMax))
      return refuse({
        type: 'failed',
        failure: failure('OVERLOADED', `${name} tells this node of ${all.size} actors already`),
      });
    const redact = redactOf(located.found, follow.isRedacted);
    const followed: Followed = {
      ...{
        peer,
        follow,
        feed: createFeed<Snapshot<unknown>>(),
        redact,
        hearing: createHearing(),
        hasShown: false,
        shown: undefined,
        why: null,
        end: null,
        untilMs: 0,
      },
    };
    all.set(follow.number, followed);
    const end = this.#args.followHere(located.found, followedOf(follow.isWatch, follow.select), redact, {
      held: () => {
        if (follow.isWatch) this.#sayHeld(followed);
      },
      snapshot: (snapshot) => {
        if (offer(followed.feed, snapshot)) this.#show(followed, snapshot);
      },
      emitted: (event) => this.#emit(followed, event),
      over: (why) => this.#over(followed, told(why)),
    });
    if (followed.why === null && all.get(follow.number) === followed) followed.end = end;
    else end();
  }

  #of(peer: PeerId): OfPeer {
    let of = this.#peers.get(peer);
    if (of === undefined) this.#peers.set(peer, (of = { feeds: new Map(), watches: new Map() }));
    return of;
  }

  #find(peer: PeerId, number: number): Followed | undefined {
    const of = this.#peers.get(peer);
    return of?.watches.get(number) ?? of?.feeds.get(number);
  }

  /** A watcher whose connection was gone is here again, or somebody over others makes sure that he is followed still. */
  #again(followed: Followed): void {
    if (followed.untilMs > 0) this.#deadlines.delete(followed, followed.untilMs);
    followed.untilMs = 0;
    if (followed.why === null) this.#sayHeld(followed);
    else this.#sayOver(followed.peer, followed.follow, followed.why);
  }

  #sayHeld(followed: Followed): void {
    const { peer, follow } = followed;
    const next = formNext({ number: follow.number, at: 0, value: null });
    if (this.#args.post.say(peer, postTypes.next, next, 0) !== 'lost') return;
    this.#args.putOff.later(peer, () => {
      if (followed.why === null && this.#find(peer, follow.number) === followed) this.#sayHeld(followed);
    });
  }

  #show(followed: Followed, snapshot: Snapshot<unknown>): void {
    const { peer, follow, feed } = followed;
    let next: Snapshot<unknown> = snapshot;
    for (;;) {
      const shown = shownOf(next, follow.select, followed.redact);
      if (!shown.ok)
        return this.#over(followed, { type: 'end', end: { reason: 'failed', output: null, failure: shown.failure } });
      if (!followed.hasShown || !isSame(followed.shown, shown.value)) {
        const value = packPlain(shown.value, follow.select ?? 'snapshot');
        if (isFailure(value))
          return this.#over(followed, { type: 'end', end: { reason: 'failed', output: null, failure: value } });
        followed.hasShown = true;
        followed.shown = shown.value;
        const form = formNext({ number: follow.number, at: feed.at, value });
        if (this.#args.post.say(peer, postTypes.next, form, value.byteLength) === 'lost') this.#putOffNext(followed, next);
        return;
      }
      withdraw(feed);
      if (feed.waiting === null) return;
      next = feed.waiting.value;
      feed.waiting = null;
      offer(feed, next);
    }
  }

  #putOffNext(followed: Followed, snapshot: Snapshot<unknown>): void {
    const { peer, follow, feed } = followed;
    putOff(feed, snapshot);
    followed.hasShown = false;
    this.#args.putOff.later(peer, () => this.more(peer, follow.number, feed.at));
  }

  /** Once, or not at all: what does not get there is counted. */
  #emit({ peer, follow, redact, hearing }: Followed, event: EventObject): void {
    const type = heardTypeOf(follow.select);
    if (type !== null && type !== event.type) return;
    const plain = plainOf(event, 'what it emits');
    const value = plain.ok ? packPlain(redact === null ? plain.value : withoutSecrets(plain.value, redact), 'event') : null;
    const at = value === null || isFailure(value) ? null : tell(hearing);
    if (at === null) return this.#args.sink.count('actor_emitted_lost_total');
    const bytes = value as Uint8Array;
    const next = formNext({ number: follow.number, at, value: bytes });
    if (this.#args.post.say(peer, postTypes.next, next, bytes.byteLength) !== 'lost') return;
    untell(hearing);
    this.#args.sink.count('actor_emitted_lost_total');
  }

  more(peer: PeerId, number: number, at: number): void {
    const followed = this.#peers.get(peer)?.feeds.get(number);
    if (followed === undefined) return;
    if (heardTypeOf(followed.follow.select) !== undefined) return has(followed.hearing, at);
    const next = heard(followed.feed, at);
    if (next !== null) this.#show(followed, next.value);
  }

  #over(followed: Followed, why: Why): void {
    const { peer, follow } = followed;
    if (followed.why !== null) return;
    followed.why = why;
    followed.end?.();
    followed.end = null;
    if (!follow.isWatch) this.#forget(followed);
    if (followed.untilMs === 0) this.#sayOver(peer, follow, why);
  }

  #sayOver(peer: PeerId, follow: PostFollow, why: Why): void {
    const { number, address } = follow;
    const isKept = this.#args.locating.isKept(address.type);
    const bytes = why.type === 'end' ? (why.end.output?.byteLength ?? 0) : 0;
    if (this.#args.post.say(peer, postTypes.over, formOver({ number, why, isKept }), bytes) !== 'lost') return;
    this.#args.putOff.later(peer, () => this.#sayOver(peer, follow, why));
  }

  /** Its follower has heard its end, or does not want it any more. */
  dropped(peer: PeerId, number: number): void {
    const followed = this.#find(peer, number);
    if (followed !== undefined) this.#forget(followed);
  }

  #forget(followed: Followed): void {
    const { peer, follow, untilMs } = followed;
    if (untilMs > 0) this.#deadlines.delete(followed, untilMs);
    followed.end?.();
    followed.end = null;
    const of = this.#peers.get(peer);
    if (of === undefined) return;
    (follow.isWatch ? of.watches : of.feeds).delete(follow.number);
    if (of.feeds.size + of.watches.size === 0) this.#peers.delete(peer);
  }

  closed(peer: PeerId): void {
    const of = this.#peers.get(peer);
    if (of === undefined) return;
    for (const followed of [...of.feeds.values(), ...of.watches.values()]) this.#leave(followed);
  }

  /** The same for one of them, whose way over others is lost. */
  cut(peer: PeerId, number: number): void {
    const followed = this.#find(peer, number);
    if (followed !== undefined) this.#leave(followed);
  }

  #leave(followed: Followed): void {
    if (!followed.follow.isWatch) return this.#forget(followed);
    if (followed.untilMs > 0) return;
    followed.untilMs = this.#args.clock.nowMs() + postLimits.endKeptMs;
    this.#deadlines.add(followed, followed.untilMs);
  }

  /** Another process, or none any more: it knows nothing of what it followed. */
  gone(peer: PeerId): void {
    const of = this.#peers.get(peer);
    if (of === undefined) return;
    for (const followed of [...of.feeds.values(), ...of.watches.values()]) this.#forget(followed);
  }

  /** Their followers look for the actors elsewhere. */
  stop(): void {
    for (const { feeds, watches } of [...this.#peers.values()])
      for (const followed of [...feeds.values(), ...watches.values()]) {
        if (followed.why === null) this.#over(followed, { type: 'moved' });
        this.#forget(followed);
      }
  }
}
