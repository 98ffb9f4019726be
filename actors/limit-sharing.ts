// Limits of calls that nodes share (row R6, `calls.limits.shared`): what this node let through is told now and then, and what the others let
// through is taken from the buckets here (machines/limiter/shared.ts says what is told and what of it is new). Told by an entry of a replicated map
// of each node's own, which only this node writes: what is lost on the way is found by repair, what is overtaken is in the next one.
// An entry goes when its node has let nothing through for a while, or is gone itself; the map with it, once all have heard of that. Nothing
// depends on it: who hears nothing limits by what he knows himself.
import {
  createTeller,
  drain,
  formTelling,
  gather,
  isIdle,
  type Limiter,
  newsOf,
  parseTelling,
  restMs,
  type Telling,
} from '../machines/limiter/index.ts';
import type { Outcome, ReplicaApi } from './api.ts';
import type { ClockPort, PeerId, SinkPort } from './ports/index.ts';
import type { Component, Scope } from './supervise.ts';

export const limitSharingAddress = 'limit-sharing';
/** Of the keys of maps, before the peer id of the node that writes it. */
export const sharedLimitsPrefix = 'polity/limits/';

export const limitSharingLimits = {
  /** Nodes that are heard; there are at most 256 replicas. */
  peersMax: 1_000,
  /** An entry that stands still for so long is nobody's any more. */
  staleMs: 60_000,
  /** How often it is looked for such entries. */
  sweepMs: 20_000,
  /** After the replicated objects could not be read. */
  retryMs: 10_000,
} as const;

const limits = limitSharingLimits;
const type = 'lww-map';
const entry = 'spent';

/** Others came, or went. */
export type LimitSharingEvent = { type: 'members' };

export type LimitSharingArguments = {
  self: PeerId;
  /** Of this start of the node. */
  epoch: number;
  clock: ClockPort;
  sink: SinkPort;
  replica: ReplicaApi;
  limiter: Limiter;
  /** This node may be one of them. */
  members: () => readonly PeerId[];
};

type Heard = { unfollow: () => void; telling: Telling | null; isThere: boolean; atMs: number };

class Sharing implements Component<LimitSharingEvent> {
  readonly #scope: Scope;
  readonly #args: LimitSharingArguments;
  readonly #teller: ReturnType<typeof createTeller>;
  readonly #heard = new Map<PeerId, Heard>();
  #isOpen = false;
  /** There is an entry of this node. */
  #isTold = false;
  /** What was to be told was not taken. */
  #owes = false;
  /** It was said that somebody is not heard. */
  #isUnheard = false;
  #sweepAtMs = 0;

  constructor(scope: Scope, args: LimitSharingArguments) {
    this.#scope = scope;
    this.#args = args;
    this.#teller = createTeller(args.epoch, args.clock.nowMs());
    this.#open();
  }

  // ---------------------------------------------------------------- the beginning

  #open(): void {
    this.#args.replica.opened(
      this.#scope.guard((outcome) => {
        if (outcome.ok) return this.#begin();
        if (outcome.failure.code === 'STOPPING') return;
        this.#warn('what others let through', outcome.failure.message);
        this.#scope.after(limits.retryMs, () => this.#open());
      }),
    );
  }

  #warn(what: string, why: string): void {
    this.#args.sink.log('warn', 'LIMITS_NOT_SHARED', `${what} is not heard here: ${why}`);
  }

  /** What stands there already may be old, and may have been counted before: only what is added to it is news. */
  #begin(): void {
    const { replica, self } = this.#args;
    this.#isOpen = true;
    for (const { key } of replica.list({ type, prefix: sharedLimitsPrefix, limit: limits.peersMax })) {
      const peer = key.slice(sharedLimitsPrefix.length);
      if (peer === self) this.#isTold = this.#valueOf(self) !== undefined;
      else this.#follow(peer, false);
    }
    this.#meet();
    this.#tick();
  }

  // ---------------------------------------------------------------- others

  receive(_event: LimitSharingEvent): void {
    if (this.#isOpen) this.#meet();
  }

  #meet(): void {
    const members = new Set(this.#args.members());
    members.delete(this.#args.self);
    for (const [peer, { unfollow, isThere }] of this.#heard)
      if (!isThere && !members.has(peer)) {
        unfollow();
        this.#heard.delete(peer);
      }
    for (const peer of members) if (!this.#heard.has(peer)) this.#follow(peer, true);
  }

  #follow(peer: PeerId, isNews: boolean): void {
    if (this.#heard.size >= limits.peersMax) return;
    const on = this.#scope.guard(() => this.#hear(peer, true));
    let unfollow: () => void;
    try {
      unfollow = this.#args.replica.follow(type, sharedLimitsPrefix + peer, on);
    } catch (error) {
      // Too many follow something: no reason to do without those who are heard. Tried again with every look at the members.
      if (!this.#isUnheard) this.#warn(`what ${peer} lets through`, error instanceof Error ? error.message : String(error));
      this.#isUnheard = true;
      return;
    }
    this.#heard.set(peer, { unfollow, telling: null, isThere: false, atMs: this.#args.clock.nowMs() });
    this.#hear(peer, isNews);
  }

  #valueOf(peer: PeerId): unknown {
    const view = this.#args.replica.read(type, sharedLimitsPrefix + peer) as { get(key: string): unknown } | undefined;
    return view?.get(entry);
  }

  #hear(peer: PeerId, isNews: boolean): void {
    const heard = this.#heard.get(peer);
    if (heard === undefined) return;
    const { clock, sink, limiter } = this.#args;
    const value = this.#valueOf(peer);
    heard.isThere = value !== undefined;
    heard.atMs = clock.nowMs();
    if (value === undefined) {
      heard.telling = null;
      return;
    }
    const told = parseTelling(value);
    if (told === null) {
      sink.count('limit_tellings_total', { what: 'refused' });
      return;
    }
    sink.count('limit_tellings_total', { what: 'heard' });
    if (isNews) newsOf(heard.telling, told, (kind, name, tokens) => drain(limiter, heard.atMs, kind, name, tokens));
    heard.telling = told;
  }

  // ---------------------------------------------------------------- this node

  #tick(): void {
    const { clock, limiter, sink } = this.#args;
    const spent = limiter.spent!;
    const untold = spent.untold;
    if (gather(this.#teller, spent, clock.nowMs()) || this.#owes) this.#tell();
    else if (this.#isTold && isIdle(this.#teller)) this.#tell();
    if (spent.untold > untold) sink.count('limit_tokens_untold_total', {}, spent.untold - untold);
    if (clock.nowMs() >= this.#sweepAtMs) this.#sweep();
    this.#scope.after(restMs(this.#teller), () => this.#tick());
  }

  #tell(): void {
    const { replica, self, sink } = this.#args;
    const isOver = isIdle(this.#teller);
    this.#owes = false;
    const given = isOver ? { type: 'remove', key: entry } : { type: 'put', key: entry, value: formTelling(this.#teller) };
    const done = this.#scope.guard((outcome: Outcome<null>) => {
      if (outcome.ok) return;
      // The windows hold it still.
      this.#owes = true;
      sink.count('limit_tellings_total', { what: 'untold' });
    });
    if (!isOver) sink.count('limit_tellings_total', { what: 'told' });
    this.#isTold = !isOver;
    replica.change(type, sharedLimitsPrefix + self, given, done, { sync: 'never' });
  }

  /** Whoever sees it first; a node that lives and was cut off writes its own again. */
  #sweep(): void {
    const { clock, replica } = this.#args;
    const nowMs = clock.nowMs();
    this.#sweepAtMs = nowMs + limits.sweepMs;
    this.#meet();
    for (const [peer, { isThere, atMs }] of this.#heard)
      if (isThere && nowMs - atMs >= limits.staleMs)
        replica.change(type, sharedLimitsPrefix + peer, { type: 'remove', key: entry }, () => {}, { sync: 'never' });
  }

  stop(): void {
    for (const { unfollow } of this.#heard.values()) unfollow();
    this.#heard.clear();
  }
}

export const createLimitSharing = (scope: Scope, args: LimitSharingArguments): Component<LimitSharingEvent> =>
  new Sharing(scope, args);
