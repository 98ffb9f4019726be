// Connections opened on demand, and how they end. Who opened one asks to end it when it was of no use for long; the other end agrees
// unless it keeps it or is using it. Both know then that nobody died, and neither opens it again to see.
import { addressesOf, type LinksState, type Open, type Turn } from './state.ts';
import { openMax, type PeerId } from './types.ts';

const sweepsPerIdle = 6;
/** Asked to part and not yet gone: so long nobody asks again. */
const partMs = 5_000;
const expectedMax = 256;

/** How a message to this peer gets there. `wait`: not before it is dialled. `none`: not at all, at the moment. */
export const wayTo = (state: LinksState, peer: PeerId, nowMs: number): 'open' | 'wait' | 'none' => {
  if (state.open.has(peer)) return 'open';
  // Who is kept is dialled again and again already: he will be told what matters when he is back.
  if (state.kept.has(peer) || (state.refused.get(peer) ?? Number.NEGATIVE_INFINITY) > nowMs) return 'none';
  const known = state.known.get(peer);
  return known?.standing === 'live' && addressesOf(state, peer).length > 0 ? 'wait' : 'none';
};

export const onWanted = (state: LinksState, turn: Turn, peer: PeerId): void => {
  if (state.dialling.has(peer) || wayTo(state, peer, turn.nowMs) !== 'wait') return;
  state.dialling.add(peer);
  turn.effects.push({ type: 'dial', peer, addresses: addressesOf(state, peer) });
};

export const onDialled = (state: LinksState, turn: Turn, peer: PeerId, ok: boolean): void => {
  const { dialling, expected, refused, open } = state;
  const wasDemand = dialling.delete(peer);
  const link = open.get(peer);
  if (ok && link !== undefined) link.ours = true;
  else if (ok) {
    expected.add(peer);
    if (expected.size > expectedMax) for (const oldest of expected) return void expected.delete(oldest);
  } else if (wasDemand) {
    for (const [other, untilMs] of refused) if (untilMs <= turn.nowMs) refused.delete(other);
    refused.set(peer, turn.nowMs + state.options.refusedMs);
  }
};

export const onOpened = (state: LinksState, turn: Turn, peer: PeerId): void => {
  const isExpected = state.expected.delete(peer);
  const ours = isExpected || state.kept.has(peer) || state.dialling.has(peer);
  state.refused.delete(peer);
  state.open.set(peer, { usedMs: turn.nowMs, ours, askMs: turn.nowMs });
};

/** Something other than a beat was said or heard. */
export const noteUse = (state: LinksState, peer: PeerId, nowMs: number): void => {
  if (state.regime === 'all') return;
  const open = state.open.get(peer);
  if (open !== undefined) open.usedMs = nowMs;
};

export const onStays = (state: LinksState, turn: Turn, peer: PeerId): void => {
  const open = state.open.get(peer);
  if (open !== undefined) state.open.set(peer, { usedMs: turn.nowMs, ours: false, askMs: turn.nowMs });
};

/** Connections that nobody here keeps, least recently used first. */
const spares = ({ open, kept }: LinksState): [PeerId, Open][] =>
  [...open].filter(([peer]) => !kept.has(peer)).sort(([, a], [, b]) => a.usedMs - b.usedMs);

/** Ends what is idle, and what is too much; answers when it is to be looked at again. */
export const idleTurn = (state: LinksState, turn: Turn): number => {
  if (state.regime === 'all') return Number.POSITIVE_INFINITY;
  const { nowMs } = turn;
  if (nowMs < state.sweepMs) return state.sweepMs;
  state.sweepMs = nowMs + state.options.idleMs / sweepsPerIdle;
  const spare = spares(state);
  let tooManyOurs = spare.filter(([, { ours }]) => ours).length - state.options.linksMax;
  let tooMany = state.open.size - openMax(state.options);
  for (const [peer, open] of spare) {
    const isIdle = open.ours && nowMs - open.usedMs >= state.options.idleMs;
    if (!isIdle && tooMany <= 0 && !(open.ours && tooManyOurs > 0)) continue;
    tooMany--;
    if (open.ours) tooManyOurs--;
    if (open.askMs > nowMs) continue;
    open.askMs = nowMs + partMs;
    turn.effects.push({ type: 'part', peer });
  }
  return state.sweepMs;
};

/** The other end asks to part: not from one that is kept here. */
export const mayPart = (state: LinksState, peer: PeerId): boolean => !state.kept.has(peer) && !state.dialling.has(peer);
