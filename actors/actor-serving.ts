// What other nodes ask of actors of this one: events, deliveries, questions and stops. Each is checked before anything else, attributed to
// the authenticated peer it came from, and put to the actor if it is here; who is wrong here is told where it is, and an event that was only
// sent is passed on, three times at most and never back.
import type { EventObject } from 'xstate';
import { parseAddress } from '../machines/entity/address.ts';
import { postLimits } from '../machines/entity/post-limits.ts';
import { formDone, formSend, type PostAsk, type PostDone, type PostSend, postTypes } from '../machines/entity/post-messages.ts';
import { type Failure, failure } from '../machines/errors.ts';
import type { Trail } from './actor-api.ts';
import type { Directory } from './actor-directory.ts';
import { eventOf, type FormRef, type Here, packPlain } from './actor-here.ts';
import type { Locating } from './actor-locating.ts';
import type { Once } from './actor-once.ts';
import { isFailure } from './actor-values.ts';
import type { Outcome } from './api.ts';
import type { CallPost, Carrier } from './calls-post.ts';
import type { ClockPort, PeerId, SinkPort } from './ports/index.ts';
import { originOf } from './relay-parcel.ts';
import type { Fate } from './router.ts';

export type ServingArguments = {
  name: string;
  self: PeerId;
  epoch: number;
  clock: ClockPort;
  sink: SinkPort;
  carrier: Carrier;
  post: CallPost;
  directory: Directory;
  here: Here;
  locating: Locating;
  once: Once;
  formRef: FormRef;
  nameOf: (peer: PeerId) => string | null;
  nextNumber: () => number;
  isStopping: () => boolean;
};

/** A request of a peer that is under way here. */
type Incoming = { readonly number: number; isOver: boolean; end: (() => void) | null };

const stopEvent: EventObject = { type: 'polity.stop' };
const bytesOf = (result: PostDone['result']): number => (result.type === 'ok' ? result.value.byteLength : 0);

export class Serving {
  readonly #args: ServingArguments;
  readonly #incoming = new Map<PeerId, Map<number, Incoming>>();

  constructor(args: ServingArguments) {
    this.#args = args;
  }

  get size(): number {
    let size = 0;
    for (const of of this.#incoming.values()) size += of.size;
    return size;
  }

  isServing(peer: PeerId): boolean {
    return this.#incoming.has(peer);
  }

  /** As whoever sends says it, if he may: he speaks for himself, for actors of his node, and for those of the cluster. */
  #trail(peer: PeerId, { source, correlation }: Trail): Trail {
    const node = this.#args.nameOf(peer) ?? peer;
    if (source === node) return { source, correlation };
    // Over others he is called so (`n1 over n2`).
    if (source === '' || node.startsWith(`${source} over `)) return { source: node, correlation };
    const claimed = parseAddress(source);
    const isHis = claimed !== null && (claimed.node === null || claimed.node === node);
    return { source: isHis ? source : `${source} via ${node}`, correlation };
  }

  // ---------------------------------------------------------------- at most once

  sent(peer: PeerId, message: PostSend): void {
    const { here, locating, formRef, isStopping } = this.#args;
    const { address } = message;
    const trail = this.#trail(peer, message);
    const located = isStopping() ? null : locating.locate(address);
    if (located?.type === 'at') return this.#passOn(peer, located.peer, message);
    const event = eventOf(message.event, formRef);
    if (isFailure(event)) return here.lost(address, { type: '' }, trail, event.code);
    if (located === null) return here.lost(address, event, trail, 'STOPPING');
    if (located.type === 'nowhere') return here.lost(address, event, trail, located.failure.code);
    here.send(located.found, event, trail);
  }

  #passOn(from: PeerId, to: PeerId, message: PostSend): void {
    const { here, carrier, self, formRef, nextNumber } = this.#args;
    const { address, hops } = message;
    const lost = (code: Failure['code']): void => {
      const event = eventOf(message.event, formRef);
      here.lost(address, isFailure(event) ? { type: '' } : event, this.#trail(from, message), code);
    };
    // Back to where it came from, or in a circle: two nodes that each take the other for its place.
    if (to === (originOf(from) ?? from) || to === self || hops >= postLimits.hopsMax) return lost('LOOP_DETECTED');
    const fate: Fate = { left() {}, dropped: () => lost('UNREACHABLE') };
    const sent = carrier.send(to, postTypes.send, formSend({ ...message, number: nextNumber(), hops: hops + 1 }), 0, '', fate);
    if (sent === 'full') lost('OVERLOADED');
    if (sent === 'unreachable') lost('UNREACHABLE');
  }

  // ---------------------------------------------------------------- requests

  asked(peer: PeerId, ask: PostAsk, leftMs: number): void {
    const { once, epoch, isStopping, name } = this.#args;
    once.heard(peer, ask.heard);
    const of = this.#of(peer);
    // It is under way, and answers when it has ended.
    if (of.has(ask.number)) return;
    const event = ask.kind === 'ask' || ask.kind === 'deliver' ? eventOf(ask.event, this.#args.formRef) : stopEvent;
    if (isFailure(event)) return this.#refuse(peer, ask, event);
    // Before anything else is said: a refusal would be taken for the word that it was not done here.
    if (this.#isAgain(peer, of, ask, event)) return;
    if (isStopping()) return this.#refuse(peer, ask, failure('STOPPING', `${name} is stopping`));
    if (of.size >= postLimits.incomingPerPeerMax)
      return this.#refuse(peer, ask, failure('OVERLOADED', `${name} works on ${of.size} requests of this node already`));
    if (ask.epoch !== 0 && ask.epoch !== epoch && !this.#args.locating.isKept(ask.address.type))
      return this.#refuse(peer, ask, failure('OUTCOME_UNKNOWN', `${name} began anew since it was asked`));
    try {
      this.#begin(peer, of, ask, event, leftMs);
    } catch (error) {
      // This door begins anew; whoever asked need not wait for nothing.
      this.#refuse(peer, ask, failure('OUTCOME_UNKNOWN', `the door of actors on ${name} failed over it`));
      throw error;
    }
  }

  #of(peer: PeerId): Map<number, Incoming> {
    let of = this.#incoming.get(peer);
    if (of === undefined) this.#incoming.set(peer, (of = new Map()));
    return of;
  }

  #isAgain(peer: PeerId, of: Map<number, Incoming>, ask: PostAsk, event: EventObject): boolean {
    const { number, kind, id, address } = ask;
    const incoming: Incoming = { number, isOver: false, end: null };
    const end = this.#args.here.again(address, { kind, event, id, caller: peer }, (outcome) => {
      incoming.isOver = true;
      this.#ended(peer, ask, outcome);
    });
    if (end !== null && !incoming.isOver) of.set(number, Object.assign(incoming, { end }));
    return end !== null;
  }

  #begin(peer: PeerId, of: Map<number, Incoming>, ask: PostAsk, event: EventObject, leftMs: number): void {
    const { here, locating } = this.#args;
    const { number, kind, id, address } = ask;
    const located = locating.locate(address);
    if (located.type === 'at') return this.#done(peer, of, ask, { type: 'elsewhere', peer: located.peer });
    if (located.type === 'nowhere') {
      const { failure: why, againMs } = located;
      const details = againMs > 0 ? { retryAfterMs: againMs, ...why.details } : why.details;
      return this.#done(peer, of, ask, { type: 'failed', failure: failure(why.code, why.message, details) });
    }
    const trail = this.#trail(peer, ask);
    const incoming: Incoming = { number, isOver: false, end: null };
    of.set(number, incoming);
    const end = here.ask(located.found, { kind, event, id, caller: peer, leftMs, trail }, (outcome) => {
      incoming.isOver = true;
      this.#ended(peer, ask, outcome);
    });
    if (!incoming.isOver) incoming.end = end;
  }

  #ended(peer: PeerId, ask: PostAsk, outcome: Outcome<unknown>): void {
    const of = this.#of(peer);
    if (!outcome.ok) return this.#done(peer, of, ask, { type: 'failed', failure: this.#described(ask, outcome.failure) });
    const value = ask.kind === 'ask' ? packPlain(outcome.value, 'its answer') : new Uint8Array(0);
    if (!isFailure(value)) return this.#done(peer, of, ask, { type: 'ok', value });
    this.#done(peer, of, ask, { type: 'failed', failure: failure('ACTOR_FAILED', value.message, value.details) });
  }

  /** How the actor stands that did not do what was asked. */
  #described({ address }: PostAsk, why: Failure): Failure {
    const place = this.#args.directory.find(address);
    const state = place?.live?.view().state ?? (place?.isOpening === true ? 'starting' : 'passive');
    return failure(why.code, why.message, { state, ...why.details });
  }

  #refuse(peer: PeerId, ask: PostAsk, why: Failure): void {
    this.#done(peer, this.#of(peer), ask, { type: 'failed', failure: why });
  }

  #done(peer: PeerId, of: Map<number, Incoming>, { number, address }: PostAsk, result: PostDone['result']): void {
    of.delete(number);
    if (of.size === 0) this.#incoming.delete(peer);
    const isKept = this.#args.locating.isKept(address.type);
    // What does not get there is asked for again.
    this.#args.post.say(peer, postTypes.done, formDone({ number, result, isKept }), bytesOf(result));
  }

  /** Nobody waits any more. */
  quit(peer: PeerId, number: number): void {
    const of = this.#incoming.get(peer);
    const incoming = of?.get(number);
    if (of === undefined || incoming === undefined) return;
    of.delete(number);
    if (of.size === 0) this.#incoming.delete(peer);
    incoming.end?.();
  }

  /** The connection is gone: whoever asks again is answered from what is remembered, or by the actor, which remembers itself. */
  closed(peer: PeerId): void {
    const of = this.#incoming.get(peer);
    if (of === undefined) return;
    this.#incoming.delete(peer);
    for (const { end } of of.values()) end?.();
  }
}
