// Messages of repair that are longer than a lane takes at once travel in parts, one such message at a time for each peer and way; the
// receiver acknowledges each part, and only so much is under way that a heartbeat beside it is not late. A message whose parts do not
// come any more is forgotten: the exchange that it belongs to ends by its own time-out, and the next one finds the rest.
import { repairLimits as max } from './repair-limits.ts';
import type { PeerId } from './repair-state.ts';

export type Part = {
  readonly type: 'part';
  readonly id: number;
  readonly total: number;
  readonly at: number;
  readonly bytes: Uint8Array;
};
/** So many bytes of this message are here. */
export type PartAck = { readonly type: 'part-ack'; readonly id: number; readonly here: number };
export type PartSend = { to: PeerId; message: Part | PartAck };

type Outgoing = { id: number; bytes: Uint8Array; sent: number; acked: number; movedMs: number };
type Incoming = { id: number; total: number; parts: Uint8Array[]; here: number; movedMs: number };

export type Parts = {
  /** Of each peer the one under way, then those that wait. */
  readonly outgoing: Map<PeerId, Outgoing[]>;
  readonly incoming: Map<PeerId, Incoming>;
  lastId: number;
};

export const createParts = (): Parts => ({ outgoing: new Map(), incoming: new Map(), lastId: 0 });

const bytesOut = ({ outgoing }: Parts): number => {
  let bytes = 0;
  for (const queue of outgoing.values()) for (const message of queue) bytes += message.bytes.byteLength;
  return bytes;
};

const bytesIn = ({ incoming }: Parts): number => {
  let bytes = 0;
  for (const { total } of incoming.values()) bytes += total;
  return bytes;
};

const advance = (nowMs: number, to: PeerId, message: Outgoing): PartSend[] => {
  const sends: PartSend[] = [];
  const { id, bytes } = message;
  const total = bytes.byteLength;
  while (message.sent < total && message.sent - message.acked < max.partsUnderWay * max.partBytes) {
    const at = message.sent;
    message.sent = Math.min(total, at + max.partBytes);
    sends.push({ to, message: { type: 'part', id, total, at, bytes: bytes.subarray(at, message.sent) } });
  }
  if (sends.length > 0) message.movedMs = nowMs;
  return sends;
};

/** Sends `bytes` in parts, after what is under way to this peer. What is beyond the limits is dropped: nothing is sent. */
export const sendInParts = (parts: Parts, nowMs: number, to: PeerId, bytes: Uint8Array): PartSend[] => {
  const queue = parts.outgoing.get(to) ?? [];
  if (bytes.byteLength > max.wholeBytesMax || queue.length >= max.wholesPerPeerMax) return [];
  if (bytesOut(parts) + bytes.byteLength > max.partedBytesMax) return [];
  const message: Outgoing = { id: ++parts.lastId, bytes, sent: 0, acked: 0, movedMs: nowMs };
  parts.outgoing.set(to, [...queue, message]);
  return queue.length === 0 ? advance(nowMs, to, message) : [];
};

export const onPartAck = (parts: Parts, nowMs: number, from: PeerId, { id, here }: PartAck): PartSend[] => {
  const queue = parts.outgoing.get(from);
  const message = queue?.[0];
  // Late, or of what was never sent.
  if (queue === undefined || message === undefined || message.id !== id || here > message.sent || here <= message.acked)
    return [];
  message.acked = here;
  message.movedMs = nowMs;
  if (here < message.bytes.byteLength) return advance(nowMs, from, message);
  return next(parts, nowMs, from, queue);
};

const next = ({ outgoing }: Parts, nowMs: number, to: PeerId, queue: Outgoing[]): PartSend[] => {
  queue.shift();
  if (queue.length > 0) return advance(nowMs, to, queue[0]!);
  outgoing.delete(to);
  return [];
};

export type PartTaken = { sends: PartSend[]; whole: Uint8Array | null };

/** The next part of a message, which begins a new one where it is the first; any other is of what was forgotten. */
export const onPart = (parts: Parts, nowMs: number, from: PeerId, { id, total, at, bytes }: Part): PartTaken => {
  const { incoming } = parts;
  if (at === 0) {
    incoming.delete(from);
    if (bytesIn(parts) + total > max.partedBytesMax) return { sends: [], whole: null };
    incoming.set(from, { id, total, parts: [], here: 0, movedMs: nowMs });
  }
  const message = incoming.get(from);
  if (message === undefined || message.id !== id || message.here !== at || message.total !== total)
    return { sends: [], whole: null };
  // A copy: a part is a view of the frame that brought it.
  message.parts.push(bytes.slice());
  message.here += bytes.byteLength;
  message.movedMs = nowMs;
  const sends: PartSend[] = [{ to: from, message: { type: 'part-ack', id, here: message.here } }];
  if (message.here < total) return { sends, whole: null };
  incoming.delete(from);
  return { sends, whole: joined(message) };
};

const joined = ({ parts, total }: Incoming): Uint8Array => {
  const whole = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
};

export const forgetParts = ({ outgoing, incoming }: Parts, peer: PeerId): void => {
  outgoing.delete(peer);
  incoming.delete(peer);
};

/** Forgets what has stood still for too long; the next of those that wait goes. */
export const partsTurn = (parts: Parts, nowMs: number): PartSend[] => {
  const isStill = ({ movedMs }: { movedMs: number }): boolean => nowMs - movedMs >= max.exchangeTimeoutMs;
  for (const [peer, message] of parts.incoming) if (isStill(message)) parts.incoming.delete(peer);
  return [...parts.outgoing].flatMap(([peer, queue]) => (isStill(queue[0]!) ? next(parts, nowMs, peer, queue) : []));
};

/** When `partsTurn` has something to do. */
export const partsDueMs = ({ outgoing, incoming }: Parts): number => {
  let dueMs = Number.POSITIVE_INFINITY;
  for (const [{ movedMs }] of outgoing.values() as Iterable<[Outgoing]>)
    dueMs = Math.min(dueMs, movedMs + max.exchangeTimeoutMs);
  for (const { movedMs } of incoming.values()) dueMs = Math.min(dueMs, movedMs + max.exchangeTimeoutMs);
  return dueMs;
};

// ---------------------------------------------------------------- the wire

export const formPart = (message: Part | PartAck): unknown =>
  message.type === 'part' ? [message.id, message.total, message.at, message.bytes] : [message.id, message.here];

const isCount = (value: unknown, atMost: number): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= atMost;

/** Null: it is none. */
export const parsePart = (value: unknown): Part | PartAck | null => {
  if (!Array.isArray(value)) return null;
  const [id, second, at, bytes] = value as unknown[];
  if (!isCount(id, Number.MAX_SAFE_INTEGER) || !isCount(second, max.wholeBytesMax) || second === 0) return null;
  if (value.length === 2) return { type: 'part-ack', id, here: second };
  if (value.length !== 4 || !isCount(at, second) || !(bytes instanceof Uint8Array)) return null;
  const { byteLength } = bytes;
  const isPart =
    byteLength <= max.partBytes && at + byteLength <= second && byteLength >= Math.min(max.partBytesMin, second - at);
  return isPart && byteLength > 0 ? { type: 'part', id, total: second, at, bytes } : null;
};
