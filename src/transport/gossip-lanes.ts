// `messaging: 'gossipsub'`: the same lanes, carried by the cluster's topic. A lane is a stream of frames (machines/wire/frame.ts)
// cut into numbered parts, each sealed to its peer; parts to several peers share one publish. Gossip may reorder, repeat and
// lose, a lane may not: parts are put in order, and a part that stays away ends the connection, as on a broken stream.
import { type KeyObject, randomBytes } from 'node:crypto';
import type { Stream } from '@libp2p/interface';
import { type Lane, lanes, type NetworkEvent, type PeerId } from '../../actors/ports/index.ts';
import { pack, unpack } from '../../machines/wire/envelope.ts';
import {
  createFrameDecoder,
  decodeFrames,
  encodeFrame,
  type FrameDecoder,
  messageHeaderBytes,
  takeBatch,
} from '../../machines/wire/frame.ts';
import { assertMessageSize } from './lane.ts';
import type { TransportLimits } from './limits.ts';
import type { Link } from './links.ts';
import type { Published } from './published.ts';
import { openPart, sealPart, sessionBytes, sessionKey } from './seal.ts';

export type GossipLanesOptions = {
  self: PeerId;
  limits: TransportLimits;
  gossipKey: Uint8Array;
  ownKey: KeyObject;
  /** The link in use, or a candidate whose hello is known. */
  linkOf(peer: PeerId): Link | undefined;
  /** The stream that gossip to this peer goes over, once it is up both ways. */
  streamTo(link: Link): Stream | null;
  put(body: Uint8Array): Promise<number>;
  emit(event: NetworkEvent): void;
  close(link: Link, reason: string): void;
  onRefused(code: string, message: string, peer: PeerId): void;
};

type OutLane = { messages: Uint8Array[]; bytes: number; wasFull: boolean; frame: Uint8Array | null; at: number };
type Outbox = {
  link: Link;
  session: Uint8Array;
  key: Uint8Array;
  sequence: number;
  lanes: Record<Lane, OutLane>;
  held: boolean;
  /** The stream whose 'drain' wakes the pump. */
  drained: Stream | null;
};

type Session = {
  id: string;
  key: Uint8Array;
  next: number;
  waiting: Map<number, Uint8Array>;
  waitingBytes: number;
  decoders: FrameDecoder[];
  timer: NodeJS.Timeout | null;
};
/** `current`: the session whose parts are delivered; others are of a connection that this end has not selected yet. */
type Inbox = { sessions: Map<string, Session>; current: Session | null; ended: string[] };

const partOverheadBytes = 128;
const publishPartsMax = 256;
const sessionsPerPeerMax = 4;
const endedMax = 16;
const waitingPartsMax = 1_024;
const waitingBytesMax = 8 << 20;
const gapMs = 1_000;
const heldMs = 20;

const newLane = (): OutLane => ({ messages: [], bytes: 0, wasFull: false, frame: null, at: 0 });
const isPart = (part: unknown): part is [PeerId, Uint8Array, number, Uint8Array] =>
  Array.isArray(part) &&
  part.length === 4 &&
  typeof part[0] === 'string' &&
  part[1] instanceof Uint8Array &&
  part[1].byteLength === sessionBytes &&
  Number.isSafeInteger(part[2]) &&
  part[2] >= 0 &&
  part[2] < 2 ** 48 &&
  part[3] instanceof Uint8Array;

export class GossipLanes {
  readonly #options: GossipLanesOptions;
  readonly #outboxes = new Map<PeerId, Outbox>();
  readonly #inboxes = new Map<PeerId, Inbox>();
  #pumping = false;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(options: GossipLanesOptions) {
    this.#options = options;
  }

  opened(link: Link): void {
    const session = new Uint8Array(randomBytes(sessionBytes));
    const key = this.#key(this.#options.self, link.peer, link, session);
    if (key === null) {
      this.#options.onRefused('SEAL_KEY_INVALID', 'its X25519 key gives no secret', link.peer);
      // After peer-open has been told.
      queueMicrotask(() => this.#options.close(link, 'SEAL_KEY_INVALID'));
      return;
    }
    const outLanes = { control: newLane(), calls: newLane(), bulk: newLane() };
    this.#outboxes.set(link.peer, { link, session, key, sequence: 0, lanes: outLanes, held: false, drained: null });
    const inbox = this.#inbox(link.peer);
    const early = [...inbox.sessions.values()].at(-1);
    if (early === undefined) return;
    inbox.current = early;
    // After peer-open has been told.
    queueMicrotask(() => this.#deliver(link, early));
  }

  closed(link: Link): void {
    this.#outboxes.delete(link.peer);
    const inbox = this.#inbox(link.peer);
    if (inbox.current === null) return;
    this.#end(inbox, inbox.current);
    inbox.current = null;
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const inbox of this.#inboxes.values())
      for (const session of inbox.sessions.values()) if (session.timer !== null) clearTimeout(session.timer);
  }

  get waitingBytes(): number {
    let bytes = 0;
    for (const outbox of this.#outboxes.values()) for (const lane of lanes) bytes += outbox.lanes[lane].bytes;
    return bytes;
  }

  // Out

  send(peer: PeerId, lane: Lane, message: Uint8Array): 'queued' | 'full' | 'unreachable' {
    assertMessageSize(message);
    const outbox = this.#outboxes.get(peer);
    if (outbox === undefined) return 'unreachable';
    const out = outbox.lanes[lane];
    const bytes = messageHeaderBytes + message.byteLength;
    if (out.bytes > 0 && out.bytes + bytes > this.#options.limits[`${lane}LaneBytesMax`]) {
      out.wasFull = true;
      return 'full';
    }
    out.messages.push(message);
    out.bytes += bytes;
    this.wake();
    return 'queued';
  }

  /** Publishes are dear, so all that this turn sends to all peers goes into as few as the limits allow. */
  wake(): void {
    if (this.#pumping || this.#stopped) return;
    this.#pumping = true;
    setImmediate(() => void this.#pump());
  }

  async #pump(): Promise<void> {
    for (let body = this.#nextBody(); body !== null && !this.#stopped; body = this.#nextBody()) await this.#options.put(body);
    this.#pumping = false;
    this.#tellDrained();
    const isHeld = [...this.#outboxes.values()].some((outbox) => outbox.held);
    if (!isHeld || this.#stopped) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.wake();
    }, heldMs);
  }

  /** What may leave now to all peers, up to one batch; null when there is nothing. */
  #nextBody(): Uint8Array | null {
    const parts: unknown[] = [];
    let room = this.#options.limits.publishBatchBytesMax;
    for (const outbox of this.#outboxes.values()) {
      outbox.held = false;
      if (!this.#hasWork(outbox)) continue;
      outbox.held = this.#isHeld(outbox);
      while (!outbox.held && room > 0 && parts.length < publishPartsMax) {
        const part = this.#nextPart(outbox, room);
        if (part === null) break;
        parts.push(part.fields);
        room -= part.bytes;
      }
    }
    return parts.length === 0 ? null : pack(parts);
  }

  #hasWork(outbox: Outbox): boolean {
    return lanes.some((lane) => outbox.lanes[lane].bytes > 0);
  }

  /** The peer's gossip is not up yet, or it does not read what it was sent: gossipsub itself would queue without limit. */
  #isHeld(outbox: Outbox): boolean {
    const stream = this.#options.streamTo(outbox.link);
    if (stream === null) return true;
    if (!stream.writableNeedsDrain) return false;
    if (outbox.drained !== stream) {
      outbox.drained = stream;
      stream.addEventListener('drain', () => this.wake());
    }
    return true;
  }

  #nextPart(outbox: Outbox, room: number): { fields: unknown; bytes: number } | null {
    for (const lane of lanes) {
      const out = outbox.lanes[lane];
      if (out.frame === null && out.messages.length > 0) {
        const to = takeBatch(out.messages, 0, this.#options.limits.batchBytesMax);
        out.frame = encodeFrame(out.messages, 0, to);
        for (let index = 0; index < to; index++) out.bytes -= messageHeaderBytes + out.messages[index]!.byteLength;
        out.messages = out.messages.slice(to);
        // A frame in parts still waits; it counts until it has left.
        out.bytes += out.frame.byteLength;
        out.at = 0;
      }
      if (out.frame === null) continue;
      const slice = out.frame.subarray(out.at, out.at + Math.max(1_024, room));
      out.at += slice.byteLength;
      out.bytes -= slice.byteLength;
      if (out.at === out.frame.byteLength) out.frame = null;
      const plain = new Uint8Array(1 + slice.byteLength);
      plain[0] = lanes.indexOf(lane);
      plain.set(slice, 1);
      const sequence = outbox.sequence++;
      const sealed = sealPart(outbox.key, sequence, plain);
      const fields = [outbox.link.peer, Buffer.from(outbox.session), sequence, Buffer.from(sealed)];
      return { fields, bytes: sealed.byteLength + partOverheadBytes };
    }
    return null;
  }

  #tellDrained(): void {
    for (const [peer, outbox] of this.#outboxes)
      for (const lane of lanes) {
        const out = outbox.lanes[lane];
        if (!out.wasFull || out.bytes > this.#options.limits[`${lane}LaneBytesMax`] / 2) continue;
        out.wasFull = false;
        this.#options.emit({ type: 'drain', peer, lane });
      }
  }

  // In

  receive(published: Published): void {
    const { source } = published;
    const link = this.#options.linkOf(source);
    // Without a link there is no key to open it with; another epoch's parts are of a process that is gone or not yet met.
    if (link === undefined || link.hello.epoch !== published.epoch) return;
    let parts: unknown;
    try {
      parts = unpack(published.body);
    } catch {
      parts = null;
    }
    if (!Array.isArray(parts) || parts.length > publishPartsMax || !parts.every(isPart)) {
      this.#fail(link, 'PART_MALFORMED', 'not a list of parts');
      return;
    }
    for (const [to, sessionId, sequence, sealed] of parts)
      if (to === this.#options.self && link.state !== 'closed') this.#take(link, sessionId, sequence, sealed);
  }

  #take(link: Link, sessionId: Uint8Array, sequence: number, sealed: Uint8Array): void {
    const inbox = this.#inbox(link.peer);
    const id = Buffer.from(sessionId).toString('hex');
    if (inbox.ended.includes(id)) return;
    const session = inbox.sessions.get(id) ?? this.#begin(inbox, link, id, sessionId);
    if (session === null || sequence < session.next || session.waiting.has(sequence)) return;
    const plain = openPart(session.key, sequence, sealed);
    if (plain === null || plain.byteLength < 2 || plain[0]! >= lanes.length) {
      this.#fail(link, 'PART_MALFORMED', 'a part that was not sealed to this node or is empty');
      return;
    }
    session.waiting.set(sequence, plain);
    session.waitingBytes += plain.byteLength;
    if (session.waiting.size > waitingPartsMax || session.waitingBytes > waitingBytesMax) {
      this.#options.close(link, 'GOSSIP_GAP: too many parts wait for a lost one');
      return;
    }
    if (link.state !== 'selected') return;
    inbox.current ??= session;
    if (inbox.current === session) this.#deliver(link, session);
  }

  #begin(inbox: Inbox, link: Link, id: string, sessionId: Uint8Array): Session | null {
    const key = this.#key(link.peer, this.#options.self, link, new Uint8Array(sessionId));
    if (key === null) return null;
    if (inbox.sessions.size >= sessionsPerPeerMax)
      for (const old of [...inbox.sessions.values()].filter((session) => session !== inbox.current).slice(0, 1))
        this.#end(inbox, old);
    const decoders = lanes.map(() => createFrameDecoder());
    const session: Session = { id, key, next: 0, waiting: new Map(), waitingBytes: 0, decoders, timer: null };
    inbox.sessions.set(id, session);
    return session;
  }

  #deliver(link: Link, session: Session): void {
    if (session.timer !== null) clearTimeout(session.timer);
    session.timer = null;
    for (let plain = session.waiting.get(session.next); plain !== undefined; plain = session.waiting.get(session.next)) {
      if (link.state !== 'selected' || this.#stopped) return;
      session.waiting.delete(session.next);
      session.waitingBytes -= plain.byteLength;
      session.next++;
      const lane = lanes[plain[0]!]!;
      const decoder = session.decoders[plain[0]!]!;
      for (const bytes of decodeFrames(decoder, plain.subarray(1)))
        if ((link.state as string) === 'selected') this.#options.emit({ type: 'message', peer: link.peer, lane, bytes });
      if (decoder.refusal !== null) {
        this.#fail(link, decoder.refusal.refused, decoder.refusal.message);
        return;
      }
    }
    if (session.waiting.size === 0) return;
    session.timer = setTimeout(() => {
      session.timer = null;
      if (link.state === 'selected') this.#options.close(link, `GOSSIP_GAP: part ${session.next} did not come`);
    }, gapMs);
  }

  #fail(link: Link, code: string, message: string): void {
    this.#options.onRefused(code, message, link.peer);
    this.#options.close(link, `${code}: ${message}`);
  }

  #end(inbox: Inbox, session: Session): void {
    if (session.timer !== null) clearTimeout(session.timer);
    session.timer = null;
    inbox.sessions.delete(session.id);
    inbox.ended.push(session.id);
    if (inbox.ended.length > endedMax) inbox.ended.shift();
  }

  #inbox(peer: PeerId): Inbox {
    let inbox = this.#inboxes.get(peer);
    if (inbox === undefined) {
      inbox = { sessions: new Map(), current: null, ended: [] };
      this.#inboxes.set(peer, inbox);
    }
    return inbox;
  }

  #key(from: PeerId, to: PeerId, link: Link, session: Uint8Array): Uint8Array | null {
    const { ownKey, gossipKey } = this.#options;
    return sessionKey({ ownKey, otherKey: link.hello.sealKey, gossipKey, from, to, session });
  }
}
