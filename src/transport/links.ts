// Which of the connections to a peer is the one in use. Both ends may dial at the same moment, so there may be two; the end with
// the smaller peer id is the judge: it selects one and says so by opening the control lane on it, the other waits for that.
// Nothing is sent before, so no message is lost when the spare is closed. A spare that the other end keeps open means that it has
// lost the selected one (half-open): then the spare takes over. Thus one peer-open and one peer-close per connection in use.
import type { Connection, Stream } from '@libp2p/interface';
import type { Lane, NetworkEvent, PeerId } from '../../actors/ports/index.ts';
import type { Hello } from './hello.ts';
import { LaneSender, readLane } from './lane.ts';
import type { TransportLimits } from './limits.ts';

export const laneProtocol = (lane: Lane): string => `/polity/${lane}/1`;

/** Connections of one peer that wait to be selected. */
const candidatesMax = 4;

export type Link = {
  readonly connection: Connection;
  readonly hello: Hello;
  readonly peer: PeerId;
  readonly senders: Map<Lane, LaneSender>;
  readonly readers: Set<Lane>;
  /** 'candidate' → 'selected' → 'closed'. Messages pass only while selected. */
  state: 'candidate' | 'selected' | 'closed';
  timer: NodeJS.Timeout | null;
};

export type LinksOptions = {
  self: PeerId;
  limits: TransportLimits;
  emit(event: NetworkEvent): void;
  /** A connection was selected or lost; for the dialler and gossip. */
  onOpen(link: Link): void;
  onClose(link: Link): void;
};

export class Links {
  readonly #options: LinksOptions;
  readonly #selected = new Map<PeerId, Link>();
  readonly #candidates = new Map<PeerId, Set<Link>>();
  readonly #byConnection = new Map<string, Link>();

  constructor(options: LinksOptions) {
    this.#options = options;
  }

  selected(peer: PeerId): Link | undefined {
    return this.#selected.get(peer);
  }

  /** The link in use, or else one that may become it: its hello is known. */
  known(peer: PeerId): Link | undefined {
    return this.#selected.get(peer) ?? [...(this.#candidates.get(peer) ?? [])].at(-1);
  }

  all(): IterableIterator<Link> {
    return this.#selected.values();
  }

  /** A connection passed admission. */
  add(connection: Connection, hello: Hello): void {
    const peer = connection.remotePeer.toString();
    const link: Link = {
      connection,
      hello,
      peer,
      senders: new Map(),
      readers: new Set(),
      state: 'candidate',
      timer: null,
    };
    this.#byConnection.set(connection.id, link);
    const candidates = this.#candidates.get(peer) ?? new Set();
    for (const oldest of candidates) {
      if (candidates.size < candidatesMax) break;
      this.close(oldest, 'too many connections of one peer', 'abort');
    }
    this.#candidates.set(peer, candidates.add(link));
    connection.addEventListener('close', () => this.close(link, 'connection closed', 'gone'));
    if (connection.status !== 'open') this.close(link, 'connection closed', 'gone');
    else this.#judge(link);
  }

  #judge(link: Link): void {
    const current = this.#selected.get(link.peer);
    const isJudge = this.#options.self < link.peer;
    // Another epoch is another process: whatever is open to the old one is dead.
    if (current !== undefined && current.hello.epoch !== link.hello.epoch) {
      this.close(current, 'the peer started anew', 'abort');
      if (isJudge) this.#select(link);
      else this.#await(link);
      return;
    }
    if (current === undefined) {
      if (isJudge) this.#select(link);
      else this.#await(link);
      return;
    }
    // Who still has a selected connection needs no second one of his own dialling. It stays for a moment: a dial that ends in a
    // closed connection would not learn who answered, and be tried again for ever.
    if (link.connection.direction === 'outbound')
      this.#after(link, this.#options.limits.spareMs, () => this.close(link, 'already connected', 'close'));
    else if (isJudge) this.#after(link, this.#options.limits.supersedeMs, () => this.#supersede(link));
    else this.#await(link);
  }

  #await(link: Link): void {
    this.#after(link, this.#options.limits.selectMs, () => this.close(link, 'never selected by the peer', 'abort'));
  }

  #supersede(link: Link): void {
    const current = this.#selected.get(link.peer);
    if (current !== undefined) this.close(current, 'superseded by a newer connection', 'abort');
    this.#select(link);
  }

  #after(link: Link, delayMs: number, run: () => void): void {
    if (link.timer !== null) clearTimeout(link.timer);
    link.timer = setTimeout(() => {
      link.timer = null;
      if (link.state === 'candidate') run();
    }, delayMs);
  }

  #select(link: Link): void {
    if (link.timer !== null) clearTimeout(link.timer);
    link.timer = null;
    link.state = 'selected';
    const candidates = this.#candidates.get(link.peer);
    candidates?.delete(link);
    this.#selected.set(link.peer, link);
    // The judge leaves spares to the other end or to the timer; the other end closes what was not selected.
    if (this.#options.self > link.peer)
      for (const other of [...(candidates ?? [])]) this.close(other, 'another connection was selected', 'close');
    // First in the muxer's list, so that it is served first when a full socket drains.
    this.#sender(link, 'control').open();
    const { name, epoch, extra, addresses } = link.hello;
    const withPeer = addresses.map((address) => `${address}/p2p/${link.peer}`);
    this.#options.onOpen(link);
    this.#options.emit({ type: 'peer-open', peer: link.peer, name, epoch, addresses: withPeer, hello: { ...extra } });
  }

  /** A lane stream opened by the other end. */
  accept(lane: Lane, stream: Stream, connection: Connection): void {
    const link = this.#byConnection.get(connection.id);
    if (link === undefined || link.state === 'closed' || link.readers.has(lane)) {
      stream.abort(new Error('no such lane'));
      if (link !== undefined) this.#refuse(link, 'LANE_REPEATED', `a second ${lane} stream`);
      return;
    }
    link.readers.add(lane);
    if (link.state === 'candidate' && this.#options.self > link.peer) {
      const current = this.#selected.get(link.peer);
      if (current !== undefined) this.close(current, 'superseded by the peer', 'abort');
      this.#select(link);
    }
    readLane(stream, {
      onMessage: (bytes) => {
        if (link.state === 'selected') this.#options.emit({ type: 'message', peer: link.peer, lane, bytes });
      },
      onRefused: (code, message) => this.#refuse(link, code, message),
      onEnd: (reason) => this.close(link, `${lane} lane: ${reason}`, 'abort'),
    });
  }

  #refuse(link: Link, code: string, message: string): void {
    const address = link.connection.remoteAddr.toString();
    this.#options.emit({ type: 'refused', code, message, peer: link.peer, address });
    this.close(link, `${code}: ${message}`, 'abort');
  }

  send(peer: PeerId, lane: Lane, message: Uint8Array): 'queued' | 'full' | 'unreachable' {
    const link = this.#selected.get(peer);
    return link === undefined ? 'unreachable' : this.#sender(link, lane).send(message);
  }

  #sender(link: Link, lane: Lane): LaneSender {
    const existing = link.senders.get(lane);
    if (existing !== undefined) return existing;
    const { limits } = this.#options;
    const sender = new LaneSender({
      lane,
      bytesMax: limits[`${lane}LaneBytesMax`],
      batchBytesMax: limits.batchBytesMax,
      open: () => link.connection.newStream(laneProtocol(lane)),
      onDrain: () => this.#options.emit({ type: 'drain', peer: link.peer, lane }),
      onBroken: (reason) => this.close(link, reason, 'abort'),
    });
    link.senders.set(lane, sender);
    return sender;
  }

  /** Ends a link at once for this end; peer-close follows from here if it was the one in use. */
  close(link: Link, reason: string, how: 'gone' | 'abort' | 'close'): void {
    if (link.state === 'closed') return;
    const wasSelected = link.state === 'selected';
    link.state = 'closed';
    if (link.timer !== null) clearTimeout(link.timer);
    for (const sender of link.senders.values()) sender.close();
    this.#byConnection.delete(link.connection.id);
    this.#forgetCandidate(link);
    if (how === 'abort') link.connection.abort(new Error(reason));
    if (how === 'close') link.connection.close().catch(() => link.connection.abort(new Error(reason)));
    if (!wasSelected) return;
    this.#selected.delete(link.peer);
    this.#options.onClose(link);
    this.#options.emit({ type: 'peer-close', peer: link.peer, reason });
    this.#promote(link.peer);
  }

  /** The selected connection is gone: a spare that is still open takes its place. */
  #promote(peer: PeerId): void {
    if (this.#options.self > peer) return;
    for (const spare of this.#candidates.get(peer) ?? []) {
      if (spare.connection.status !== 'open') continue;
      this.#select(spare);
      return;
    }
  }

  #forgetCandidate(link: Link): void {
    const candidates = this.#candidates.get(link.peer);
    candidates?.delete(link);
    if (candidates?.size === 0) this.#candidates.delete(link.peer);
  }

  /** Everything to a peer, selected or not. */
  closePeer(peer: PeerId, reason: string, how: 'abort' | 'close'): void {
    for (const candidate of [...(this.#candidates.get(peer) ?? [])]) this.close(candidate, reason, how);
    const current = this.#selected.get(peer);
    if (current !== undefined) this.close(current, reason, how);
  }

  closeAll(reason: string): void {
    const peers = new Set([...this.#candidates.keys(), ...this.#selected.keys()]);
    for (const peer of peers) this.closePeer(peer, reason, 'close');
  }

  waitingBytes(): number {
    let bytes = 0;
    for (const link of this.#selected.values()) for (const sender of link.senders.values()) bytes += sender.waitingBytes;
    return bytes;
  }
}
