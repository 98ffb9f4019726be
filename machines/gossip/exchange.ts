// Anti-entropy: two nodes compare what they know and tell each other what is missing, so that what gossipsub lost arrives with the
// next exchange. What an exchange brings is the word of an authenticated member about what another said: as much as the envelope's
// proof says of what is published, which is made with a key that all members have (docs/internals/gossip.md).
import { gossipLimits as max } from './limits.ts';
import { hasNumber, inBoth, withoutNumbers } from './ranges.ts';
import { bucketOf, know, type Source, type Stored } from './sources.ts';
import { about, anyPeer, type GossipState, type Peer, refuse, send, type Turn } from './state.ts';
import { forget, missingOf, pass, sourceOf, take } from './take.ts';
import type { Announcement, GossipMessage, Mark, Part, PeerId, Ranges, Want } from './types.ts';

type Of<Type extends GossipMessage['type']> = Extract<GossipMessage, { type: Type }>;

// ---------------------------------------------------------------- when

/** The next one in so long, or sooner if it was due sooner. */
const soonWithin = (state: GossipState, turn: Turn, ms: number): void => {
  if (state.peers.list.length === 0) return;
  state.nextExchangeMs = Math.min(state.nextExchangeMs, turn.nowMs + about(state, ms));
};

/** Something was announced: whoever missed it does not know, so those who heard it look. */
export const onNews = (state: GossipState, turn: Turn): void => {
  state.exchangeEveryMs = state.options.exchangeMinMs;
  soonWithin(state, turn, state.options.exchangeNewsMs);
};

const onFound = (state: GossipState, turn: Turn): void => {
  state.exchangeEveryMs = state.options.exchangeMinMs;
  soonWithin(state, turn, state.options.exchangeMinMs);
};

const onNothingFound = (state: GossipState, turn: Turn): void => {
  state.exchangeEveryMs = Math.min(2 * state.exchangeEveryMs, state.options.exchangeMaxMs);
  state.nextExchangeMs = turn.nowMs + about(state, state.exchangeEveryMs);
};

export const exchangeDueMs = ({ nextExchangeMs, peers }: GossipState): number =>
  peers.list.length === 0 ? Number.POSITIVE_INFINITY : nextExchangeMs;

export const exchangeTurn = (state: GossipState, turn: Turn): void => {
  if (turn.nowMs < exchangeDueMs(state)) return;
  begin(state, turn, anyPeer(state)!.peer);
};

const begin = (state: GossipState, turn: Turn, peer: PeerId): void => {
  state.awaited = peer;
  // Until it answers it says nothing about whether there are differences.
  state.nextExchangeMs = turn.nowMs + about(state, state.options.exchangeMinMs);
  send(turn, peer, { type: 'digest', hashes: [...state.sources.buckets] });
};

/** Whoever is met is compared with at once, by the one of the two whose name is smaller; not by a node that meets somebody all the time. */
export const onMet = (state: GossipState, turn: Turn, peer: PeerId, epoch: number): void => {
  const known = state.sources.all.get(peer);
  // It says itself how often it started: what others said of a later start is not so.
  if (known !== undefined && known.epoch > epoch) forget(state, known);
  if (state.nextExchangeMs === Number.POSITIVE_INFINITY) soonWithin(state, turn, state.exchangeEveryMs);
  if (!mayGreet(state, turn)) return;
  onFound(state, turn);
  if (state.self < peer) begin(state, turn, peer);
};

const mayGreet = ({ greetings }: GossipState, { nowMs }: Turn): boolean => {
  const more = (nowMs - greetings.atMs) / max.greetingEveryMs;
  greetings.left = Math.min(max.greetingsMax, greetings.left + more);
  greetings.atMs = nowMs;
  if (greetings.left < 1) return false;
  greetings.left--;
  return true;
};

/** Each answer may cost a page: nobody gets more than so many a second. */
const mayAnswer = (turn: Turn, peer: Peer): boolean => {
  if (turn.nowMs - peer.secondMs >= 1_000) {
    peer.secondMs = turn.nowMs;
    peer.answers = 0;
  }
  if (peer.answers < max.answersPerSecondMax) {
    peer.answers++;
    return true;
  }
  // Once a second.
  if (peer.answers++ === max.answersPerSecondMax)
    refuse(turn, peer.peer, 'ASKS_TOO_MUCH', `more than ${max.answersPerSecondMax} times a second`);
  return false;
};

// ---------------------------------------------------------------- what differs

/** Not of whom nothing is known, and not of who fades. */
const isTold = ({ hash }: Source): boolean => hash !== 0;

const agoOf = (turn: Turn, { saidMs }: Source): number => Math.max(0, Math.round(turn.nowMs - saidMs));

const markOf = (turn: Turn, source: Source): Mark => ({
  ...{ source: source.peer, epoch: source.epoch, known: source.known, agoMs: agoOf(turn, source) },
});

const markBytes = ({ source, known }: Mark): number => source.length + 24 + 9 * known.length;

export const onDigest = (state: GossipState, turn: Turn, from: Peer, { hashes }: Of<'digest'>): void => {
  if (!mayAnswer(turn, from)) return;
  const differ = new Set<number>();
  for (let bucket = 0; bucket < max.buckets; bucket++) if (hashes[bucket] !== state.sources.buckets[bucket]) differ.add(bucket);
  send(turn, from.peer, { type: 'marks', ...marksOf(state, turn, differ) });
};

/** Of as many of these buckets as fit a message; of each, all or nothing. */
const marksOf = (state: GossipState, turn: Turn, differ: ReadonlySet<number>): { buckets: number[]; marks: Mark[] } => {
  const found = new Map<number, Mark[]>();
  for (const bucket of differ) found.set(bucket, []);
  for (const source of state.sources.all.values()) {
    const marks = isTold(source) ? found.get(bucketOf(source.peer)) : undefined;
    marks?.push(markOf(turn, source));
  }
  const buckets: number[] = [];
  const marks: Mark[] = [];
  let bytes = 0;
  for (const [bucket, of] of found) {
    bytes += of.reduce((sum, mark) => sum + markBytes(mark), 0);
    // One that is too large by itself goes alone, as far as it fits: what is left out is told twice, no more.
    if (buckets.length > 0 && (bytes > max.marksBytesMax || marks.length + of.length > max.marksMax)) break;
    buckets.push(bucket);
    marks.push(...of.slice(0, max.marksMax));
  }
  return { buckets: buckets.sort((a, b) => a - b), marks };
};

export const onMarks = (state: GossipState, turn: Turn, from: Peer, { buckets, marks }: Of<'marks'>): void => {
  const isAnswer = state.awaited === from.peer;
  if (isAnswer) state.awaited = null;
  if (buckets.length === 0) return isAnswer ? onNothingFound(state, turn) : undefined;
  if (!mayAnswer(turn, from)) return;
  const told = new Map<PeerId, Mark>();
  for (const mark of marks) told.set(mark.source, mark);
  const wants: Want[] = [];
  for (const mark of marks) wantOf(state, turn, mark, wants);
  const pages = createPages(turn);
  const asked = new Set(buckets);
  for (const source of state.sources.all.values()) {
    if (!asked.has(bucketOf(source.peer)) || !isTold(source)) continue;
    const mark = told.get(source.peer);
    if (mark !== undefined && mark.epoch > source.epoch) continue;
    const theirs = mark !== undefined && mark.epoch === source.epoch ? mark.known : [];
    addPart(state, pages, source, withoutNumbers(source.known, theirs), false);
  }
  const found = pages.announcements > 0;
  if (found || pages.parts.length > 0 || wants.length > 0)
    sendPage(turn, from.peer, pages, wants.slice(0, max.wantsMax), false);
  if (found) onFound(state, turn);
  else if (isAnswer) onNothingFound(state, turn);
};

/** What the other knows of a source and this node does not. */
const wantOf = (state: GossipState, turn: Turn, mark: Mark, wants: Want[]): void => {
  const { source: peer, epoch, known, agoMs } = mark;
  if (peer === state.self) return outbid(state, mark);
  if (agoMs >= fadeMs(state)) return;
  const source = sourceOf(state, turn, peer, epoch, 'told');
  if (source === null) return;
  source.saidMs = Math.max(source.saidMs, turn.nowMs - agoMs);
  const numbers = withoutNumbers(known, source.known);
  if (numbers.length > 0) wants.push({ source: peer, epoch, numbers });
};

/** Somebody holds that this node said more than it did: it begins above that, so that what it says is heard. */
const outbid = (state: GossipState, { epoch, known }: Mark): void => {
  const last = known.at(-1) ?? 0;
  if (epoch !== state.own.epoch || last <= state.said || last > max.sequenceMax / 2) return;
  know(state.sources, state.own, 1, last);
  state.own.settled = last;
  state.said = last;
};

// ---------------------------------------------------------------- pages

type Pages = { readonly turn: Turn; parts: Part[]; bytes: number; announcements: number; more: boolean };

/** At most what it takes on the wire. */
const numberBytes = 9;
const partBytes = 2 * max.peerCharsMax;

const createPages = (turn: Turn): Pages => ({ turn, parts: [], bytes: 0, announcements: 0, more: false });

const announcementBytes = ({ topic, body }: Pick<Announcement, 'topic' | 'body'>): number =>
  topic.length + body.byteLength + 32;

/** Of these numbers of a source what is kept, and which of them are gone, as far as there is room. */
const addPart = (state: GossipState, pages: Pages, source: Source, numbers: Ranges, urgent: boolean): void => {
  if (numbers.length === 0) return;
  if (pages.parts.length >= max.partsMax || pages.bytes >= max.pageBytesMax) {
    pages.more = true;
    return;
  }
  const { nowMs } = pages.turn;
  const kept = keptIn(source, numbers, nowMs);
  const announcements: Announcement[] = [];
  for (const stored of kept) {
    // Perhaps it is on its way by itself.
    if (!urgent && nowMs - stored.arrivedMs < state.options.freshMs) continue;
    const bytes = announcementBytes(stored);
    if (announcements.length >= max.partAnnouncementsMax || pages.bytes + bytes > max.pageBytesMax) {
      pages.more = true;
      break;
    }
    pages.bytes += bytes;
    pages.announcements++;
    announcements.push(tell(stored, nowMs));
  }
  const gone = goneIn(source, numbers, kept, nowMs);
  if (announcements.length + gone.length === 0) return;
  pages.bytes += partBytes + numberBytes * gone.length;
  pages.parts.push({ source: source.peer, epoch: source.epoch, agoMs: agoOf(pages.turn, source), gone, announcements });
};

const keptIn = ({ kept }: Source, numbers: Ranges, nowMs: number): Stored[] =>
  [...kept.values()]
    .filter(({ sequence, endsMs }) => endsMs > nowMs && hasNumber(numbers, sequence))
    .sort((a, b) => a.sequence - b.sequence);

const tell = ({ source, sequence, topic, body, endsMs }: Stored, nowMs: number): Announcement => ({
  ...{ epoch: source.epoch, sequence, floor: 0, topic, leftMs: Math.max(1, Math.round(endsMs - nowMs)), body },
});

/** What was heard here once and is not kept has ended, unless some was let go before its time. */
const goneIn = (source: Source, numbers: Ranges, kept: readonly Stored[], nowMs: number): Ranges => {
  if (nowMs < source.incompleteUntilMs) return [];
  const here = kept.flatMap(({ sequence }) => [sequence, sequence]);
  return withoutNumbers(inBoth(numbers, source.known), joined(here)).slice(0, 2 * max.gonePiecesMax);
};

/** Single numbers as ranges. */
const joined = (pairs: readonly number[]): Ranges => {
  const ranges: number[] = [];
  for (let at = 0; at < pairs.length; at += 2) {
    if (ranges.length > 0 && ranges.at(-1) === pairs[at]! - 1) ranges[ranges.length - 1] = pairs[at]!;
    else ranges.push(pairs[at]!, pairs[at]!);
  }
  return ranges;
};

const sendPage = (turn: Turn, to: PeerId, { parts, more }: Pages, wants: Want[], urgent: boolean): void =>
  send(turn, to, { type: 'page', parts, wants, urgent, more });

export const onPage = (state: GossipState, turn: Turn, from: Peer, page: Of<'page'>): void => {
  let found = false;
  for (const part of page.parts) if (onPart(state, turn, part)) found = true;
  if (found) onFound(state, turn);
  if (page.wants.length > 0 && mayAnswer(turn, from)) {
    const pages = createPages(turn);
    for (const { source: peer, epoch, numbers } of page.wants) {
      const source = state.sources.all.get(peer);
      if (source !== undefined && source.epoch === epoch && isTold(source)) addPart(state, pages, source, numbers, page.urgent);
    }
    if (pages.parts.length > 0) sendPage(turn, from.peer, pages, [], false);
    // What follows goes with an exchange of its own.
    if (pages.announcements > 0 && !page.urgent) onFound(state, turn);
  }
  // As long as it brings something.
  if (page.more && found) begin(state, turn, from.peer);
};

/** In order of the numbers, so that no holes open that would close a moment later. True if something was new. */
const onPart = (state: GossipState, turn: Turn, part: Part): boolean => {
  if (part.source === state.self || part.agoMs >= fadeMs(state)) return false;
  const source = sourceOf(state, turn, part.source, part.epoch, 'told');
  if (source === null) return false;
  source.saidMs = Math.max(source.saidMs, turn.nowMs - part.agoMs);
  let found = false;
  let at = 0;
  const passTo = (before: number): void => {
    for (; at < part.gone.length && part.gone[at]! < before; at += 2)
      pass(state, turn, source, part.gone[at]!, part.gone[at + 1]!);
  };
  for (const announcement of part.announcements) {
    passTo(announcement.sequence);
    if (take(state, turn, source, announcement, 'told')) found = true;
  }
  passTo(Number.POSITIVE_INFINITY);
  return found;
};

// ---------------------------------------------------------------- what holds up

/** Asks for what is missing before what is held back: the source itself first, then anybody. */
export const askTurn = (state: GossipState, turn: Turn): void => {
  const asks = new Map<PeerId, Want[]>();
  for (const source of state.sources.waiting) {
    if (source.askAtMs > turn.nowMs) continue;
    source.askAtMs = turn.nowMs + state.options.askMs;
    const asked = source.asked++ === 0 ? state.peers.of.get(source.peer) : undefined;
    const peer = asked ?? anyPeer(state);
    if (peer === null) continue;
    const wants = asks.get(peer.peer) ?? [];
    asks.set(peer.peer, wants);
    if (wants.length < max.wantsMax) wants.push({ source: source.peer, epoch: source.epoch, numbers: missingOf(source) });
  }
  for (const [peer, wants] of asks) sendPage(turn, peer, createPages(turn), wants, true);
};

/** At 9/10 of the time that it is remembered a source is told to nobody any more. */
export const fadeMs = ({ options }: GossipState): number => 0.9 * options.rememberMs;
