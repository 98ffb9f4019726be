// What is known of each source: its start, which of its numbers were heard or are gone, how far they were delivered, and the hash
// of that in the bucket of the source, so that two nodes compare all they know in a few hundred bytes.
import { gossipLimits } from './limits.ts';
import { hasNumber, inPieces, noNumbers, withNumbers } from './ranges.ts';
import type { PeerId, Ranges } from './types.ts';

/** An announcement that is kept, until it ends or has to make room. */
export type Stored = {
  readonly source: Source;
  readonly sequence: number;
  readonly topic: string;
  readonly body: Uint8Array;
  readonly arrivedMs: number;
  readonly endsMs: number;
  readonly bytes: number;
};

export type Source = {
  readonly peer: PeerId;
  readonly epoch: number;
  /** Heard, or gone; a number in here is never taken again. */
  known: Ranges;
  /** All up to here were delivered, are gone, or were waited for in vain. */
  settled: number;
  /** Those that are kept, by number. */
  readonly kept: Map<number, Stored>;
  keptBytes: number;
  /** Kept, above `settled`: they wait for what is missing before them. */
  readonly held: Map<number, Stored>;
  /** Until when what is held waits for what is missing, and when that is asked for; Infinity while nothing is held. */
  waitEndMs: number;
  askAtMs: number;
  /** How often it was asked for. */
  asked: number;
  /** When its newest was said, as far as this node can tell. */
  saidMs: number;
  /** Some that have not ended were let go until then: what is not kept may be elsewhere. */
  incompleteUntilMs: number;
  /** Its part of its bucket; 0 while nothing is known of it, or nothing is told any more. */
  hash: number;
};

export type Sources = {
  readonly all: Map<PeerId, Source>;
  readonly buckets: Uint32Array;
  /** Those that hold something back. */
  readonly waiting: Set<Source>;
};

export const createSources = (): Sources => ({
  all: new Map(),
  buckets: new Uint32Array(gossipLimits.buckets),
  waiting: new Set(),
});

// ---------------------------------------------------------------- hashes

const mix = (hash: number, word: number): number => {
  const mixed = Math.imul((hash ^ word) | 0, 0x9e37_79b1);
  return mixed ^ (mixed >>> 15);
};

/** FNV-1a. */
const hashText = (text: string): number => {
  let hash = 0x811c_9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193);
  return hash;
};

const twoTo32 = 0x1_0000_0000;
const mixNumber = (hash: number, number: number): number => mix(mix(hash, number | 0), (number / twoTo32) | 0);

export const bucketOf = (peer: PeerId): number => (mix(0, hashText(peer)) >>> 8) % gossipLimits.buckets;

/** Never 0, which stands for no part. */
export const hashOf = ({ peer, epoch, known }: Pick<Source, 'peer' | 'epoch' | 'known'>): number => {
  let hash = mixNumber(hashText(peer), epoch);
  for (const number of known) hash = mixNumber(hash, number);
  return hash >>> 0 || 1;
};

const setHash = ({ buckets }: Sources, source: Source, hash: number): void => {
  const bucket = bucketOf(source.peer);
  buckets[bucket] = buckets[bucket]! ^ source.hash ^ hash;
  source.hash = hash;
};

/** Its last days as a memory: told to nobody, so that who forgets first does not learn it again from the others. */
export const fade = (sources: Sources, source: Source): void => setHash(sources, source, 0);

// ---------------------------------------------------------------- changes

export const addSource = (sources: Sources, peer: PeerId, epoch: number, saidMs: number): Source => {
  const source: Source = {
    ...{ peer, epoch, known: noNumbers, settled: 0, kept: new Map(), keptBytes: 0, held: new Map() },
    ...{ waitEndMs: Number.POSITIVE_INFINITY, askAtMs: Number.POSITIVE_INFINITY, asked: 0 },
    ...{ saidMs, incompleteUntilMs: 0, hash: 0 },
  };
  sources.all.set(peer, source);
  return source;
};

/** What it kept must be gone already (store.ts). */
export const removeSource = (sources: Sources, source: Source): void => {
  setHash(sources, source, 0);
  sources.waiting.delete(source);
  sources.all.delete(source.peer);
};

/** Notes that these numbers were heard or are gone. */
export const know = (sources: Sources, source: Source, from: number, to: number): void => {
  if (from > to || (from === to && hasNumber(source.known, from))) return;
  source.known = inPieces(withNumbers(source.known, from, to), gossipLimits.rangesMax);
  setHash(sources, source, hashOf(source));
};
