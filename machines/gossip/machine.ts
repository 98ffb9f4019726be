// One node's gossip: an event and the time in, effects out. The event is taken in, then whatever is due is done; so each step leaves
// one deadline.
import { askTurn, exchangeDueMs, exchangeTurn, fadeMs, onDigest, onMarks, onMet, onNews, onPage } from './exchange.ts';
import { beforeOf, checkAll, checkStep } from './invariants.ts';
import { gossipLimits as max } from './limits.ts';
import { isTopic } from './messages.ts';
import { fade, removeSource } from './sources.ts';
import { type GossipState, losePeer, meetPeer, refuse, type Turn } from './state.ts';
import { bytesOf, hasRoom, sweep } from './store.ts';
import { onEvicted, orderDueMs, orderTurn, sourceOf, take } from './take.ts';
import type { Announcement, GossipEffect, GossipEvent, GossipMessage, PeerId, PublishRefusal } from './types.ts';

/** Takes in one event. Changes `state`; the effects are to be done in their order. */
export const step = (state: GossipState, nowMs: number, event: GossipEvent): GossipEffect[] => {
  const before = beforeOf(state);
  const turn: Turn = { nowMs, effects: [] };
  takeIn(state, turn, event);
  orderTurn(state, turn);
  askTurn(state, turn);
  sweepTurn(state, turn);
  exchangeTurn(state, turn);
  state.deadlineMs = Math.min(orderDueMs(state), exchangeDueMs(state), sweepDueMs(state));
  checkStep(state, before, turn);
  if (state.checkAll) checkAll(state);
  return turn.effects;
};

const takeIn = (state: GossipState, turn: Turn, event: GossipEvent): void => {
  switch (event.type) {
    case 'wake':
      return;
    case 'publish':
      return publish(state, turn, event.topic, event.body, event.ttlMs);
    case 'heard':
      return heard(state, turn, event.from, event.announcement);
    case 'message':
      return onMessage(state, turn, event.from, event.message);
    case 'met':
      if (event.peer === state.self || state.evicted.has(event.peer)) return;
      meetPeer(state.peers, event.peer, event.epoch, turn.nowMs);
      return onMet(state, turn, event.peer, event.epoch);
    case 'lost':
      if (state.awaited === event.peer) state.awaited = null;
      return losePeer(state.peers, event.peer);
    case 'evicted':
      losePeer(state.peers, event.peer);
      return onEvicted(state, event.peer);
    case 'readmitted':
      state.evicted.delete(event.peer);
      return;
  }
};

// ---------------------------------------------------------------- announcing

const whyUnpublished = (
  { own }: GossipState,
  topic: string,
  body: Uint8Array,
  ttlMs: number,
): [PublishRefusal, string] | null => {
  if (!isTopic(topic)) return ['TOPIC_INVALID', `a topic has 1 to ${max.topicCharsMax} printable characters`];
  if (!(body instanceof Uint8Array)) return ['BODY_INVALID', 'what is announced is bytes'];
  if (body.byteLength > max.bodyBytesMax)
    return ['BODY_TOO_LARGE', `${body.byteLength} bytes to announce, at most ${max.bodyBytesMax}`];
  if (!Number.isSafeInteger(ttlMs) || ttlMs < max.ttlMsMin || ttlMs > max.ttlMsMax)
    return ['TTL_INVALID', `an announcement is true for ${max.ttlMsMin} to ${max.ttlMsMax} ms`];
  if (!hasRoom(own, bytesOf(topic, body)))
    return ['OVERLOADED', `${own.kept.size} announcements of this node with ${own.keptBytes} bytes have not ended yet`];
  return null;
};

const publish = (state: GossipState, turn: Turn, topic: string, body: Uint8Array, ttlMs: number): void => {
  sweepOwn(state, turn);
  const why = whyUnpublished(state, topic, body, ttlMs);
  if (why !== null) return void turn.effects.push({ type: 'unpublished', code: why[0], message: why[1] });
  const { own, counts } = state;
  const sequence = ++state.said;
  counts.published++;
  turn.effects.push({ type: 'published', sequence });
  // A copy: the caller's bytes are its own.
  const given: Announcement = { epoch: own.epoch, sequence, floor: 0, topic, leftMs: ttlMs, body: new Uint8Array(body) };
  take(state, turn, own, given, 'published');
  turn.effects.push({ type: 'push', announcement: { ...given, floor: floorOf(state) } });
  onNews(state, turn);
};

/** What has ended makes room for what is said now. */
const sweepOwn = (state: GossipState, turn: Turn): void => {
  if (state.store.endsMs > turn.nowMs) return;
  orderTurn(state, turn);
  sweep(state.store, turn.nowMs);
};

/** The oldest that is still true. */
const floorOf = ({ own, said }: GossipState): number => {
  let floor = said;
  for (const sequence of own.kept.keys()) if (sequence < floor) floor = sequence;
  return floor;
};

const heard = (state: GossipState, turn: Turn, from: PeerId, announcement: Announcement): void => {
  // Its own word, come back.
  if (from === state.self) return;
  const source = sourceOf(state, turn, from, announcement.epoch, 'published');
  if (source !== null && take(state, turn, source, announcement, 'published')) onNews(state, turn);
};

const onMessage = (state: GossipState, turn: Turn, from: PeerId, message: GossipMessage): void => {
  if (state.evicted.has(from)) return refuse(turn, from, 'NOT_A_MEMBER', 'it was thrown out');
  const peer = state.peers.of.get(from);
  // Its connection has ended meanwhile: no answer would reach it.
  if (peer === undefined) return;
  switch (message.type) {
    case 'digest':
      return onDigest(state, turn, peer, message);
    case 'marks':
      return onMarks(state, turn, peer, message);
    case 'page':
      return onPage(state, turn, peer, message);
  }
};

// ---------------------------------------------------------------- clearing away

const sweepDueMs = (state: GossipState): number => Math.min(state.nextSweepMs, state.store.endsMs + state.options.sweepMs);

const sweepTurn = (state: GossipState, turn: Turn): void => {
  if (turn.nowMs >= state.store.endsMs + state.options.sweepMs) sweep(state.store, turn.nowMs);
  if (turn.nowMs < state.nextSweepMs) return;
  const { options, sources, own } = state;
  state.nextSweepMs = turn.nowMs + options.rememberMs / 16;
  for (const source of sources.all.values()) {
    if (source.kept.size > 0) continue;
    const silentMs = turn.nowMs - source.saidMs;
    if (silentMs >= options.rememberMs && source !== own) removeSource(sources, source);
    else if (silentMs >= fadeMs(state) && source.hash !== 0) fade(sources, source);
  }
};
