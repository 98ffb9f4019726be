// Anti-entropy: whatever gossip lost, the next exchange repairs. Two nodes compare one number for all they know; if it differs, one
// for each bucket; then what they know of the members in the buckets that differ; and only then are facts told, in both directions,
// a page at a time. Each message is answered from what it holds: only who began remembers where it is.
import { hearOfSelf } from './learn.ts';
import { membershipLimits } from './limits.ts';
import { factBytes, versionStatus } from './messages.ts';
import { outranks } from './order.ts';
import {
  about,
  bucketsOf,
  drawLive,
  type Exchange,
  factAbout,
  factOf,
  type MembershipState,
  ownFact,
  ownStanding,
  rootDigest,
  send,
  sendLong,
  type Turn,
} from './state.ts';
import { bucketOf } from './table.ts';
import type { Fact, PeerId, Version } from './types.ts';

/** Compares everything with this peer, as soon as possible. */
export const beginExchange = (state: MembershipState, turn: Turn, peer: PeerId, introduces: boolean): void => {
  if (peer === state.self || state.exchanges.has(peer) || state.exchanges.size >= membershipLimits.exchangesMax) return;
  state.exchanges.set(peer, { left: null, attempts: 0, againAtMs: turn.nowMs, introduces, found: false });
};

/** A connection to somebody who is thought to be alive is nothing new; to anybody else it is a reunion. */
export const onMet = (state: MembershipState, turn: Turn, peer: PeerId): void => {
  const member = state.table.members.get(peer);
  if (member?.status === 'evicted') return;
  if (member === undefined || member.status !== 'alive' || !state.settled) beginExchange(state, turn, peer, true);
};

const sendDigest = (state: MembershipState, turn: Turn, peer: PeerId, exchange: Exchange): void => {
  const facts = [ownFact(state, exchange.introduces)];
  const member = state.table.members.get(peer);
  // If it lives after all, this is what it has to refute.
  if (member !== undefined && member.status !== 'alive') facts.push(factAbout(state, member, false, turn.nowMs));
  send(turn, [peer], { type: 'digest', root: rootDigest(state), facts });
};

const finish = (state: MembershipState, turn: Turn, peer: PeerId, found: boolean): void => {
  const { options } = state;
  state.exchanges.delete(peer);
  state.settled = true;
  // Where one found something there may be more; where nobody finds anything, seldom is enough.
  state.exchangeEveryMs = found ? options.exchangeMinMs : Math.min(options.exchangeMaxMs, 2 * state.exchangeEveryMs);
  state.nextExchangeMs = turn.nowMs + about(state, state.exchangeEveryMs);
};

export const exchangeTurn = (state: MembershipState, turn: Turn): void => {
  const { options, exchanges } = state;
  const { nowMs } = turn;
  if (nowMs >= state.nextExchangeMs && state.table.live.length > 0) {
    state.nextExchangeMs = nowMs + about(state, state.exchangeEveryMs);
    for (const peer of drawLive(state, 1)) beginExchange(state, turn, peer, !state.settled);
  }
  for (const [peer, exchange] of exchanges) {
    if (nowMs < exchange.againAtMs) continue;
    if (++exchange.attempts > options.exchangeAttempts) {
      exchanges.delete(peer);
      continue;
    }
    exchange.left = null;
    exchange.againAtMs = nowMs + options.exchangeTimeoutMs;
    sendDigest(state, turn, peer, exchange);
  }
};

export const exchangeDueMs = (state: MembershipState): number => {
  let dueMs = state.table.live.length > 0 ? state.nextExchangeMs : Number.POSITIVE_INFINITY;
  for (const { againAtMs } of state.exchanges.values()) dueMs = Math.min(dueMs, againAtMs);
  return dueMs;
};

// ---------------------------------------------------------------- who is asked

export const onDigest = (state: MembershipState, turn: Turn, from: PeerId, root: number): void => {
  const hashes = root === rootDigest(state) ? [] : [...bucketsOf(state)];
  send(turn, [from], { type: 'buckets', hashes });
};

/** What this node knows of the members in some buckets, itself included; what fades is known to nobody. */
const versionsIn = (state: MembershipState, buckets: readonly number[]): Map<number, Version[]> => {
  const versions = new Map<number, Version[]>(buckets.map((bucket) => [bucket, []]));
  const note = (version: Version): void => void versions.get(bucketOf(version.peer))?.push(version);
  note({ peer: state.self, ...ownStanding(state), profileAt: state.profileAt });
  for (const member of state.table.members.values()) {
    const { peer, incarnation, status, profileAt } = member;
    if (member.digest !== 0) note({ peer, incarnation, status: versionStatus(status), profileAt });
  }
  return versions;
};

type Answer = { facts: Fact[]; wants: PeerId[]; bytes: number };

/** Of one member, what the other lacks and what is lacking here. Null stands for not knowing it. */
const compare = (state: MembershipState, turn: Turn, answer: Answer, own: Version | null, other: Version | null): void => {
  if (own === null) {
    if (other !== null) answer.wants.push(other.peer);
    return;
  }
  const ahead = other === null || outranks(own, other) || own.profileAt > other.profileAt;
  const behind = other !== null && (outranks(other, own) || other.profileAt > own.profileAt);
  // Of itself nobody lets himself be told; what the other thinks is heard as an accusation.
  if (behind && own.peer === state.self) hearOfSelf(state, turn, other);
  else if (behind) answer.wants.push(own.peer);
  const fact = ahead ? factOf(state, own.peer, other === null || own.profileAt > other.profileAt, turn.nowMs) : null;
  if (fact === null) return;
  answer.facts.push(fact);
  answer.bytes += factBytes(fact);
};

export const onVersions = (
  state: MembershipState,
  turn: Turn,
  from: PeerId,
  { buckets, versions }: { buckets: number[]; versions: Version[] },
): void => {
  const ours = versionsIn(state, buckets);
  const theirs = new Map<number, Map<PeerId, Version>>(buckets.map((bucket) => [bucket, new Map()]));
  for (const version of versions) theirs.get(bucketOf(version.peer))?.set(version.peer, version);
  const answer: Answer = { facts: [], wants: [], bytes: 0 };
  let done = 0;
  for (const bucket of buckets) {
    const others = theirs.get(bucket)!;
    for (const own of ours.get(bucket)!) {
      if (answer.facts.length >= membershipLimits.factsPerMessageMax) break;
      compare(state, turn, answer, own, others.get(own.peer) ?? null);
      others.delete(own.peer);
    }
    for (const other of others.values()) {
      if (answer.wants.length >= membershipLimits.versionsPerMessageMax) break;
      // Known, but fading: to be learnt again by nobody.
      if (!state.table.members.has(other.peer)) compare(state, turn, answer, null, other);
    }
    done++;
    const full = answer.facts.length >= membershipLimits.factsPerMessageMax / 2;
    if (full || answer.bytes >= state.options.pageBytes) break;
  }
  sendLong(state, turn, from, { type: 'page', facts: answer.facts, wants: answer.wants, done });
};

// ---------------------------------------------------------------- who asks

/** Asks about as many of the buckets that are left as one message holds, at least one. */
const askOn = (state: MembershipState, turn: Turn, from: PeerId, exchange: Exchange): void => {
  const left = exchange.left!;
  const known = versionsIn(state, left);
  const versions: Version[] = [];
  const buckets: number[] = [];
  for (const bucket of left) {
    const more = known.get(bucket)!;
    if (buckets.length > 0 && versions.length + more.length > membershipLimits.versionsPerMessageMax / 2) break;
    buckets.push(bucket);
    versions.push(...more.slice(0, membershipLimits.versionsPerMessageMax));
  }
  exchange.againAtMs = turn.nowMs + state.options.exchangeTimeoutMs;
  sendLong(state, turn, from, { type: 'versions', buckets, versions });
};

export const onBuckets = (state: MembershipState, turn: Turn, from: PeerId, hashes: readonly number[]): void => {
  const exchange = state.exchanges.get(from);
  if (exchange === undefined || exchange.left !== null) return;
  const own = bucketsOf(state);
  exchange.left = hashes.flatMap((hash, bucket) => (hash === own[bucket] ? [] : [bucket]));
  if (exchange.left.length === 0) finish(state, turn, from, exchange.found);
  else askOn(state, turn, from, exchange);
};

const tell = (state: MembershipState, turn: Turn, to: PeerId, wants: readonly PeerId[]): void => {
  const facts: Fact[] = [];
  let bytes = 0;
  for (const peer of wants) {
    const fact = factOf(state, peer, true, turn.nowMs);
    if (fact === null) continue;
    facts.push(fact);
    bytes += factBytes(fact);
    // The rest waits for the next exchange.
    if (facts.length >= membershipLimits.factsPerMessageMax || bytes >= 2 * state.options.pageBytes) break;
  }
  if (facts.length > 0) sendLong(state, turn, to, { type: 'page', facts, wants: [], done: 0 });
};

export const onPage = (
  state: MembershipState,
  turn: Turn,
  from: PeerId,
  { facts, wants, done }: { facts: Fact[]; wants: PeerId[]; done: number },
): void => {
  tell(state, turn, from, wants);
  const exchange = state.exchanges.get(from);
  if (exchange === undefined || exchange.left === null || done === 0) return;
  if (facts.length > 0 || wants.length > 0) exchange.found = true;
  exchange.left = exchange.left.slice(done);
  exchange.attempts = 1;
  if (exchange.left.length === 0) finish(state, turn, from, exchange.found);
  else askOn(state, turn, from, exchange);
};
