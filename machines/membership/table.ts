// All other members that are remembered: by peer, those that live in an array to draw from by chance, and digests of everything in
// buckets that are kept up to date at the cost of what changes, so that two nodes can compare all they know in a few bytes.
import { InvariantBroken } from '../invariant.ts';
import { membershipLimits } from './limits.ts';
import { versionStatus } from './messages.ts';
import { isGone, type Known, rankOf } from './order.ts';
import type { MemberStatus, PeerId, Profile } from './types.ts';

export type Member = {
  readonly peer: PeerId;
  incarnation: number;
  status: MemberStatus;
  profileAt: number;
  profile: Profile;
  /** When the status became what it is. */
  sinceMs: number;
  /** When anything of it last arrived, and when it last answered a probe; -Infinity = never in this life. */
  heardMs: number;
  answeredMs: number;
  /** Place in `live`; -1 while failed, left or evicted. */
  at: number;
  /** Its part of its bucket's digest; 0 while it has none. */
  digest: number;
};

export type Table = {
  readonly members: Map<PeerId, Member>;
  /** Alive and suspect, in no order. */
  readonly live: Member[];
  readonly buckets: Uint32Array;
  /** Failed, left and evicted ones. */
  gone: number;
};

export const createTable = (): Table => ({
  members: new Map(),
  live: [],
  buckets: new Uint32Array(membershipLimits.buckets),
  gone: 0,
});

// ---------------------------------------------------------------- digests

const mix = (hash: number, word: number): number => {
  const mixed = Math.imul((hash ^ word) | 0, 0x9e37_79b1);
  return mixed ^ (mixed >>> 15);
};

/** FNV-1a. */
const hashText = (text: string): number => {
  let hash = 0x811c_9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193);
  return hash;
};

const twoTo32 = 0x1_0000_0000;

/** A peer's bucket; of the high bits, which the end of the id stirs best. */
export const bucketOf = (peer: PeerId): number => (mix(0, hashText(peer)) >>> 8) % membershipLimits.buckets;

/** Never 0, which stands for no part. */
export const digestOf = (peer: PeerId, { incarnation, status, profileAt }: Omit<Known, 'profile'>): number => {
  let hash = mix(hashText(peer), incarnation | 0);
  hash = mix(hash, (incarnation / twoTo32) | 0);
  hash = mix(hash, rankOf(versionStatus(status)));
  hash = mix(mix(hash, profileAt | 0), (profileAt / twoTo32) | 0);
  return hash >>> 0 || 1;
};

/** One number of 53 bits for all buckets. */
export const rootOf = (buckets: Uint32Array): number => {
  let low = 0;
  let high = 1;
  for (const word of buckets) {
    low = mix(low, word);
    high = mix(high, word ^ low ^ 0x5bd1_e995);
  }
  return (low >>> 0) + ((high >>> 0) % 0x20_0000) * twoTo32;
};

const setDigest = (table: Table, member: Member, digest: number): void => {
  const bucket = bucketOf(member.peer);
  table.buckets[bucket] = table.buckets[bucket]! ^ member.digest ^ digest;
  member.digest = digest;
};

/** Its last days as a memory: it is no part of digests, so that those who forget it first do not learn it again from the others. */
export const fade = (table: Table, member: Member): void => setDigest(table, member, 0);

// ---------------------------------------------------------------- changes

const appear = (table: Table, member: Member): void => {
  member.at = table.live.length;
  table.live.push(member);
};

const disappear = (table: Table, member: Member): void => {
  const last = table.live.pop()!;
  if (last !== member) {
    table.live[member.at] = last;
    last.at = member.at;
  }
  member.at = -1;
};

const never = { heardMs: Number.NEGATIVE_INFINITY, answeredMs: Number.NEGATIVE_INFINITY };

export const addMember = (table: Table, peer: PeerId, known: Known, sinceMs: number): Member => {
  if (table.members.has(peer)) throw new InvariantBroken('members-once', peer);
  const member: Member = { peer, ...known, sinceMs, ...never, at: -1, digest: 0 };
  table.members.set(peer, member);
  if (isGone(member.status)) table.gone++;
  else appear(table, member);
  setDigest(table, member, digestOf(peer, member));
  return member;
};

export const changeMember = (table: Table, member: Member, known: Known, sinceMs: number): void => {
  const was = member.at >= 0;
  const is = !isGone(known.status);
  if (member.status !== known.status) member.sinceMs = sinceMs;
  member.incarnation = known.incarnation;
  member.status = known.status;
  member.profileAt = known.profileAt;
  member.profile = known.profile;
  if (was !== is) {
    table.gone += is ? -1 : 1;
    if (is) appear(table, member);
    else disappear(table, member);
  }
  setDigest(table, member, digestOf(member.peer, member));
};

export const removeMember = (table: Table, member: Member): void => {
  if (member.at >= 0) disappear(table, member);
  else table.gone--;
  setDigest(table, member, 0);
  table.members.delete(member.peer);
};
