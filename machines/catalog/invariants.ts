// What is always true of a node's catalog, by name. The cheap ones are checked after every step in production too; the costly ones
// where `checkAll` is set (tests, simulator).
import { InvariantBroken } from '../invariant.ts';
import { catalogLimits as max } from './limits.ts';
import { compareStandings, standingOf } from './names.ts';
import { idText } from './offer.ts';
import type { CatalogState, Owner, Turn } from './state.ts';

const broken = (invariant: string, message: string): never => {
  throw new InvariantBroken(invariant, message);
};

export const checkStep = (state: CatalogState, before: { said: number; revision: number }, turn: Turn): void => {
  if (!(state.said >= before.said)) broken('said-rises', `${before.said} → ${state.said}`);
  if (turn.changes.length > 0 && !(state.revision > before.revision)) broken('revision-rises', `${state.revision}`);
  // What is due has been done: whoever wakes at the deadline does not wake for ever.
  if (!(state.deadlineMs > turn.nowMs)) broken('deadline-ahead', `${state.deadlineMs} at ${turn.nowMs}`);
  if (state.offers > max.offersMax) broken('offers-bounded', `${state.offers}`);
  if (state.bytes > max.bytesMax) broken('bytes-bounded', `${state.bytes}`);
  if (state.owners.size > max.ownersMax) broken('owners-bounded', `${state.owners.size}`);
  if (state.asked.size > max.asksMax + 1) broken('asks-bounded', `${state.asked.size}`);
  if (state.cached.size > max.cachedMax) broken('cached-bounded', `${state.cached.size}`);
  if (state.peerList.length !== state.peers.size || state.peerList.length > max.peersMax)
    broken('peers-bounded', `${state.peerList.length}`);
  if (state.evicted.size > max.evictedMax) broken('evicted-bounded', `${state.evicted.size}`);
  for (const effect of turn.effects) {
    if (effect.type === 'send' && effect.to === state.self) broken('speaks-to-others', effect.message.type);
    // Nobody but the owner ends an offer: what is announced is this node's own.
    if (effect.type === 'announce' && effect.word.told.sequence !== state.said) broken('announces-its-newest', `${state.said}`);
  }
};

export const checkAll = (state: CatalogState): void => {
  let [offers, bytes] = [0, 0];
  for (const [peer, owner] of state.owners) {
    if (owner.peer !== peer) broken('owners-by-name', peer);
    if (state.evicted.has(peer)) broken('evicted-are-forgotten', peer);
    checkOwner(state, owner);
    offers += owner.count;
    bytes += owner.bytes;
  }
  if (offers !== state.offers || bytes !== state.bytes)
    broken('offers-counted', `${offers} of ${state.offers}, ${bytes} bytes`);
  checkNames(state);
  for (const { askAtMs } of state.differing)
    if (askAtMs === Number.POSITIVE_INFINITY) broken('differing-are-asked-for', 'never');
  if (!state.owners.has(state.self) || state.owners.get(state.self) !== state.own) broken('own-is-known', state.self);
};

const checkOwner = (state: CatalogState, owner: Owner): void => {
  let [count, bytes] = [0, 0];
  for (const [id, { id: given, entry, sequence, bytes: size }] of owner.kept) {
    if (idText(given) !== id) broken('kept-by-id', id);
    if (entry === null) continue;
    count++;
    bytes += size;
    if (entry.owner !== owner.peer || entry.epoch !== owner.epoch || entry.sequence !== sequence)
      broken('only-the-owner-says', `${id} of ${owner.peer}`);
    if (state.names.get(entry.offer.name)?.entries.includes(entry) !== true) broken('kept-is-found', id);
  }
  if (count !== owner.count || bytes !== owner.bytes) broken('owner-counted', owner.peer);
  if (count > max.ownerOffersMax || bytes > max.ownerBytesMax) broken('owner-bounded', owner.peer);
  if (owner.kept.size - count > max.ownerOffersMax) broken('withdrawn-bounded', owner.peer);
  if (count === 0 && owner.hash !== 0) broken('hash-of-nothing', `${owner.peer} ${owner.hash}`);
  if (owner.hasLeft && owner.kept.size > 0) broken('left-offers-nothing', owner.peer);
  if ((owner.askAtMs !== Number.POSITIVE_INFINITY) !== state.differing.has(owner)) broken('differing-by-time', owner.peer);
};

const checkNames = ({ names, nameOrder, offers }: CatalogState): void => {
  if (names.size !== nameOrder.length) broken('names-in-order', `${names.size} and ${nameOrder.length}`);
  let count = 0;
  for (const [at, name] of nameOrder.entries()) {
    if (at > 0 && !(nameOrder[at - 1]! < name)) broken('names-in-order', name);
    const entries = names.get(name)?.entries ?? [];
    if (entries.length === 0) broken('names-are-offered', name);
    count += entries.length;
    for (let one = 1; one < entries.length; one++)
      if (!(compareStandings(standingOf(entries[one - 1]!), standingOf(entries[one]!)) < 0)) broken('newest-first', name);
  }
  if (count !== offers) broken('found-are-kept', `${count} of ${offers}`);
};
