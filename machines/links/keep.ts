// To whom a connection is kept. While there are few, to everybody: that is the fastest and the simplest. Among many, to those with whom
// this node agrees on something (its groups), and to a few at random: graphs in which everybody has a dozen random neighbours are
// connected, and stay so while many of them die (Bollobás 1980; Ganesh, Kermarrec, Massoulié 2001), so that gossip reaches everybody.
import { nextBetween } from '../random.ts';
import { addressesOf, type Known, type LinksState, rememberStranger, type Turn } from './state.ts';
import { type LinkMember, linksLow, type PeerId } from './types.ts';

export const takeMembers = (state: LinksState, turn: Turn, members: readonly LinkMember[]): void => {
  const { known, self, options } = state;
  const named = new Set<PeerId>();
  state.live = [];
  for (const { peer, name, addresses, standing } of members) {
    if (peer === self) continue;
    named.add(peer);
    const before = known.get(peer);
    const lapsesMs = standing === before?.standing ? before.lapsesMs : turn.nowMs + options.lapseMs;
    // Who has just begun says no addresses yet, but may have been met.
    known.set(peer, { name, addresses: addresses.length > 0 ? addresses : (before?.addresses ?? []), standing, lapsesMs });
    if (standing === 'live') state.live.push(peer);
    if (standing === 'evicted' && before?.standing !== 'evicted') forget(state, turn, peer);
  }
  for (const [peer, { standing, addresses }] of known) {
    if (standing === 'stranger' || named.has(peer)) continue;
    known.delete(peer);
    if (state.needed.has(peer)) rememberStranger(state, peer, addresses, turn.nowMs);
  }
};

const forget = (state: LinksState, turn: Turn, peer: PeerId): void => {
  state.kept.delete(peer);
  turn.effects.push({ type: 'disconnect', peer });
};

/** The connection itself says where a peer lives now; a member says so soon, too. */
export const takeTold = (state: LinksState, turn: Turn, peer: PeerId, addresses: readonly string[]): void => {
  if (peer === state.self || addresses.length === 0) return;
  const known = state.known.get(peer);
  if (known === undefined || known.standing === 'stranger') rememberStranger(state, peer, addresses, turn.nowMs);
  else if (known.standing !== 'evicted') known.addresses = addresses;
};

/** Between the two maxima nothing changes: a member that comes and goes must not turn everything around each time. */
const chooseRegime = (state: LinksState, turn: Turn): void => {
  const { live, options } = state;
  if (state.regime === 'all' && live.length > options.linksMax) {
    state.regime = 'some';
    state.sweepMs = turn.nowMs;
    for (const open of state.open.values()) open.usedMs = turn.nowMs;
  } else if (state.regime === 'some' && live.length < linksLow(options)) state.regime = 'all';
};

/** Those who live stay; one is drawn anew only for one that does not. */
const drawNeighbours = (state: LinksState): void => {
  const { neighbours, options, known } = state;
  if (state.regime === 'all') return neighbours.clear();
  for (const peer of neighbours) if (known.get(peer)?.standing !== 'live') neighbours.delete(peer);
  if (neighbours.size >= options.neighbours) return;
  const reachable = state.live.filter((peer) => addressesOf(state, peer).length > 0);
  const most = Math.min(options.neighbours, reachable.length);
  while (neighbours.size < most) neighbours.add(reachable[nextBetween(state.random, 0, reachable.length)]!);
};

const isNeeded = (state: LinksState, peer: PeerId, { name, standing }: Known): boolean =>
  standing !== 'evicted' && (state.needed.has(peer) || (standing === 'live' && name !== null && state.neededNames.has(name)));

/** Whoever is to be kept now, and until when that holds if nothing else happens. */
const wantedNow = (state: LinksState, nowMs: number): { wanted: Set<PeerId>; untilMs: number } => {
  const wanted = new Set<PeerId>();
  let untilMs = Number.POSITIVE_INFINITY;
  let lapsing = 0;
  for (const [peer, known] of state.known) {
    if (known.addresses.length === 0) continue;
    const { standing, lapsesMs } = known;
    if (isNeeded(state, peer, known) || state.neighbours.has(peer)) wanted.add(peer);
    else if (state.regime === 'some' || standing === 'evicted') continue;
    else if (standing === 'live') wanted.add(peer);
    else if (lapsesMs > nowMs && lapsing < state.options.linksMax) {
      lapsing++;
      wanted.add(peer);
      untilMs = Math.min(untilMs, lapsesMs);
    }
  }
  return { wanted, untilMs };
};

/** Tells the network what changed; answers when this is to be looked at again. */
export const keepTurn = (state: LinksState, turn: Turn): number => {
  chooseRegime(state, turn);
  drawNeighbours(state);
  const { wanted, untilMs } = wantedNow(state, turn.nowMs);
  for (const peer of state.kept.keys()) {
    if (wanted.has(peer)) continue;
    state.kept.delete(peer);
    turn.effects.push({ type: 'release', peer });
    const open = state.open.get(peer);
    // It was kept by this node, perhaps by both: one of them has to end it.
    if (open !== undefined) open.ours = true;
  }
  for (const peer of wanted) {
    const addresses = addressesOf(state, peer);
    const told = addresses.join(' ');
    if (state.kept.get(peer) === told) continue;
    state.kept.set(peer, told);
    turn.effects.push({ type: 'keep', peer, addresses });
  }
  return untilMs;
};
