// What was missed is asked for: everything, once, by who begins; later the offers of an owner of whom something else is known than it
// says. First of the owner itself, whose answer also tells what it does not offer; every other time of anybody, for it may be far.
import { nextBetween } from '../random.ts';
import { catalogLimits as max } from './limits.ts';
import { idText } from './offer.ts';
import { calm, compare, doubt, letGo, noteTold, ownerOf, putOffer, putWithdrawn } from './owners.ts';
import { type Asked, about, anyPeer, type CatalogState, type Owner, refuse, send, type Turn } from './state.ts';
import type { Behind, CatalogMessage, Part, PeerId } from './types.ts';

const pauseMs = (state: CatalogState, tries: number): number =>
  about(state, Math.min(state.options.askMsMax, state.options.askMsMin * 2 ** Math.min(tries, 16)));

/** Who begins knows nothing yet: it waits a shorter time than who misses a little. */
const joinHaste = 8;

const ask = (state: CatalogState, turn: Turn, owner: PeerId | null, to: PeerId, behind: Behind | null): void => {
  const endMs = turn.nowMs + state.options.askMsMin;
  state.asked.set(owner, { to, behind, endMs, pages: (state.asked.get(owner)?.pages ?? 0) + 1 });
  state.nextAskMs = Math.min(state.nextAskMs, endMs);
  send(turn, to, { type: 'ask', owner, behind });
};

// ---------------------------------------------------------------- asking

export const repairDueMs = (state: CatalogState): number => {
  const joinMs =
    state.hasJoined || state.asked.has(null) || state.peerList.length === 0 ? Number.POSITIVE_INFINITY : state.joinAtMs;
  return Math.min(joinMs, state.nextAskMs);
};

export const repairTurn = (state: CatalogState, turn: Turn): void => {
  if (turn.nowMs >= state.nextAskMs) askTurn(state, turn);
  joinTurn(state, turn);
};

/** Somebody else goes on from where the last one did not answer: all walk in the same order. */
const joinTurn = (state: CatalogState, turn: Turn): void => {
  if (state.hasJoined || state.asked.has(null) || turn.nowMs < state.joinAtMs) return;
  const peer = anyPeer(state);
  if (peer === null) return;
  ask(state, turn, null, peer, state.joinBehind);
};

const askTurn = (state: CatalogState, turn: Turn): void => {
  const { nowMs } = turn;
  for (const [owner, asked] of state.asked) {
    if (nowMs < asked.endMs) continue;
    state.asked.delete(owner);
    if (owner === null) postponeJoin(state, turn);
  }
  for (const owner of state.differing) {
    if (nowMs < owner.askAtMs || state.asked.has(owner.peer)) continue;
    if (state.asked.size >= max.asksMax) break;
    askFor(state, turn, owner);
  }
  state.nextAskMs = nextAskMs(state, nowMs);
};

const postponeJoin = (state: CatalogState, turn: Turn): void => {
  state.joinAtMs = turn.nowMs + pauseMs(state, state.joinTries++) / joinHaste;
};

const askFor = (state: CatalogState, turn: Turn, owner: Owner): void => {
  const anybody = owner.tries % 2 === 1 ? anyPeer(state) : null;
  owner.askAtMs = turn.nowMs + pauseMs(state, ++owner.tries);
  ask(state, turn, owner.peer, anybody ?? owner.peer, null);
};

const nextAskMs = (state: CatalogState, nowMs: number): number => {
  let dueMs = Number.POSITIVE_INFINITY;
  for (const { endMs } of state.asked.values()) dueMs = Math.min(dueMs, endMs);
  // Who could not be asked, because too many are, waits for their answers.
  const isFull = state.asked.size >= max.asksMax;
  for (const { peer, askAtMs } of state.differing)
    if (!state.asked.has(peer) && !(isFull && askAtMs <= nowMs)) dueMs = Math.min(dueMs, askAtMs);
  return dueMs;
};

/** Whatever was asked of it is asked of another at once. */
export const onLost = (state: CatalogState, turn: Turn, peer: PeerId): void => {
  for (const asked of state.asked.values()) if (asked.to === peer) asked.endMs = turn.nowMs;
  state.nextAskMs = Math.min(state.nextAskMs, turn.nowMs);
};

// ---------------------------------------------------------------- answers

export const onPage = (
  state: CatalogState,
  turn: Turn,
  from: PeerId,
  page: Extract<CatalogMessage, { type: 'page' }>,
): void => {
  const asked = state.asked.get(page.owner);
  if (asked?.to !== from) return refuse(turn, from, 'NOT_ASKED', 'a page that nobody asked for');
  for (const part of page.parts) takePart(state, turn, from, part);
  // An answer leads on, and not for ever.
  const leadsOn = page.next !== null && isBehind(page.next, asked.behind) && asked.pages < max.walkPagesMax;
  if (leadsOn && !isAgreed(state, page.owner)) goOn(state, turn, page.owner, asked, page.next);
  else if (page.owner === null) finishJoin(state, turn, page.settled && page.next === null);
  else finish(state, turn, page.owner);
};

const isBehind = (next: Behind, last: Behind | null): boolean =>
  last === null || next.owner > last.owner || (next.owner === last.owner && (next.id ?? '') > (last.id ?? ''));

const isAgreed = (state: CatalogState, owner: PeerId | null): boolean => {
  const known = owner === null ? undefined : state.owners.get(owner);
  return known !== undefined && !state.differing.has(known);
};

const goOn = (state: CatalogState, turn: Turn, owner: PeerId | null, { to }: Asked, next: Behind | null): void => {
  if (owner === null) state.joinBehind = next;
  ask(state, turn, owner, to, next);
};

const finish = (state: CatalogState, turn: Turn, owner: PeerId | null): void => {
  state.asked.delete(owner);
  // There is room for another question.
  state.nextAskMs = Math.min(state.nextAskMs, turn.nowMs + 1);
};

/** When all begin together nobody knows anything, and that is soon agreed on. */
const finishJoin = (state: CatalogState, turn: Turn, isSettled: boolean): void => {
  finish(state, turn, null);
  state.joinBehind = null;
  if (isSettled || state.joinTries >= max.joinTriesMax) state.hasJoined = true;
  else postponeJoin(state, turn);
};

const takePart = (state: CatalogState, turn: Turn, from: PeerId, part: Part): void => {
  if (part.owner === state.self) return;
  const owner = ownerOf(state, turn, part.owner, part.epoch, from);
  if (owner === null) return;
  const isOwnWord = from === part.owner;
  const isNewest = noteTold(owner, part.told, isOwnWord, turn.nowMs);
  const listed = new Set<string>();
  let isDoubtful = false;
  for (const { sequence, leftMs, id, offer } of part.items) {
    const text = idText(id);
    listed.add(text);
    const heard = { sequence, endsMs: turn.nowMs + Math.min(leftMs, state.options.ttlMs), from };
    if (offer !== null) putOffer(state, turn, owner, offer, heard);
    // Only the owner removes (row K1): that it has is asked, not believed.
    else if (!isOwnWord && isOffered(owner, text)) isDoubtful = true;
    else putWithdrawn(state, turn, owner, id, heard);
  }
  if (isOwnWord) dropUnlisted(state, turn, owner, part, listed);
  compare(state, turn, owner, isOwnWord && isNewest ? turn.nowMs + state.options.ttlMs : null);
  if (isDoubtful) doubt(state, turn, owner);
};

const isOffered = ({ kept }: Owner, id: string): boolean => (kept.get(id)?.entry ?? null) !== null;

/** The owner lists all that it offers between two ids: what is not listed it offers no more, or never did. */
const dropUnlisted = (state: CatalogState, turn: Turn, owner: Owner, part: Part, listed: ReadonlySet<string>): void => {
  const { after, upTo, told } = part;
  const heard = { sequence: told.sequence, endsMs: turn.nowMs + state.options.ttlMs, from: owner.peer };
  for (const [id, kept] of [...owner.kept]) {
    const isInside = (after === null || id > after) && (upTo === null || id <= upTo);
    if (!isInside || listed.has(id) || kept.entry === null) continue;
    // A later word of its own that has overtaken the page stays, by its number.
    if (kept.isOwnWord && kept.sequence === told.sequence) letGo(state, turn, owner, id, 'said');
    else putWithdrawn(state, turn, owner, kept.id, heard);
  }
};

/** Of who has left or was thrown out nothing is asked. */
export const forgetAsk = (state: CatalogState, owner: Owner): void => {
  state.asked.delete(owner.peer);
  calm(state, owner);
};

/** So that not everybody asks the same member when all have just met it. */
export const onMet = (state: CatalogState, turn: Turn): void => {
  if (state.hasJoined || state.peerList.length > 1) return;
  state.joinAtMs = Math.max(state.joinAtMs, turn.nowMs + nextBetween(state.random, 0, 100));
};
