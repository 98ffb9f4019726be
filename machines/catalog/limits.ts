// Every maximum of the catalog, checked against each other when loaded: whatever members send, this is all that a node keeps.
import { gossipLimits } from '../gossip/index.ts';
import { limits } from '../wire/limits.ts';

export const catalogLimits = {
  versionCharsMax: 128,
  rangeCharsMax: 256,
  nameCharsMax: 128,
  methodCharsMax: 64,
  wordCharsMax: 64,
  peerCharsMax: 128,
  methodsMax: 128,
  resourcesMax: 32,
  capabilitiesMax: 64,
  tagsMax: 32,
  /** How deep the description of an input or output may be nested. */
  depthMax: 24,
  /** One offer, as JSON. */
  offerBytesMax: 15 << 10,
  /** Offers of one owner, and as many that were withdrawn lately. */
  ownerOffersMax: 256,
  ownerBytesMax: 1 << 20,
  offersMax: 16_384,
  bytesMax: 64 << 20,
  ownersMax: 4_096,
  epochMax: 2 ** 48,
  /** Hearsay that raises an epoch by more is refused. */
  epochJumpMax: 2 ** 20,
  sequenceMax: 2 ** 48,
  /** One page between nodes ends with the offer that reaches this. */
  pageBytesMax: 128 << 10,
  pageItemsMax: 1_024,
  pagePartsMax: 512,
  /** Owners whose offers are asked for at the same time. */
  asksMax: 32,
  /** Pages of one walk over everything. */
  walkPagesMax: 2_048,
  /** So many newcomers are asked for everything before one is content with what they knew. */
  joinTriesMax: 5,
  /** Pages given to one peer, and to all, in a second. */
  answersPerPeerMax: 16,
  answersMax: 128,
  peersMax: 4_096,
  evictedMax: 4_096,
  /** Answers to look-ups that are kept. */
  cachedMax: 1_024,
  /** A list for people or programs: so many at most, and so many looked at. */
  listItemsMax: 500,
  listScanMax: 4_096,
  /** Versions of one name in a description, and owners of each. */
  describedVersionsMax: 64,
  describedOwnersMax: 256,
  cursorCharsMax: 1_024,
} as const;

const assertLimits = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`limits of the catalog contradict each other: ${what}`);
};
const max = catalogLimits;
const itemOverheadBytes = 2 * max.nameCharsMax + max.versionCharsMax + 64;
assertLimits(max.offerBytesMax + 256 <= gossipLimits.bodyBytesMax, 'an offer can be announced');
assertLimits(max.ownerOffersMax < gossipLimits.sourceMessagesMax, 'all offers of an owner can be announced');
assertLimits(max.offerBytesMax <= max.ownerBytesMax && max.ownerBytesMax <= max.bytesMax, 'one offer is a part of all');
assertLimits(
  2 * max.pageBytesMax + max.pageItemsMax * itemOverheadBytes + max.pagePartsMax * 4 * max.peerCharsMax <
    limits.messageBytesMax,
  'a page fits a message',
);
assertLimits(
  (max.bytesMax / max.pageBytesMax) * 2 + max.ownersMax / max.pagePartsMax < max.walkPagesMax,
  'a walk tells everything',
);
assertLimits(max.epochMax + max.epochJumpMax < Number.MAX_SAFE_INTEGER, 'epochs are exact');
assertLimits(2 * (max.nameCharsMax + max.versionCharsMax + max.peerCharsMax) < max.cursorCharsMax, 'a cursor names any offer');
