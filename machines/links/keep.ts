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

const isSame = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((one, at) => one === b[at]);

/** The connection itself says where a peer lives now; a member says so soon, too. False: that is no news. */
export const takeTold = (state: LinksState, turn: Turn, peer: PeerId, addresses: readonly string[]): boolean => {
  if (peer === state.self || addresses.length === 0) return false;
  const known = state.known.get(peer);
  if (known === undefined || known.standing === 'stranger') {
    rememberStranger(state, peer, addresses, turn.nowMs);
    return true;
  }
  if (known.standing === 'evicted' || isSame(known.addresses, addresses)) return false;
  known.addresses = addresses;
  return true;
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

/**
 * At any time as if drawn from all who live now (Vitter 1985, algorithm R): who comes takes a place with the chance that everybody has.
 * Drawn once, they would be those who were known first, and the first of all would be everybody's.
 */
const drawNeighbours = (state: LinksState): void => {
  const { neighbours, drawnFrom, options, random } = state;
  if (state.regime === 'all') {
    neighbours.clear();
    return drawnFrom.clear();
  }
  const reachable = new Set(state.live.filter((peer) => addressesOf(state, peer).length > 0));
  for (const peer of drawnFrom) if (!reachable.has(peer)) drawnFrom.delete(peer);
  for (const peer of neighbours) if (!reachable.has(peer)) neighbours.delete(peer);
  // For one that died, one of the others.
  const others = [...drawnFrom].filter((peer) => !neighbours.has(peer));
  while (neighbours.size < options.neighbours && others.length > 0)
    neighbours.add(others.splice(nextBetween(random, 0, others.length), 1)[0]!);
  for (const peer of reachable) {
    if (drawnFrom.has(peer)) continue;
    drawnFrom.add(peer);
    if (neighbours.size >= options.neighbours) {
      const place = nextBetween(random, 0, drawnFrom.size);
      if (place >= options.neighbours) continue;
      neighbours.delete([...neighbours][place]!);
    }
    neighbours.add(peer);
  }
};

const isNeeded = (state: LinksState, peer: PeerId, { name, standing }: Known): boolean =>
  standing !== 'evicted' && (state.needed.has(peer) || (standing === 'live' && name !== null && state.neededNames.has(name)));

/** Whoever is to be kept now, and until when that holds if nothing else happens. */
const wantedNow = (state: LinksState, nowMs: number): { wanted: Set<PeerId>; untilMs: number } => {
  const wanted = new Set<PeerId>();
  let untilMs = Number.POSITIVE_INFINITY;
  let lapsing = 0;
  for (const [peer, known] of state.known) {
    if (addressesOf(state, peer).length === 0) continue;
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
