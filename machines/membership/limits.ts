// Every maximum of what members say about members, checked against each other when loaded.
import { limits } from '../wire/limits.ts';

export const membershipLimits = {
  peerCharsMax: 128,
  wordCharsMax: 64,
  tagsMax: 32,
  capabilitiesMax: 64,
  resourcesMax: 32,
  addressesMax: 16,
  addressCharsMax: 256,
  /** What a node says of itself, all texts and numbers together; and of that, what is left for its addresses. */
  profileBytesMax: 4_096,
  profileAddressesBytes: 1_024,
  membersMax: 4_096,
  /** Of those who were thrown out, the latest so many outlive a restart. */
  evictedKeptMax: 1_000,
  /** Members whose status or profile is on its way to the others. */
  updatesMax: 4_096,
  factsPerMessageMax: 512,
  versionsPerMessageMax: 1_024,
  buckets: 64,
  /** Exchanges under way, whoever began them with us or we with them. */
  exchangesMax: 16,
  /** Probes made for others. */
  relaysMax: 64,
  /** Members to be probed out of turn. */
  urgentMax: 32,
  suspicionsMax: 4_096,
  accusersMax: 8,
  contactsMax: 64,
  healthMax: 8,
  /** No incarnation is higher, whoever says so: what is left to 2^53 is room to add to. */
  incarnationMax: 2 ** 48,
  /** Hearsay that raises an incarnation by more is refused; a member's own word is not (see order.ts). */
  incarnationJumpMax: 2 ** 20,
} as const;

const assertLimits = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`limits of membership contradict each other: ${what}`);
};
const largest = membershipLimits.profileBytesMax + 4 * membershipLimits.peerCharsMax;
assertLimits(membershipLimits.factsPerMessageMax * largest < limits.messageBytesMax, 'a page fits a message');
assertLimits(
  membershipLimits.versionsPerMessageMax * 2 * membershipLimits.peerCharsMax < limits.messageBytesMax,
  'a list of versions fits a message',
);
assertLimits(
  membershipLimits.incarnationMax + membershipLimits.incarnationJumpMax < Number.MAX_SAFE_INTEGER,
  'incarnations are exact',
);
