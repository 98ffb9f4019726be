// What is known of each owner's offers. Of two words about the same offer the one of the later life wins, then the one with the higher
// number; that something was withdrawn is remembered as long as an older word may still be on its way.
import { mixHashes, textHash } from '../hash.ts';
import { utf8Length } from '../wire/octets.ts';
import { catalogLimits as max } from './limits.ts';
import { enter, remove } from './names.ts';
import { idOf, idText, offerText } from './offer.ts';
import { about, type CatalogState, createOwner, type Kept, type Owner, refuse, type Turn } from './state.ts';
import type { ChangeReason, Entry, Offer, OfferId, PeerId, Told } from './types.ts';
import { parseVersion } from './version.ts';

const twoTo32 = 0x1_0000_0000;

/** Of one offer and all that it says; an owner's is the exclusive or of all of them, so that it can be kept as they come and go. */
const hashOf = (id: string, sequence: number, text: string): number =>
  mixHashes(mixHashes(mixHashes(textHash(id), sequence >>> 0), Math.floor(sequence / twoTo32)), textHash(text));

export const toldOf = ({ count, hash }: Owner, sequence: number): Told => ({ sequence, count, hash });

/** What is known here is what it says. */
export const agrees = ({ told, count, hash }: Owner): boolean => told !== null && told.count === count && told.hash === hash;

/** When an offer ends, unless more is heard of it. */
export const endOf = (owner: Owner, kept: Kept): number => Math.max(owner.endsMs, kept.endsMs);

// ---------------------------------------------------------------- owners

/** Null: what is said of this life of it is not believed. */
export const ownerOf = (state: CatalogState, turn: Turn, peer: PeerId, epoch: number, from: PeerId): Owner | null => {
  if (state.evicted.has(peer)) {
    refuse(turn, from, 'NOT_A_MEMBER', `${peer} was thrown out`);
    return null;
  }
  const known = state.owners.get(peer);
  if (known?.epoch === epoch) return known.hasLeft ? null : known;
  if (known !== undefined && epoch < known.epoch) return null;
  if (from !== peer && epoch > (known?.epoch ?? 0) + max.epochJumpMax) {
    refuse(turn, from, 'EPOCH_REFUSED', `epoch ${epoch} of ${peer}, of which ${known?.epoch ?? 0} is known`);
    return null;
  }
  return beginLife(state, turn, peer, epoch, from);
};

/** What it said in an earlier life, or was said to have said in a later one, has ended. */
export const beginLife = (state: CatalogState, turn: Turn, peer: PeerId, epoch: number, from: PeerId): Owner | null => {
  const known = state.owners.get(peer);
  if (known === undefined && state.owners.size >= max.ownersMax) {
    refuse(turn, from, 'TOO_MANY_OWNERS', `${state.owners.size} owners`);
    return null;
  }
  if (known !== undefined) forgetOwner(state, turn, known, 'restarted');
  const owner = createOwner(peer, epoch, turn.nowMs);
  state.owners.set(peer, owner);
  state.ownerOrder = null;
  return owner;
};

export const forgetOwner = (state: CatalogState, turn: Turn, owner: Owner, why: ChangeReason): void => {
  clearOwner(state, turn, owner, why);
  state.owners.delete(owner.peer);
  state.ownerOrder = null;
};

export const clearOwner = (state: CatalogState, turn: Turn, owner: Owner, why: ChangeReason): void => {
  for (const id of [...owner.kept.keys()]) letGo(state, turn, owner, id, why);
  calm(state, owner);
};

// ---------------------------------------------------------------- offers

/** Out of the maps and the sums; the change is told unless another offer takes its place. */
const takeOut = (state: CatalogState, owner: Owner, id: string): Kept | null => {
  const kept = owner.kept.get(id);
  if (kept === undefined) return null;
  owner.kept.delete(id);
  if (kept.entry === null) return kept;
  owner.count--;
  owner.hash = (owner.hash ^ kept.hash) >>> 0;
  owner.bytes -= kept.bytes;
  state.offers--;
  state.bytes -= kept.bytes;
  remove(state, kept.entry);
  return kept;
};

export const letGo = (state: CatalogState, turn: Turn, owner: Owner, id: string, why: ChangeReason): void => {
  const kept = takeOut(state, owner, id);
  if (kept !== null && kept.entry !== null) turn.changes.push({ before: kept.entry, after: null, why });
};

export type Heard = { readonly sequence: number; readonly endsMs: number; readonly from: PeerId };

/** A later word; or the owner's own, where others have told of it before. */
const isNews = (owner: Owner, id: string, { sequence, from }: Heard): boolean => {
  const known = owner.kept.get(id);
  return known === undefined || sequence > known.sequence || (from === owner.peer && !known.isOwnWord);
};

/** Why there is no room for it, or null. */
export const whyFull = (state: CatalogState, owner: Owner, id: string, bytes: number): 'OWNER_FULL' | 'CATALOG_FULL' | null => {
  const before = owner.kept.get(id)?.entry === null ? undefined : owner.kept.get(id);
  const more = before === undefined ? 1 : 0;
  const moreBytes = bytes - (before?.bytes ?? 0);
  if (owner.count + more > max.ownerOffersMax || owner.bytes + moreBytes > max.ownerBytesMax) return 'OWNER_FULL';
  return state.offers + more > max.offersMax || state.bytes + moreBytes > max.bytesMax ? 'CATALOG_FULL' : null;
};

/** No news changes nothing, and neither does what there is no room for. */
export const putOffer = (state: CatalogState, turn: Turn, owner: Owner, offer: Offer, heard: Heard): void => {
  const id = idText(offer);
  const { sequence, endsMs, from } = heard;
  const isOwnWord = from === owner.peer;
  const text = offerText(offer);
  const hash = hashOf(id, sequence, text);
  const known = owner.kept.get(id);
  if (known?.entry != null && known.hash === hash) return confirm(known, isOwnWord, endsMs);
  if (!isNews(owner, id, heard)) return;
  const bytes = utf8Length(text);
  const full = whyFull(state, owner, id, bytes);
  if (full !== null) return refuse(turn, from, full, `no room for ${id} of ${owner.peer}`);
  const before = takeOut(state, owner, id)?.entry ?? null;
  const { peer, epoch } = owner;
  const entry: Entry = { offer, version: parseVersion(offer.version)!, owner: peer, epoch, sequence };
  owner.kept.set(id, { id: idOf(offer), sequence, entry, bytes, hash, isOwnWord, endsMs });
  owner.count++;
  owner.hash = (owner.hash ^ hash) >>> 0;
  owner.bytes += bytes;
  state.offers++;
  state.bytes += bytes;
  enter(state, entry);
  turn.changes.push({ before, after: entry, why: 'said' });
};

/** The owner alone prolongs. */
const confirm = (known: Kept, isOwnWord: boolean, endsMs: number): void => {
  if (!isOwnWord) return;
  known.isOwnWord = true;
  known.endsMs = Math.max(known.endsMs, endsMs);
};

/** Remembered until an older word of it can be heard no more. */
export const putWithdrawn = (state: CatalogState, turn: Turn, owner: Owner, id: OfferId, heard: Heard): void => {
  const text = idText(id);
  const { sequence, endsMs, from } = heard;
  if (!isNews(owner, text, heard)) return;
  letGo(state, turn, owner, text, 'said');
  owner.kept.set(text, { id, sequence, entry: null, bytes: 0, hash: 0, isOwnWord: from === owner.peer, endsMs });
  const withdrawn = owner.kept.size - owner.count;
  if (withdrawn > max.ownerOffersMax) dropOldest(owner);
};

/** It says that it offers nothing: whatever it offered before that word is withdrawn. */
export const putNothing = (state: CatalogState, turn: Turn, owner: Owner, heard: Heard): void => {
  for (const { id, entry } of [...owner.kept.values()]) if (entry !== null) putWithdrawn(state, turn, owner, id, heard);
};

const dropOldest = ({ kept }: Owner): void => {
  let oldest: [string, Kept] | null = null;
  for (const one of kept)
    if (one[1].entry === null && one[1].endsMs < (oldest?.[1].endsMs ?? Number.POSITIVE_INFINITY)) oldest = one;
  if (oldest !== null) kept.delete(oldest[0]);
};

// ---------------------------------------------------------------- what it says, against what is known

/** Nothing is to be asked for. */
export const calm = ({ differing }: CatalogState, owner: Owner): void => {
  owner.askAtMs = Number.POSITIVE_INFINITY;
  owner.tries = 0;
  differing.delete(owner);
};

/** By the owner's own word all that it offers holds until then; if that is what is known here, it does. */
export const compare = (state: CatalogState, turn: Turn, owner: Owner, confirmedMs: number | null): void => {
  if (owner === state.own) return;
  if (agrees(owner)) {
    if (confirmedMs !== null) owner.endsMs = Math.max(owner.endsMs, confirmedMs);
    return calm(state, owner);
  }
  doubt(state, turn, owner);
  // It speaks, so it may be asked now, whatever came of it before.
  if (confirmedMs !== null) askSoon(state, turn, owner);
};

const triesWhenHeard = 2;

const askSoon = (state: CatalogState, turn: Turn, owner: Owner): void => {
  owner.tries = Math.min(owner.tries, triesWhenHeard);
  owner.askAtMs = Math.min(owner.askAtMs, turn.nowMs + about(state, state.options.settleMs));
  state.nextAskMs = Math.min(state.nextAskMs, owner.askAtMs);
};

/** To be asked for, if what is missing is not on its way. */
export const doubt = (state: CatalogState, turn: Turn, owner: Owner): void => {
  if (owner.askAtMs !== Number.POSITIVE_INFINITY) return;
  owner.askAtMs = turn.nowMs + about(state, state.options.settleMs);
  state.differing.add(owner);
  state.nextAskMs = Math.min(state.nextAskMs, owner.askAtMs);
};

/** True: nothing newer was said. What others say of it counts only until it is heard itself. */
export const noteTold = (owner: Owner, told: Told, isOwnWord: boolean, nowMs: number): boolean => {
  owner.heardMs = nowMs;
  const known = owner.told;
  const outdone =
    known !== null &&
    (isOwnWord ? owner.isOwnWord && told.sequence < known.sequence : owner.isOwnWord || told.sequence < known.sequence);
  if (outdone) return false;
  owner.told = told;
  owner.isOwnWord = isOwnWord;
  return true;
};
