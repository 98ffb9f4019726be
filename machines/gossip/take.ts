// What arrives: known or new, in its turn or before it. What comes before its turn is held back until what is missing arrives, is
// known to be gone, or was waited for long enough; the missing is still wanted then, and delivered late.
import { gossipLimits as max } from './limits.ts';
import { hasNumber, lastFrom, withoutNumbers } from './ranges.ts';
import { addSource, know, removeSource, type Source, type Stored } from './sources.ts';
import { type GossipState, refuse, type Turn } from './state.ts';
import { bytesOf, keep, letGo, nextToGo } from './store.ts';
import type { Announcement, PeerId, Ranges } from './types.ts';

/** How something was learned: published by its source, or told by another (or by itself) in an exchange. */
export type Way = 'published' | 'told';

// ---------------------------------------------------------------- sources

/** Of hearsay: a source to which there is a connection has said itself how often it started. */
const isBelieved = (state: GossipState, peer: PeerId, epoch: number, way: Way): boolean => {
  if (way === 'published') return true;
  const met = state.peers.of.get(peer);
  if (met !== undefined) return epoch <= met.epoch;
  const known = state.sources.all.get(peer);
  return known === undefined || epoch <= known.epoch + max.epochJumpMax;
};

/**
 * The source of which something in this epoch is told, or null if it is not to be heard: of an earlier start, thrown out, or one
 * too many. A later start ends the earlier one.
 */
export const sourceOf = (state: GossipState, turn: Turn, peer: PeerId, epoch: number, way: Way): Source | null => {
  const { sources } = state;
  const known = sources.all.get(peer);
  if (known !== undefined && epoch === known.epoch) return known;
  if (known !== undefined && epoch < known.epoch) return null;
  if (state.evicted.has(peer)) {
    refuse(turn, peer, 'NOT_A_MEMBER', 'it was thrown out');
    return null;
  }
  if (peer === state.self || !isBelieved(state, peer, epoch, way)) {
    refuse(turn, peer, 'EPOCH_REFUSED', `it never started ${epoch} times`);
    return null;
  }
  if (known !== undefined) forget(state, known);
  else if (sources.all.size >= max.sourcesMax && !makeRoom(state, turn)) {
    refuse(turn, peer, 'TOO_MANY_SOURCES', `more than ${max.sourcesMax}`);
    return null;
  }
  return addSource(sources, peer, epoch, Number.NEGATIVE_INFINITY);
};

/** Whoever was silent longest goes, if nothing that it said can still be told. */
const makeRoom = (state: GossipState, turn: Turn): boolean => {
  let oldest: Source | null = null;
  for (const source of state.sources.all.values()) {
    if (source === state.own || source.kept.size > 0 || source.saidMs > turn.nowMs - max.ttlMsMax) continue;
    if (oldest === null || source.saidMs < oldest.saidMs) oldest = source;
  }
  if (oldest === null) return false;
  removeSource(state.sources, oldest);
  return true;
};

/** With all that it said. */
export const forget = (state: GossipState, source: Source): void => {
  for (const stored of [...source.kept.values()]) letGo(state.store, stored);
  source.held.clear();
  removeSource(state.sources, source);
};

// ---------------------------------------------------------------- one announcement

/** True if it was new. */
export const take = (state: GossipState, turn: Turn, source: Source, given: Announcement, way: Way): boolean => {
  const { sources, counts, store } = state;
  const { sequence, topic, body, leftMs, floor } = given;
  if (floor > 1) pass(state, turn, source, 1, floor - 1);
  if (hasNumber(source.known, sequence)) {
    counts.duplicates++;
    return false;
  }
  const bytes = bytesOf(topic, body);
  makeRoomFor(state, turn, source, bytes);
  know(sources, source, sequence, sequence);
  if (way === 'published') source.saidMs = turn.nowMs;
  else counts.repaired++;
  const stored: Stored = { source, sequence, topic, body, arrivedMs: turn.nowMs, endsMs: turn.nowMs + leftMs, bytes };
  keep(store, stored);
  if (sequence <= source.settled) deliver(state, turn, stored, true);
  else {
    source.held.set(sequence, stored);
    source.waitEndMs = Math.min(source.waitEndMs, patienceMs(state, stored));
    advance(state, turn, source);
  }
  return true;
};

const makeRoomFor = (state: GossipState, turn: Turn, source: Source, bytes: number): void => {
  for (let goes = nextToGo(state.store, source, bytes); goes !== null; goes = nextToGo(state.store, source, bytes)) {
    // Who has to make room is delivered first: what it waited for has had its time.
    if (goes.source.held.has(goes.sequence)) settleTo(state, turn, goes.source, goes.sequence);
    goes.source.incompleteUntilMs = Math.max(goes.source.incompleteUntilMs, goes.endsMs);
    letGo(state.store, goes);
    state.counts.evicted++;
  }
};

/** These numbers are gone: nobody waits for them. */
export const pass = (state: GossipState, turn: Turn, source: Source, from: number, to: number): void => {
  if (lastFrom(source.known, from) >= to) return;
  know(state.sources, source, from, to);
  advance(state, turn, source);
};

// ---------------------------------------------------------------- order

const deliver = (state: GossipState, turn: Turn, stored: Stored, late: boolean): void => {
  const { source, sequence, topic, body } = stored;
  if (stored.endsMs <= turn.nowMs) {
    state.counts.expired++;
    return;
  }
  state.counts.delivered++;
  if (late) state.counts.late++;
  const leftMs = stored.endsMs - turn.nowMs;
  turn.effects.push({ type: 'deliver', source: source.peer, epoch: source.epoch, sequence, topic, body, leftMs, late });
};

/** Delivers what is held up to this number, in order, and lets all before it pass. */
const deliverHeld = (state: GossipState, turn: Turn, source: Source, to: number): void => {
  source.settled = Math.max(source.settled, to);
  if (source.held.size === 0) return;
  const due = [...source.held.keys()].filter((sequence) => sequence <= to).sort((a, b) => a - b);
  for (const sequence of due) {
    deliver(state, turn, source.held.get(sequence)!, false);
    source.held.delete(sequence);
  }
};

/** As far as nothing is missing; then looks what is waited for. */
const advance = (state: GossipState, turn: Turn, source: Source): void => {
  const last = lastFrom(source.known, source.settled + 1);
  const moved = last > source.settled;
  if (moved) deliverHeld(state, turn, source, last);
  const { waiting } = state.sources;
  if (source.held.size === 0) {
    waiting.delete(source);
    source.waitEndMs = Number.POSITIVE_INFINITY;
    source.askAtMs = Number.POSITIVE_INFINITY;
    return;
  }
  if (!moved && waiting.has(source)) return;
  waiting.add(source);
  source.waitEndMs = Number.POSITIVE_INFINITY;
  for (const stored of source.held.values()) source.waitEndMs = Math.min(source.waitEndMs, patienceMs(state, stored));
  source.askAtMs = turn.nowMs + state.options.askFirstMs;
  source.asked = 0;
};

/** How long it waits for what is missing, at most until a moment before it ends: what has ended is delivered to nobody. */
const patienceMs = ({ options }: GossipState, { arrivedMs, endsMs }: Stored): number =>
  Math.min(arrivedMs + options.gapMs, endsMs - 1);

/** What is missing before this number was waited for in vain. */
const settleTo = (state: GossipState, turn: Turn, source: Source, sequence: number): void => {
  state.counts.gaps++;
  deliverHeld(state, turn, source, sequence);
  advance(state, turn, source);
};

export const orderTurn = (state: GossipState, turn: Turn): void => {
  if (state.sources.waiting.size === 0) return;
  for (const source of [...state.sources.waiting])
    while (source.waitEndMs <= turn.nowMs) settleTo(state, turn, source, Math.min(...source.held.keys()));
};

export const orderDueMs = (state: GossipState): number => {
  let dueMs = Number.POSITIVE_INFINITY;
  for (const source of state.sources.waiting) dueMs = Math.min(dueMs, source.waitEndMs, source.askAtMs);
  return dueMs;
};

/** What is missing before the last that this source has held back. */
export const missingOf = ({ settled, held, known }: Source): Ranges =>
  withoutNumbers([settled + 1, Math.max(...held.keys())], known);

/** Gossip of a member that was thrown out: nothing of it is kept, or told to anybody. */
export const onEvicted = (state: GossipState, peer: PeerId): void => {
  if (peer === state.self) return;
  const source = state.sources.all.get(peer);
  if (source !== undefined) forget(state, source);
  if (state.evicted.size >= max.evictedMax) {
    const [first] = state.evicted;
    state.evicted.delete(first!);
  }
  state.evicted.add(peer);
};
