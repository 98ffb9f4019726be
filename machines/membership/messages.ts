// Membership's messages on the wire: compact arrays, checked field by field. What a peer sends becomes a message or a named refusal.
import { membershipLimits as max } from './limits.ts';
import { isGone } from './order.ts';
import { formProfile, parseProfile, profileBytes } from './profile.ts';
import {
  type Fact,
  type MemberStatus,
  type MembershipMessage,
  type MembershipMessageType,
  memberStatuses,
  type PeerId,
  type Version,
} from './types.ts';

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isIncarnation = (value: unknown): value is number => isCount(value) && value <= max.incarnationMax;
const isHash = (value: unknown): value is number => isCount(value) && value <= 0xffff_ffff;
export const isPeerId = (value: unknown): value is PeerId =>
  typeof value === 'string' && value.length > 0 && value.length <= max.peerCharsMax;

/** The word that a number stands for; anything but a known number stands for none. */
const word = <Word>(words: readonly Word[], value: unknown): Word | undefined => (isCount(value) ? words[value] : undefined);

// ---------------------------------------------------------------- facts

/** `[peer, incarnation, status, by or agoMs or null]`, and behind that `profileAt, profile` where it is told. */
const formFact = ({ peer, incarnation, status, by, agoMs, told }: Fact): unknown => {
  const extra = isGone(status) ? Math.round(agoMs) : by;
  const slim = [peer, incarnation, memberStatuses.indexOf(status), extra];
  return told === null ? slim : [...slim, told.profileAt, formProfile(told.profile)];
};

/** At most what it takes on the wire. */
export const factBytes = (fact: Fact): number => {
  const texts = fact.peer.length + (fact.by === null ? 0 : fact.by.length + 2);
  return texts + 24 + (fact.told === null ? 0 : 10 + profileBytes(fact.told.profile));
};

/** A profile is said in an incarnation; who is thrown out at one may have said more since. */
const isSaidBy = (profileAt: number, incarnation: number, status: MemberStatus): boolean =>
  profileAt <= incarnation || status === 'evicted';

/** At most what one version, or one peer that is wanted, takes. */
const versionBytes = ({ peer }: Version): number => peer.length + 24;
const wantBytes = (peer: PeerId): number => peer.length + 3;

/** At most what it takes on the wire, without its envelope. */
export const messageBytes = (message: MembershipMessage): number => {
  let bytes = 16;
  if ('facts' in message) for (const fact of message.facts) bytes += factBytes(fact);
  if (message.type === 'versions') for (const version of message.versions) bytes += versionBytes(version);
  if (message.type === 'page') for (const peer of message.wants) bytes += wantBytes(peer);
  if (message.type === 'versions') bytes += 2 * message.buckets.length;
  if (message.type === 'buckets') bytes += 5 * message.hashes.length;
  if (message.type === 'ask') bytes += message.target.length;
  return bytes;
};

const parseFact = (value: unknown): Fact | null => {
  if (!Array.isArray(value) || (value.length !== 4 && value.length !== 6)) return null;
  const given = value as unknown[];
  const peer = given[0];
  const incarnation = given[1];
  const status = word(memberStatuses, given[2]);
  const extra = given[3];
  if (!isPeerId(peer) || !isIncarnation(incarnation) || status === undefined) return null;
  const gone = isGone(status);
  if (gone ? !isCount(extra) : status === 'suspect' ? !isPeerId(extra) : extra !== null) return null;
  let told: Fact['told'] = null;
  if (given.length === 6) {
    const profileAt = given[4];
    const profile = parseProfile(given[5]);
    if (!isIncarnation(profileAt) || profileAt === 0 || profile === null) return null;
    if (!isSaidBy(profileAt, incarnation, status)) return null;
    told = { profileAt, profile };
  }
  const by = status === 'suspect' ? (extra as PeerId) : null;
  return { peer, incarnation, status, by, agoMs: gone ? (extra as number) : 0, told };
};

const listOf = <Item>(value: unknown, itemsMax: number, parse: (item: unknown) => Item | null): Item[] | null => {
  if (!Array.isArray(value) || value.length > itemsMax) return null;
  const items: Item[] = [];
  for (const item of value as unknown[]) {
    const parsed = parse(item);
    if (parsed === null) return null;
    items.push(parsed);
  }
  return items;
};

const parseFacts = (value: unknown): Fact[] | null => listOf(value, max.factsPerMessageMax, parseFact);

/** Suspected is no version of its own: whoever has not heard of it will hear how it ended. */
export const versionStatus = (status: MemberStatus): MemberStatus => (status === 'suspect' ? 'alive' : status);

const parseVersion = (value: unknown): Version | null => {
  if (!Array.isArray(value) || value.length !== 4) return null;
  const [peer, incarnation, number, profileAt] = value as unknown[];
  const status = word(memberStatuses, number);
  if (!isPeerId(peer) || !isIncarnation(incarnation) || status === undefined || status === 'suspect') return null;
  if (!isIncarnation(profileAt) || !isSaidBy(profileAt, incarnation, status)) return null;
  return { peer, incarnation, status, profileAt };
};

/** Numbers of buckets, ascending. */
const parseBuckets = (value: unknown): number[] | null => {
  let last = -1;
  return listOf(value, max.buckets, (item) => (isCount(item) && item > last && item < max.buckets ? (last = item) : null));
};

// ---------------------------------------------------------------- messages

const types: readonly MembershipMessageType[] = [
  ...(['probe', 'ack', 'ask', 'nack', 'gossip', 'digest', 'buckets', 'versions', 'page'] as const),
];

/** `[type, …fields]`. */
export const formMembershipMessage = (message: MembershipMessage): unknown => {
  const number = types.indexOf(message.type);
  switch (message.type) {
    case 'probe':
    case 'ack':
    case 'nack':
      return [number, message.facts.map(formFact), message.sequence];
    case 'ask':
      return [number, message.facts.map(formFact), message.sequence, message.target];
    case 'gossip':
      return [number, message.facts.map(formFact)];
    case 'digest':
      return [number, message.facts.map(formFact), message.root];
    case 'buckets':
      return [number, message.hashes];
    case 'versions': {
      const versions = message.versions.map(({ peer, incarnation, status, profileAt }) => [
        ...[peer, incarnation, memberStatuses.indexOf(status), profileAt],
      ]);
      return [number, message.buckets, versions];
    }
    case 'page':
      return [number, message.facts.map(formFact), message.wants, message.done];
  }
};

export type ParsedMembershipMessage =
  | { ok: true; message: MembershipMessage }
  | { ok: false; refused: 'MEMBERSHIP_MALFORMED'; message: string };

const refused = (message: string): ParsedMembershipMessage => ({ ok: false, refused: 'MEMBERSHIP_MALFORMED', message });

export const parseMembershipMessage = (value: unknown): ParsedMembershipMessage => {
  if (!Array.isArray(value) || value.length === 0) return refused('not a message of membership');
  const given = value as unknown[];
  const type = word(types, given[0]);
  if (type === undefined) return refused(`type ${typeof given[0] === 'number' ? given[0] : typeof given[0]} is unknown`);
  const message = given.length === fieldCounts[type] ? parseFields(type, given) : null;
  return message === null ? refused(`the fields of ${type} are malformed`) : { ok: true, message };
};

const fieldCounts: Record<MembershipMessageType, number> = {
  ...{ probe: 3, ack: 3, nack: 3, ask: 4, gossip: 2, digest: 3, buckets: 2, versions: 3, page: 4 },
};

const parseFields = (type: MembershipMessageType, given: unknown[]): MembershipMessage | null => {
  const a = given[2];
  const b = given[3];
  if (type === 'buckets') {
    const hashes = listOf(given[1], max.buckets, (item) => (isHash(item) ? item : null));
    return hashes !== null && (hashes.length === 0 || hashes.length === max.buckets) ? { type, hashes } : null;
  }
  if (type === 'versions') {
    const buckets = parseBuckets(given[1]);
    const versions = listOf(a, max.versionsPerMessageMax, parseVersion);
    return buckets === null || versions === null || buckets.length === 0 ? null : { type, buckets, versions };
  }
  const facts = parseFacts(given[1]);
  if (facts === null) return null;
  switch (type) {
    case 'gossip':
      return { type, facts };
    case 'ask':
      return isCount(a) && isPeerId(b) ? { type, sequence: a, target: b, facts } : null;
    case 'digest':
      return isCount(a) ? { type, root: a, facts } : null;
    case 'page': {
      const wants = listOf(a, max.versionsPerMessageMax, (item) => (isPeerId(item) ? item : null));
      return wants !== null && isCount(b) && b <= max.buckets ? { type, facts, wants, done: b } : null;
    }
    default:
      return isCount(a) ? { type, sequence: a, facts } : null;
  }
};
