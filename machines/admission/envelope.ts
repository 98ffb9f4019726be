// The envelope of everything published (decision 7): source, target, start of the process, number, expiry, body, and a proof of
// admission that needs no connection, an HMAC under the cluster's gossip key over all of it and the topic. Checked before a message
// is forwarded or looked into. A repeat is known by its number: per source and epoch a sliding window as in IPsec (RFC 4303 §3.4.3,
// RFC 6479). What a node forgets by restarting, expiry bounds. The proof says "a member made this"; which one is that member's word.
import { limits } from '../wire/limits.ts';
import {
  createInk,
  cursorOf,
  dry,
  inkByte,
  inkCount,
  inkText,
  readByte,
  readCount,
  readRest,
  readText,
  utf8Length,
} from '../wire/octets.ts';
import { AdmissionFault, isSameSecretly, type Mac, macBytes, pureMac } from './keys.ts';

export type PublishedMessage = {
  /** Peer id of the publisher. */
  source: string;
  /** A peer id, or '*' for all. */
  target: string;
  /** Starts of the publisher's process. */
  epoch: number;
  /** Number within the epoch; each is used once. */
  sequence: number;
  /** Wall clock of the publisher; worthless afterwards. */
  expiresAtMs: number;
  body: Uint8Array;
};

export type PublishedRefusalCode =
  | 'MALFORMED'
  | 'TOO_LARGE'
  | 'BAD_PROOF'
  | 'EXPIRED'
  /** It would live longer than any message may: a clock is wrong, or somebody wants it repeatable. */
  | 'FROM_FUTURE'
  /** Seen before, too old to tell, or of an earlier start of its publisher. */
  | 'REPEATED'
  /** More publishers than this node can keep apart. */
  | 'TOO_MANY_SOURCES';

export type PublishedRefusal = { refused: PublishedRefusalCode; message: string };

/** What proves and binds: the cluster's key, the topic, and optionally a faster HMAC-SHA256. */
export type PublishedContext = { gossipKey: Uint8Array; topic: string; mac?: Mac };

export type SeenLimits = {
  /** How far back a number may lie; a multiple of 32. */
  windowNumbers: number;
  sourcesMax: number;
  /** The longest that a message may live. */
  lifetimeMsMax: number;
  /** How far the clocks of two members may be apart. */
  skewMsMax: number;
};

export const seenDefaults: SeenLimits = {
  windowNumbers: 4_096,
  sourcesMax: 4_096,
  lifetimeMsMax: 60_000,
  skewMsMax: 30_000,
};

type Window = {
  epoch: number;
  /** The highest number seen. */
  highest: number;
  /** Bit `n mod size` belongs to number n, for `highest - windowNumbers < n ≤ highest`. */
  bits: Uint32Array;
  /** No message of this source seen so far can still be valid after this. */
  forgettableAtMs: number;
};

/** Which messages were seen. Sources in the order in which they were last heard. */
export type SeenState = { readonly limits: SeenLimits; windows: Map<string, Window> };

export const createSeen = (bounds: SeenLimits = seenDefaults): SeenState => {
  if (bounds.windowNumbers <= 0 || bounds.windowNumbers % 32 !== 0)
    throw new AdmissionFault('WINDOW_MALFORMED', 'a window is a positive multiple of 32 numbers');
  return { limits: bounds, windows: new Map() };
};

const envelopeFormat = 1;
const peerBytesMax = 128;
/** Format, two lengths of two bytes and two peer ids, three numbers of eight bytes, the proof. */
export const publishedOverheadBytesMax = 1 + 2 * (2 + peerBytesMax) + 3 * 8 + macBytes;

const ink = createInk();
const proofInk = createInk();

const proofOf = ({ gossipKey, topic, mac = pureMac }: PublishedContext, bytes: Uint8Array): Uint8Array => {
  inkText(proofInk, 'polity published');
  inkText(proofInk, topic);
  return mac(gossipKey, dry(proofInk, bytes));
};

/** Throws an AdmissionFault on what no member would accept. */
export const sealPublished = (context: PublishedContext, message: PublishedMessage): Uint8Array => {
  const { source, target, epoch, sequence, expiresAtMs, body } = message;
  for (const peer of [source, target])
    if (peer === '' || utf8Length(peer) > peerBytesMax)
      throw new AdmissionFault('PEER_UNKNOWN', `a peer id has 1 to ${peerBytesMax} bytes`);
  for (const count of [epoch, sequence, expiresAtMs])
    if (!Number.isSafeInteger(count) || count < 0)
      throw new AdmissionFault('NUMBER_MALFORMED', `epoch, sequence and expiry are whole numbers, not ${count}`);
  inkByte(ink, envelopeFormat);
  inkText(ink, source);
  inkText(ink, target);
  inkCount(ink, epoch);
  inkCount(ink, sequence);
  inkCount(ink, expiresAtMs);
  const bytes = dry(ink, body);
  const length = bytes.byteLength + macBytes;
  if (length > limits.gossipMessageBytesMax)
    throw new AdmissionFault('TOO_LARGE', `${length} bytes to publish, at most ${limits.gossipMessageBytesMax}`);
  const sealed = new Uint8Array(length);
  sealed.set(bytes);
  sealed.set(proofOf(context, bytes), bytes.byteLength);
  return sealed;
};

const refuse = (refused: PublishedRefusalCode, message: string): PublishedRefusal => ({ refused, message });

/** A message of a member, not expired and not seen before (it is from now on), or why not. `body` is a view of `bytes`. */
export const openPublished = (
  context: PublishedContext,
  bytes: Uint8Array,
  wallMs: number,
  seen: SeenState,
): PublishedMessage | PublishedRefusal => {
  if (bytes.byteLength > limits.gossipMessageBytesMax)
    return refuse('TOO_LARGE', `${bytes.byteLength} bytes published, at most ${limits.gossipMessageBytesMax}`);
  const length = bytes.byteLength - macBytes;
  const proved = bytes.subarray(0, Math.max(0, length));
  const message = parse(proved);
  if (message === null) return refuse('MALFORMED', 'not a published envelope');
  if (!isSameSecretly(bytes.subarray(length), proofOf(context, proved)))
    return refuse('BAD_PROOF', 'its proof does not verify: another secret, cluster or topic');
  const { lifetimeMsMax, skewMsMax } = seen.limits;
  const leftMs = message.expiresAtMs - wallMs;
  if (leftMs < -skewMsMax) return refuse('EXPIRED', `it expired ${-leftMs} ms ago`);
  if (leftMs > lifetimeMsMax + skewMsMax) return refuse('FROM_FUTURE', `it would be valid for another ${leftMs} ms`);
  return note(seen, message, wallMs) ?? message;
};

const parse = (bytes: Uint8Array): PublishedMessage | null => {
  const cursor = cursorOf(bytes);
  const format = readByte(cursor);
  const source = readText(cursor, peerBytesMax);
  const target = readText(cursor, peerBytesMax);
  const message = {
    ...{ source, target },
    epoch: readCount(cursor),
    sequence: readCount(cursor),
    expiresAtMs: readCount(cursor),
    body: readRest(cursor, limits.gossipMessageBytesMax),
  };
  return cursor.failed || format !== envelopeFormat || source === '' || target === '' ? null : message;
};

// ---------------------------------------------------------------- repeats

/** Remembers a message; a refusal if it must not be delivered. */
const note = (seen: SeenState, message: PublishedMessage, wallMs: number): PublishedRefusal | null => {
  const { windows, limits: bounds } = seen;
  const { source, epoch, sequence } = message;
  let window = windows.get(source);
  if (window === undefined) {
    if (!makeRoom(seen, wallMs)) return refuse('TOO_MANY_SOURCES', `more than ${bounds.sourcesMax} publishers at a time`);
  } else if (epoch < window.epoch)
    return refuse('REPEATED', `it is of start ${epoch} of its publisher, now at ${window.epoch}`);
  const fresh = window === undefined || epoch > window.epoch;
  if (window === undefined || fresh) {
    const forgettableAtMs = window?.forgettableAtMs ?? 0;
    window = { epoch, highest: sequence, bits: new Uint32Array(bounds.windowNumbers / 32), forgettableAtMs };
  } else if (!slide(window, sequence, bounds.windowNumbers))
    return refuse('REPEATED', `number ${sequence} was seen, or is too old`);
  mark(window, sequence, bounds.windowNumbers);
  window.forgettableAtMs = Math.max(window.forgettableAtMs, message.expiresAtMs + bounds.skewMsMax);
  windows.delete(source);
  windows.set(source, window);
  return null;
};

const mark = ({ bits }: Window, sequence: number, size: number): void => {
  const place = sequence % size;
  bits[place >>> 5]! |= 1 << (place & 31);
};

/** False if the number was seen or lies before the window. */
const slide = (window: Window, sequence: number, size: number): boolean => {
  const { bits, highest } = window;
  if (sequence > highest) {
    const passed = Math.min(sequence - highest, size);
    for (let step = 1; step <= passed; step++) {
      const place = (highest + step) % size;
      bits[place >>> 5]! &= ~(1 << (place & 31));
    }
    window.highest = sequence;
    return true;
  }
  if (highest - sequence >= size) return false;
  const place = sequence % size;
  return (bits[place >>> 5]! & (1 << (place & 31))) === 0;
};

/** Forgets the source that was silent longest, if all that it said has expired. */
const makeRoom = ({ windows, limits: bounds }: SeenState, wallMs: number): boolean => {
  if (windows.size < bounds.sourcesMax) return true;
  for (const [source, { forgettableAtMs }] of windows) {
    if (forgettableAtMs >= wallMs) continue;
    windows.delete(source);
    return true;
  }
  return false;
};
