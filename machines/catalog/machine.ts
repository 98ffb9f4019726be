// One node's catalog: an event and the time in, effects out. The event is taken in, then whatever is due is done; so each step leaves
// one deadline.
import { onAsk } from './answer.ts';
import { checkAll, checkStep } from './invariants.ts';
import { catalogLimits as max } from './limits.ts';
import { onLeave, onOffer, onWithdraw, renewSoon, renewTurn } from './own.ts';
import {
  beginLife,
  clearOwner,
  compare,
  doubt,
  endOf,
  forgetOwner,
  letGo,
  noteTold,
  ownerOf,
  putNothing,
  putOffer,
  putWithdrawn,
} from './owners.ts';
import { forgetAsk, onLost, onMet, onPage, repairDueMs, repairTurn } from './repair.ts';
import { type CatalogState, losePeer, meetPeer, type Owner, refuse, type Turn } from './state.ts';
import type { CatalogEffect, CatalogEvent, CatalogMessage, PeerId, Word } from './types.ts';

/** Takes in one event. Changes `state`; the effects are to be done in their order. */
export const step = (state: CatalogState, nowMs: number, event: CatalogEvent): CatalogEffect[] => {
  const before = { said: state.said, revision: state.revision };
  const turn: Turn = { nowMs, effects: [], changes: [] };
  take(state, turn, event);
  sweepTurn(state, turn);
  repairTurn(state, turn);
  renewTurn(state, turn);
  state.deadlineMs = Math.min(state.nextSweepMs, repairDueMs(state), state.nextRenewMs);
  if (turn.changes.length > 0) turn.effects.push({ type: 'changed', revision: state.revision, changes: turn.changes });
  checkStep(state, before, turn);
  if (state.checkAll) checkAll(state);
  return turn.effects;
};

const take = (state: CatalogState, turn: Turn, event: CatalogEvent): void => {
  switch (event.type) {
    case 'wake':
      return;
    case 'offer':
      return onOffer(state, turn, event.offer);
    case 'withdraw':
      return onWithdraw(state, turn, event.id);
    case 'leave':
      return onLeave(state, turn);
    case 'unannounced':
      return renewSoon(state, turn);
    case 'heard':
      return onHeard(state, turn, event.source, event.epoch, event.word, event.leftMs);
    case 'message':
      return onMessage(state, turn, event.from, event.message);
    case 'met':
      return onPeer(state, turn, event.peer, event.epoch);
    case 'lost':
      losePeer(state, event.peer);
      return onLost(state, turn, event.peer);
    case 'left':
      return onLeft(state, turn, event.peer);
    case 'evicted':
      return onEvicted(state, turn, event.peer);
    case 'readmitted':
      return onReadmitted(state, turn, event.peer);
  }
};

const onHeard = (state: CatalogState, turn: Turn, source: PeerId, epoch: number, word: Word, leftMs: number): void => {
  // Its own word, come back.
  if (source === state.self) return;
  const owner = ownerOf(state, turn, source, epoch, source);
  if (owner === null) return;
  const endsMs = turn.nowMs + Math.max(0, Math.min(leftMs, state.options.ttlMs));
  const { sequence } = word.told;
  const heard = { sequence, endsMs, from: source };
  if (word.type === 'offer') putOffer(state, turn, owner, word.offer, heard);
  else if (word.type === 'withdraw') putWithdrawn(state, turn, owner, word.id, heard);
  const isNewest = noteTold(owner, word.told, true, turn.nowMs);
  if (isNewest && word.told.count === 0) putNothing(state, turn, owner, heard);
  compare(state, turn, owner, isNewest ? endsMs : null);
};

const onMessage = (state: CatalogState, turn: Turn, from: PeerId, message: CatalogMessage): void => {
  if (state.evicted.has(from)) return refuse(turn, from, 'NOT_A_MEMBER', 'it was thrown out');
  if (from === state.self) return;
  return message.type === 'ask' ? onAsk(state, turn, from, message) : onPage(state, turn, from, message);
};

/** What it says of its own epoch ends whatever others said of a later one. */
const onPeer = (state: CatalogState, turn: Turn, peer: PeerId, epoch: number): void => {
  if (peer === state.self || state.evicted.has(peer)) return;
  meetPeer(state, peer);
  const known = state.owners.get(peer);
  if (known !== undefined && known.epoch !== epoch) beginLife(state, turn, peer, epoch, peer);
  onMet(state, turn);
};

const onLeft = (state: CatalogState, turn: Turn, peer: PeerId): void => {
  const owner = state.owners.get(peer);
  losePeer(state, peer);
  onLost(state, turn, peer);
  if (owner === undefined || owner === state.own) return;
  forgetAsk(state, owner);
  clearOwner(state, turn, owner, 'left');
  owner.hasLeft = true;
  owner.heardMs = turn.nowMs;
};

/** That it had left may be heard after its next life has begun, which then is the one that was taken for over. */
const onReadmitted = (state: CatalogState, turn: Turn, peer: PeerId): void => {
  state.evicted.delete(peer);
  const owner = state.owners.get(peer);
  if (owner?.hasLeft !== true) return;
  owner.hasLeft = false;
  doubt(state, turn, owner);
};

const onEvicted = (state: CatalogState, turn: Turn, peer: PeerId): void => {
  if (peer === state.self) return;
  losePeer(state, peer);
  onLost(state, turn, peer);
  state.evicted.add(peer);
  if (state.evicted.size > max.evictedMax) for (const oldest of state.evicted) return void state.evicted.delete(oldest);
  const owner = state.owners.get(peer);
  if (owner === undefined) return;
  forgetAsk(state, owner);
  forgetOwner(state, turn, owner, 'evicted');
};

// ---------------------------------------------------------------- clearing away

const sweepTurn = (state: CatalogState, turn: Turn): void => {
  if (turn.nowMs < state.nextSweepMs) return;
  for (const owner of state.owners.values()) sweepOwner(state, turn, owner);
  state.nextSweepMs = turn.nowMs + state.options.sweepMs;
};

const sweepOwner = (state: CatalogState, turn: Turn, owner: Owner): void => {
  const { nowMs } = turn;
  const hasWithdrawn = owner.kept.size > owner.count;
  if (owner.endsMs <= nowMs || hasWithdrawn)
    for (const [id, kept] of owner.kept) {
      const endsMs = kept.entry === null ? kept.endsMs : endOf(owner, kept);
      if (endsMs <= nowMs) letGo(state, turn, owner, id, 'ended');
    }
  if (owner === state.own || owner.kept.size > 0 || nowMs - owner.heardMs < state.options.rememberMs) return;
  forgetAsk(state, owner);
  forgetOwner(state, turn, owner, 'ended');
};
