// The network of a simulated world: hosts, connections that live as long as both ends believe in them, lanes in order at most
// once, topics that lose. A direction that is blocked stalls, as TCP does over a broken path: what was sent arrives when the path
// is mended, if the connection is still there. A process that dies takes its connections along; whether the others hear of it
// depends on whether its host is still there to tell them.
import { createDials, type Dials, peerOfAddress } from '../actors/dials.ts';
import { dialLimits, type Lane, lanes, type NetworkEvent, type NetworkPort, type PeerId } from '../actors/ports/index.ts';
import { limits } from '../machines/wire/limits.ts';
import { allocate } from '../machines/wire/octets.ts';
import type { Process } from './process.ts';
import type { NetworkTap } from './record.ts';
import type { Chance, Handle, World } from './world.ts';

export type NetworkOptions = {
  /** One way, milliseconds: at least, at most. */
  latencyMs: readonly [number, number];
  bytesPerMs: number;
  /** What a lane takes before it is full, at most; the bulk lane always takes the window of a snapshot. */
  laneBytes?: number;
  /** Of published messages: how many are lost, come twice, or overtake each other. */
  publishLoss: number;
  publishTwice: number;
  publishReorder: boolean;
};

export const calmNetwork: NetworkOptions = {
  latencyMs: [0.1, 1],
  bytesPerMs: 100_000,
  publishLoss: 0,
  publishTwice: 0,
  publishReorder: false,
};

const frameBytesMax = 64 << 10;
const laneBytesMax: Record<Lane, number> = {
  control: limits.controlLaneBytesMax,
  calls: limits.callsLaneBytesMax,
  bulk: limits.bulkLaneBytesMax,
};
const redialMsMin = 50;
const redialMsMax = 400;
const dialMs = 2_500;
const publishBytesMax = 8 << 20;
const publishPatienceMs = 2_000;
/** What a path over which nothing was acknowledged for a while waits before it tries again. */
const retransmitMs: readonly [number, number] = [5, 200];
const resentMsMax = 1_600;

/** `whole`: the messages, one behind the other. */
type Frame = { messages: Uint8Array[]; bytes: number; whole: Uint8Array };
type LaneState = { turn: Uint8Array[]; bytes: number; wasFull: boolean; pipe: Frame[]; lastAtMs: number };

const frameOverheadBytes = 4;
const messageBytes = (message: Uint8Array): number => message.byteLength + frameOverheadBytes;
const newLane = (): LaneState => ({ turn: [], bytes: 0, wasFull: false, pipe: [], lastAtMs: 0 });
const newLanes = (): Record<Lane, LaneState> => ({ control: newLane(), calls: newLane(), bulk: newLane() });

/** One end of a connection, with what it sends. */
class End {
  readonly port: SimulatedPort;
  readonly lanes = newLanes();
  other!: End;
  isOpen = true;
  /** The other end closed and this one could not be told yet. */
  closing: string | null = null;

  constructor(port: SimulatedPort) {
    this.port = port;
  }
}

export class Network {
  readonly world: World;
  readonly options: NetworkOptions;
  readonly chance: Chance;
  /** Times the ordinary latency, by direction. */
  readonly slowness = new Map<string, number>();
  /** Set while a run is recorded. */
  tap: NetworkTap | null = null;
  /** Of the frames of a direction, how many are lost on their first way: TCP sends them again, and what follows waits. */
  readonly loss = new Map<string, number>();
  /** Times what a byte ordinarily takes, by direction: others use the path too. */
  readonly congestion = new Map<string, number>();
  readonly #blocked = new Set<string>();
  readonly #hosts = new Map<string, SimulatedPort>();

  constructor(world: World, options: NetworkOptions) {
    this.world = world;
    this.options = options;
    this.chance = world.chance('network');
  }

  /** The port of one life of a process on a host; the host's name is its address. */
  create(host: string, self: PeerId, process: Process): SimulatedPort {
    return new SimulatedPort(this, host, self, process);
  }

  isBlocked(from: string, to: string): boolean {
    // Mostly nothing is, and every frame asks.
    return this.#blocked.size > 0 && this.#blocked.has(`${from}→${to}`);
  }

  /** Stalls one direction. */
  block(from: string, to: string): void {
    this.#blocked.add(`${from}→${to}`);
  }

  unblock(from: string, to: string): void {
    if (!this.#blocked.delete(`${from}→${to}`)) return;
    this.#hosts.get(from)?.flow(to);
    this.#hosts.get(to)?.closeWhatIsClosing(from);
  }

  heal(): void {
    this.slowness.clear();
    this.loss.clear();
    this.congestion.clear();
    for (const path of [...this.#blocked]) {
      const [from, to] = path.split('→') as [string, string];
      this.unblock(from, to);
    }
  }

  /** Breaks what is open between two hosts; both ends are told. */
  reset(a: string, b: string): void {
    const end = this.#hosts.get(a)?.endTo(b);
    if (end === undefined) return;
    end.port.close(end, 'connection reset');
    end.other.port.close(end.other, 'connection reset');
  }

  portAt(host: string): SimulatedPort | undefined {
    return this.#hosts.get(host);
  }

  arrive(host: string, port: SimulatedPort): void {
    this.#hosts.set(host, port);
  }

  /** A process is gone; `silently` when its host went with it. */
  leave(port: SimulatedPort, silently: boolean): void {
    if (this.#hosts.get(port.host) === port) this.#hosts.delete(port.host);
    for (const end of port.ends()) {
      end.isOpen = false;
      if (!silently) this.tellClosed(end, 'connection reset');
    }
  }

  latencyMs(from: string, to: string, bytes: number): number {
    const { latencyMs, bytesPerMs } = this.options;
    const ms = this.chance.tail(latencyMs[0], latencyMs[1]);
    if (this.slowness.size + this.loss.size + this.congestion.size === 0) return ms + bytes / bytesPerMs;
    const path = `${from}→${to}`;
    const bytesMs = (bytes / bytesPerMs) * (this.congestion.get(path) ?? 1);
    return ms * (this.slowness.get(path) ?? 1) + bytesMs + this.#resentMs(path);
  }

  /** RFC 6298: the first time-out is 200 ms at least, in practice, and each further one is twice as long. */
  #resentMs(path: string): number {
    const loss = this.loss.get(path);
    if (loss === undefined) return 0;
    let waitedMs = 0;
    for (let timeoutMs = retransmitMs[1]; timeoutMs <= resentMsMax && this.chance.happens(loss); timeoutMs *= 2)
      waitedMs += timeoutMs;
    return waitedMs;
  }

  /** Lets the other end of a closed one know, as soon as the path carries it. */
  tellClosed(end: End, reason: string): void {
    const { other } = end;
    if (!other.isOpen) return;
    const [from, to] = [end.port.host, other.port.host];
    this.world.after(this.latencyMs(from, to, 0), () => {
      if (!other.isOpen) return;
      if (this.isBlocked(from, to)) other.closing = reason;
      else other.port.close(other, reason);
    });
  }
}

/** `addresses`: what was told last comes first. */
type Target = { addresses: string[]; peer: PeerId | null; attempt: number; dialling: boolean; timer: Handle | null };

const hostOf = (address: string): string => address.split('/')[2] ?? '';

export const addressOf = (host: string): string => `/dns/${host}/tcp/1`;

export class SimulatedPort implements NetworkPort {
  readonly self: PeerId;
  readonly host: string;
  readonly process: Process;
  readonly #network: Network;
  readonly #world: World;
  readonly #ends = new Map<PeerId, End>();
  /** The latest end to each host. */
  readonly #endsByHost = new Map<string, End>();
  readonly #targetByPeer = new Map<PeerId, Target>();
  readonly #targetByHost = new Map<string, Target>();
  readonly #topics = new Set<string>();
  #isMember: (source: PeerId) => boolean = () => true;
  #hello: { name: string; epoch: number; extra: Record<string, string> } | null = null;
  #emit: (event: NetworkEvent) => void = () => {};
  #isStopped = false;
  #publishing: { topic: string; message: Uint8Array; untilMs: number }[] = [];
  #publishBytes = 0;
  #publishSoon = false;
  readonly #publishedAtMs = new Map<string, number>();
  readonly #dials: Dials;

  constructor(network: Network, host: string, self: PeerId, process: Process) {
    this.#network = network;
    this.#world = network.world;
    this.host = host;
    this.self = self;
    this.process = process;
    this.#dials = createDials({
      self,
      isOpen: (peer) => this.#ends.has(peer),
      dial: (addresses, _wanted, done) => this.#dialOnce(addresses, done),
      later: (run) => process.enter('dialled', run),
      tell: (event) => this.#emit(event),
    });
  }

  get #isThere(): boolean {
    return this.#hello !== null && !this.#isStopped && this.process.isAlive;
  }

  get #addresses(): string[] {
    return [`${addressOf(this.host)}/p2p/${this.self}`];
  }

  ends(): End[] {
    return [...this.#ends.values()];
  }

  endTo(host: string): End | undefined {
    return this.#endsByHost.get(host);
  }

  start(hello: { name: string; epoch: number; extra: Record<string, string> }, emit: (event: NetworkEvent) => void): void {
    this.#hello = hello;
    this.#emit = emit;
    this.#network.arrive(this.host, this);
    this.#tell({ type: 'listening', addresses: this.#addresses });
  }

  #tell(event: NetworkEvent): void {
    const bytes = 'bytes' in event ? event.bytes : null;
    this.process.enter(event.type, () => this.#emit(event), bytes);
  }

  // -------------------------------------------------------------- connections

  connect(addresses: readonly string[]): void {
    if (this.#isStopped) return;
    for (const address of addresses) if (hostOf(address) !== this.host) this.#redial(this.#aim(address));
  }

  /** Addresses of one peer, or of one host, belong together. */
  #aim(address: string): Target {
    const peer = peerOfAddress(address);
    const host = hostOf(address);
    const known = (peer === null ? undefined : this.#targetByPeer.get(peer)) ?? this.#targetByHost.get(host);
    const target = known ?? { addresses: [], peer: null, attempt: 0, dialling: false, timer: null };
    if (!target.addresses.includes(address)) {
      target.addresses = [address, ...target.addresses].slice(0, dialLimits.addressesMax);
      target.attempt = 0;
    }
    if (!this.#targetByHost.has(host)) this.#targetByHost.set(host, target);
    if (peer !== null) this.#name(target, peer);
    return target;
  }

  #name(target: Target, peer: PeerId): void {
    if (target.peer !== null && this.#targetByPeer.get(target.peer) === target) this.#targetByPeer.delete(target.peer);
    target.peer = peer;
    this.#targetByPeer.set(peer, target);
  }

  #isWanted(target: Target): boolean {
    return target.addresses.some((address) => this.#targetByHost.get(hostOf(address)) === target);
  }

  dial(addresses: readonly string[]): void {
    this.#dials.dial(addresses);
  }

  #dialOnce(addresses: readonly string[], done: (peer: PeerId | null, reason: string | null) => void): void {
    const [address, ...others] = addresses;
    if (address === undefined) return done(null, 'nobody answers');
    if (hostOf(address) === this.host && peerOfAddress(address) === null) return done(this.self, null);
    this.#knock(address, (other) => {
      if (other === null) return this.#dialOnce(others, done);
      this.#join(other);
      done(other.self, null);
    });
  }

  release(peer: PeerId): void {
    const target = this.#targetByPeer.get(peer);
    if (target === undefined) return;
    this.#targetByPeer.delete(peer);
    for (const address of target.addresses)
      if (this.#targetByHost.get(hostOf(address)) === target) this.#targetByHost.delete(hostOf(address));
    target.timer?.cancel();
  }

  disconnect(peer: PeerId): void {
    this.release(peer);
    this.#hangUp(peer, 'disconnected');
  }

  drop(peer: PeerId, reason: string): void {
    this.#hangUp(peer, reason);
  }

  #hangUp(peer: PeerId, reason: string): void {
    const end = this.#ends.get(peer);
    if (end === undefined) return;
    this.close(end, reason);
    this.#network.tellClosed(end, 'closed by the peer');
  }

  /** This end is closed, and what it had not delivered is lost. */
  close(end: End, reason: string): void {
    if (!end.isOpen) return;
    end.isOpen = false;
    const { self: peer, host } = end.other.port;
    if (this.#ends.get(peer) === end) this.#ends.delete(peer);
    if (this.#endsByHost.get(host) === end) this.#endsByHost.delete(host);
    this.#tell({ type: 'peer-close', peer, reason });
    this.process.enter('redial', () => {
      for (const target of new Set([this.#targetByPeer.get(peer), this.#targetByHost.get(host)]))
        if (target !== undefined) this.#redial(target);
    });
  }

  closeWhatIsClosing(host: string): void {
    const end = this.endTo(host);
    if (end !== undefined && end.closing !== null) this.close(end, end.closing);
  }

  #redial(target: Target): void {
    const isOpen = target.peer !== null ? this.#ends.has(target.peer) : target.addresses.some((one) => this.endTo(hostOf(one)));
    if (isOpen || target.dialling || !this.#isThere) return;
    target.dialling = true;
    const waitMs = target.attempt === 0 ? 0 : Math.min(redialMsMax, redialMsMin * 2 ** Math.min(10, target.attempt - 1));
    const jittered = waitMs * (0.75 + 0.5 * this.#network.chance.fraction());
    target.timer = this.#world.after(jittered, () => this.#dial(target));
  }

  #dial(target: Target): void {
    this.#knock(target.addresses[target.attempt % target.addresses.length]!, (other) => {
      if (other === null) return this.#dialFailed(target);
      target.dialling = false;
      target.attempt = 0;
      if (!this.#isWanted(target)) return;
      this.#name(target, other.self);
      this.#join(other);
    });
  }

  /** Admission by whoever listens there; null if it fails. */
  #knock(address: string, done: (other: SimulatedPort | null) => void): void {
    if (!this.#isThere || this.process.isPaused) return done(null);
    const network = this.#network;
    const [from, to] = [this.host, hostOf(address)];
    const isBroken = (): boolean => network.isBlocked(from, to) || network.isBlocked(to, from);
    const other = network.portAt(to);
    // Nobody listens: the host says so at once. Nothing passes: silence until the limit.
    if (isBroken()) return void this.#world.after(dialMs, () => done(null));
    const handshakeMs = 3 * (network.latencyMs(from, to, 500) + network.latencyMs(to, from, 500));
    this.#world.after(handshakeMs, () => {
      const isGood = other?.isListening === true && network.portAt(to) === other && !isBroken() && !other.process.isPaused;
      const wanted = peerOfAddress(address);
      const isHe = isGood && this.#isThere && other !== this && (wanted === null || wanted === other.self);
      done(isHe ? other : null);
    });
  }

  get isListening(): boolean {
    return this.#isThere;
  }

  #dialFailed(target: Target): void {
    target.dialling = false;
    target.attempt++;
    if (this.#isWanted(target)) this.#redial(target);
  }

  /** Both ends are open; an old connection that only one end still believes in gives way. */
  #join(other: SimulatedPort): void {
    const mine = this.#ends.get(other.self);
    const theirs = other.#ends.get(this.self);
    if (mine !== undefined && theirs !== undefined && mine.other === theirs) return;
    if (mine !== undefined) this.close(mine, 'superseded');
    if (theirs !== undefined) other.close(theirs, 'superseded');
    const [a, b] = [new End(this), new End(other)];
    a.other = b;
    b.other = a;
    this.#opened(a);
    other.#opened(b);
  }

  #opened(end: End): void {
    const { port } = end.other;
    const { name, epoch, extra } = port.#hello!;
    this.#ends.set(port.self, end);
    this.#endsByHost.set(port.host, end);
    this.#tell({ type: 'peer-open', peer: port.self, name, epoch, addresses: port.#addresses, hello: { ...extra } });
    this.#publishLater();
  }

  // -------------------------------------------------------------- lanes

  send(peer: PeerId, lane: Lane, message: Uint8Array): 'queued' | 'full' | 'unreachable' {
    if (message.byteLength > limits.messageBytesMax)
      throw new RangeError(`MESSAGE_TOO_LARGE: ${message.byteLength} bytes, at most ${limits.messageBytesMax}`);
    const end = this.#ends.get(peer);
    if (end === undefined) return 'unreachable';
    const state = end.lanes[lane];
    const bytes = messageBytes(message);
    if (state.bytes > 0 && state.bytes + bytes > this.#laneBytesMax(lane)) {
      state.wasFull = true;
      return 'full';
    }
    state.bytes += bytes;
    state.turn.push(message);
    if (state.turn.length === 1) this.process.soon(() => this.#leave(end, lane));
    return 'queued';
  }

  /** What one turn queued leaves in as few frames as may be. */
  #leave(end: End, lane: Lane): void {
    const state = end.lanes[lane];
    const queued = state.turn;
    state.turn = [];
    if (!end.isOpen) return;
    for (let from = 0, to = 0; from < queued.length; from = to) {
      let bytes = 0;
      for (; to < queued.length && (to === from || bytes + messageBytes(queued[to]!) <= frameBytesMax); to++)
        bytes += messageBytes(queued[to]!);
      this.#transmit(end, lane, frameOf(from === 0 && to === queued.length ? queued : queued.slice(from, to), bytes));
    }
  }

  #transmit(end: End, lane: Lane, frame: Frame): void {
    const state = end.lanes[lane];
    state.pipe.push(frame);
    this.#network.tap?.sent(frame, this.host, end.other.port.host, lane, frame.messages);
    const latencyMs = this.#network.latencyMs(this.host, end.other.port.host, frame.bytes);
    state.lastAtMs = Math.max(state.lastAtMs, this.#world.nowMs + latencyMs);
    this.#world.after(state.lastAtMs - this.#world.nowMs, () => this.#pass(end, lane));
  }

  /** The path to this host is there again: what waits goes on. */
  flow(to: string): void {
    const end = this.endTo(to);
    if (end === undefined) return;
    for (const lane of lanes) {
      const state = end.lanes[lane];
      const delayMs = this.#network.chance.tail(...retransmitMs);
      state.lastAtMs = Math.max(state.lastAtMs, this.#world.nowMs + delayMs);
      for (const _ of state.pipe) this.#world.after(state.lastAtMs - this.#world.nowMs, () => this.#pass(end, lane));
    }
  }

  /** The oldest frame of a lane arrives. */
  #pass(end: End, lane: Lane): void {
    const state = end.lanes[lane];
    const receiver = end.other.port;
    if (state.pipe.length === 0 || this.#network.isBlocked(this.host, receiver.host)) return;
    const frame = state.pipe.shift()!;
    // Nobody there any more: its host says so.
    if (!end.other.isOpen || !receiver.process.isAlive) {
      this.#network.tap?.lost(frame, receiver.process.isAlive ? 'the connection was closed' : 'nobody is there any more');
      if (this.#network.portAt(receiver.host) !== undefined) this.#network.tellClosed(end.other, 'connection reset');
      return;
    }
    receiver.process.arrive(
      `${lane} ×${frame.messages.length} from ${this.host}`,
      () => {
        if (!end.other.isOpen) return this.#network.tap?.lost(frame, 'the connection was closed');
        this.#network.tap?.received(frame);
        this.#taken(end, lane, frame.bytes);
        for (const bytes of frame.messages) receiver.#emit({ type: 'message', peer: this.self, lane, bytes });
      },
      frame.whole,
    );
  }

  #laneBytesMax(lane: Lane): number {
    const { laneBytes } = this.#network.options;
    return laneBytes === undefined || lane === 'bulk' ? laneBytesMax[lane] : Math.min(laneBytes, laneBytesMax[lane]);
  }

  #taken(end: End, lane: Lane, bytes: number): void {
    const state = end.lanes[lane];
    state.bytes -= bytes;
    if (!state.wasFull || state.bytes > this.#laneBytesMax(lane) / 2 || !end.isOpen) return;
    state.wasFull = false;
    this.#tell({ type: 'drain', peer: end.other.port.self, lane });
  }

  // -------------------------------------------------------------- topics

  subscribe(topic: string): void {
    this.#topics.add(topic);
  }

  hear(isMember: (source: PeerId) => boolean): void {
    this.#isMember = isMember;
  }

  publish(topic: string, message: Uint8Array): 'queued' | 'full' {
    if (this.#publishBytes > 0 && this.#publishBytes + message.byteLength > publishBytesMax) return 'full';
    this.#publishBytes += message.byteLength;
    this.#publishing.push({ topic, message: message.slice(), untilMs: this.#world.nowMs + publishPatienceMs });
    this.#publishLater();
    return 'queued';
  }

  #publishLater(): void {
    if (this.#publishSoon || this.#publishing.length === 0) return;
    this.#publishSoon = true;
    this.process.enter('publish', () => this.#publishNow());
  }

  #publishNow(): void {
    this.#publishSoon = false;
    if (this.#ends.size === 0) {
      // Nobody to hear it yet; what waited too long is forgotten.
      const { nowMs } = this.#world;
      this.#publishing = this.#publishing.filter(({ untilMs }) => untilMs > nowMs);
      this.#publishBytes = this.#publishing.reduce((sum, { message }) => sum + message.byteLength, 0);
      return;
    }
    const queued = this.#publishing;
    this.#publishing = [];
    this.#publishBytes = 0;
    for (const end of this.ends()) for (const { topic, message } of queued) this.#publishTo(end.other.port, topic, message);
  }

  #publishTo(other: SimulatedPort, topic: string, message: Uint8Array): void {
    const network = this.#network;
    const { publishLoss, publishTwice, publishReorder } = network.options;
    if (!other.#topics.has(topic)) return;
    const frame = { messages: [message] };
    network.tap?.sent(frame, this.host, other.host, 'topic', frame.messages);
    if (network.chance.happens(publishLoss)) return network.tap?.lost(frame, 'published messages may be lost');
    const times = network.chance.happens(publishTwice) ? 2 : 1;
    for (let time = 0; time < times; time++) {
      const atMs = this.#world.nowMs + network.latencyMs(this.host, other.host, message.byteLength);
      const orderedMs = publishReorder ? atMs : Math.max(atMs, (this.#publishedAtMs.get(other.self) ?? 0) + 0.001);
      this.#publishedAtMs.set(other.self, orderedMs);
      this.#world.after(orderedMs - this.#world.nowMs, () => {
        if (network.isBlocked(this.host, other.host) || !other.isListening)
          return network.tap?.lost(frame, other.isListening ? 'the path is blocked' : 'nobody listens');
        if (!other.#isMember(this.self)) return network.tap?.lost(frame, 'its source is no member');
        network.tap?.received(frame);
        other.#tell({ type: 'published', peer: this.self, topic, bytes: message });
      });
    }
  }

  stop(done: () => void): void {
    this.#isStopped = true;
    this.#dials.stop();
    for (const target of this.#targetByHost.values()) target.timer?.cancel();
    for (const end of this.ends()) this.#hangUp(end.other.port.self, 'stopping');
    if (this.#network.portAt(this.host) === this) this.#network.leave(this, false);
    this.process.enter('stopped', done);
  }
}

/** Copied: the sender's buffers are its own again. */
const frameOf = (queued: readonly Uint8Array[], bytes: number): Frame => {
  const whole = allocate(bytes - queued.length * frameOverheadBytes);
  let at = 0;
  const messages = queued.map((message) => {
    whole.set(message, at);
    return whole.subarray(at, (at += message.byteLength));
  });
  return { messages, bytes, whole };
};
