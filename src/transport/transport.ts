// The network port over libp2p 3: puts admission, gate, links, dialler and gossip together (actors/ports/network.ts).
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { Connection, MessageStream, Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { createDials, type Dials } from '../../actors/dials.ts';
import { type Lane, lanes, type NetworkEvent, type NetworkPort, type PeerId, type SinkPort } from '../../actors/ports/index.ts';
import { deriveKeys, secretBytesMin } from '../../machines/admission/index.ts';
import { type AdmissionRefused, admission, otherPeerMessage, ownAddress, ownAddressMessage } from './admission.ts';
import { Conduct } from './conduct.ts';
import { Dialler } from './dialler.ts';
import { TransportFault } from './fault.ts';
import { Gate } from './gate.ts';
import { Gossip } from './gossip.ts';
import { GossipLanes } from './gossip-lanes.ts';
import { encodeHello, type Hello, sealKeyBytes } from './hello.ts';
import { createHost, type Host } from './host.ts';
import { loadIdentity, peerIdOf } from './identity.ts';
import { type TransportLimits, transportLimits } from './limits.ts';
import { type Link, Links, laneProtocol } from './links.ts';
import { createEnvelopes } from './published.ts';

export type TransportOptions = {
  /** From `generateIdentity`; a secret. */
  identity: Uint8Array;
  /** Multiaddrs to listen on, e.g. /ip4/127.0.0.1/tcp/0. May be empty: a node that only dials. */
  listen: readonly string[];
  /** Multiaddrs to tell others instead of those listened on. */
  announce?: readonly string[];
  cluster: string;
  /** The cluster secret, at least `secretBytesMin` bytes, made at random. */
  secret: Uint8Array;
  /** 'auto': lanes are streams; 'gossipsub': everything goes over the cluster's topic. */
  messaging?: 'auto' | 'gossipsub';
  sink: SinkPort;
  limits?: Partial<TransportLimits>;
};

const nowMs = (): number => performance.now();

const parseAddress = (address: string): string => {
  try {
    return multiaddr(address).toString();
  } catch (error) {
    throw new TransportFault('ADDRESS_INVALID', `${address} is not a multiaddr: ${(error as Error).message}`);
  }
};

/** Host part of a multiaddr of an inbound connection: what the gate counts by. */
const hostOf = (address: string): string => address.split('/').slice(0, 3).join('/');

/** What went wrong with a dial, address by address. */
const messagesOf = (error: unknown): string[] => {
  const errors: unknown[] = error instanceof AggregateError ? error.errors : [error];
  return errors.map((one) => (one instanceof Error ? one.message : String(one)));
};

/** What libp2p says of whoever speaks something else, a web server for one, says nothing to a person. */
const inWords = (message: string): string => {
  if (/missing newline|multistream/i.test(message)) return 'what answers there is no node of Polity';
  if (/unexpected eof/i.test(message)) return 'it hung up before admission: no node of Polity, or one that takes nobody now';
  return message;
};

const reasonOf = (error: unknown): string => [...new Set(messagesOf(error).map(inWords))].join('; ');

const isOwn = (error: unknown): boolean => messagesOf(error).some((message) => message.includes(ownAddressMessage));

/** An inbound connection between accept and the end of its admission. */
type Knock = { address: string; atMs: number; settled: boolean };

type RawConnection = Pick<MessageStream, 'timeline'> & {
  remoteAddr: { toString(): string };
  addEventListener(type: 'close', run: () => void): void;
};

export class Transport implements NetworkPort {
  readonly #options: TransportOptions;
  readonly #limits: TransportLimits;
  readonly #gate: Gate;
  readonly #conduct = new Conduct(nowMs);
  readonly #sealKey = generateKeyPairSync('x25519');
  readonly #privateKey: ReturnType<typeof loadIdentity>;
  readonly self: PeerId;
  readonly #links: Links;
  readonly #dialler: Dialler;
  readonly #dials: Dials;
  /** Hello and knock by the timeline object that the raw and the upgraded connection share. */
  readonly #hellos = new WeakMap<object, Hello>();
  readonly #knocks = new WeakMap<object, Knock>();
  #host: Host | null = null;
  #gossip: Gossip | null = null;
  /** Null in 'auto': lanes are streams. */
  #gossipLanes: GossipLanes | null = null;
  #isMember: (source: PeerId) => boolean = () => true;
  #epoch = 0;
  #toldAddresses = '';
  #emit: ((event: NetworkEvent) => void) | null = null;
  #helloOf: (() => Uint8Array) | null = null;
  #refusedSecond = { second: 0, events: 0 };
  #stopped = false;
  #stopping: Promise<void> | null = null;

  private constructor(options: TransportOptions) {
    this.#options = options;
    this.#limits = { ...transportLimits, ...options.limits };
    this.#gate = new Gate(this.#limits, nowMs);
    this.#privateKey = loadIdentity(options.identity);
    this.self = peerIdOf(options.identity);
    this.#links = new Links({
      self: this.self,
      limits: this.#limits,
      emit: (event) => this.#tell(event),
      onOpen: (link) => this.#opened(link),
      onClose: (link) => this.#closed(link),
    });
    this.#dialler = new Dialler({
      self: this.self,
      limits: this.#limits,
      nowMs,
      random: Math.random,
      isOpen: (peer) => this.#links.selected(peer) !== undefined,
      dial: (addresses, timeLimitMs) => this.#dial(addresses, timeLimitMs),
      isOwn,
      isOther: (error) => messagesOf(error).every((message) => message.includes(otherPeerMessage)),
      onFailed: (peer, addresses, attempt, error) => {
        options.sink.count('dial_failed_total');
        // Once when it begins and then now and then: a member that is down for a day is one line every few minutes.
        if (attempt !== 1 && attempt % 128 !== 0) return;
        options.sink.log('info', 'DIAL_FAILED', reasonOf(error), { peer, addresses: addresses.join(' '), attempt });
      },
    });
    this.#dials = createDials({
      self: this.self,
      isOpen: (peer) => this.#links.selected(peer) !== undefined,
      dial: (addresses, wanted, done) =>
        void this.#dialOnce(addresses, wanted).then(
          (peer) => done(peer, null),
          (error: unknown) => done(null, reasonOf(error)),
        ),
      later: (run) => void setImmediate(run),
      tell: (event) => this.#tell(event),
    });
  }

  /** Listens (nobody is let in before `start`); throws a TransportFault that says what is wrong. */
  static async open(options: TransportOptions): Promise<Transport> {
    if (options.secret.byteLength < secretBytesMin)
      throw new TransportFault('SECRET_TOO_SHORT', `the cluster secret needs at least ${secretBytesMin} bytes`);
    const transport = new Transport(options);
    await transport.#listen();
    return transport;
  }

  async #listen(): Promise<void> {
    const { cluster, secret, listen, announce } = this.#options;
    const keys = deriveKeys(secret, cluster);
    const host = await createHost({
      privateKey: this.#privateKey,
      listen: listen.map(parseAddress),
      announce: (announce ?? []).map(parseAddress),
      limits: this.#limits,
      conduct: this.#conduct,
      denyInbound: (connection) => this.#knock(connection as RawConnection),
      encrypter: admission({
        keys,
        cluster,
        self: this.self,
        timeLimitMs: this.#limits.admissionMs,
        nonce: () => new Uint8Array(randomBytes(32)),
        hello: () => this.#hello(),
        onAdmitted: (connection, hello) => this.#admitted(connection as unknown as RawConnection, hello),
        onRefused: (connection, refused, peer) => this.#notAdmitted(connection as unknown as RawConnection, refused, peer),
      }),
    });
    this.#host = host;
    this.#startGossip(host, keys.gossipKey);
    host.addEventListener('connection:open', (event) => this.#connected(event.detail));
    host.addEventListener('self:peer:update', () => this.#listening());
    for (const lane of lanes) {
      const accept = (stream: Stream, connection: Connection): void => this.#links.accept(lane, stream, connection);
      await host.handle(laneProtocol(lane), accept, { maxInboundStreams: 2, maxOutboundStreams: 2 });
    }
  }

  #startGossip(host: Host, gossipKey: Uint8Array): void {
    const { cluster, sink, messaging } = this.#options;
    const gossip = new Gossip({
      ...{ host, cluster, sink, limits: this.#limits, nowMs },
      envelopes: createEnvelopes({
        ...{ gossipKey, self: this.self, publishedMs: this.#limits.publishedMs },
        ...{ epoch: () => this.#epoch, wallMs: Date.now },
      }),
      conduct: this.#conduct,
      isMember: (source) => this.#isMember(source),
      links: () => this.#links.all(),
      onPublished: (peer, topic, bytes) => this.#tell({ type: 'published', peer, topic, bytes }),
      onParts: (published) => this.#gossipLanes?.receive(published),
      onRefused: (code, message, peer) => this.#refused(code, message, peer, null),
      onSubscriptions: () => this.#gossipLanes?.wake(),
      onLost: (link) => this.#links.close(link, 'GOSSIP_LOST: gossip does not come up', 'abort'),
    });
    this.#gossip = gossip;
    if (messaging !== 'gossipsub') return;
    this.#gossipLanes = new GossipLanes({
      ...{ self: this.self, limits: this.#limits, gossipKey, ownKey: this.#sealKey.privateKey },
      linkOf: (peer) => this.#links.known(peer),
      streamTo: (link) => (gossip.isUp(link) ? gossip.streamTo(link) : null),
      put: (body) => gossip.putParts(body),
      emit: (event) => this.#tell(event),
      close: (link, reason) => this.#links.close(link, reason, 'abort'),
      onRefused: (code, message, peer) => this.#refused(code, message, peer, null),
    });
  }

  #opened(link: Link): void {
    this.#dialler.opened(link.peer);
    this.#gossip?.opened(link);
    this.#gossipLanes?.opened(link);
  }

  #closed(link: Link): void {
    this.#gossipLanes?.closed(link);
    this.#gossip?.closed(link);
    this.#dialler.closed(link.peer);
  }

  start(hello: { name: string; epoch: number; extra: Record<string, string> }, emit: (event: NetworkEvent) => void): void {
    const sealKey = this.#sealKey.publicKey.export({ type: 'spki', format: 'der' }).subarray(-sealKeyBytes);
    this.#helloOf = () => encodeHello({ ...hello, addresses: this.#addresses(), sealKey });
    this.#helloOf();
    this.#epoch = hello.epoch;
    this.#emit = emit;
    setImmediate(() => this.#listening());
  }

  #hello(): Uint8Array {
    if (this.#helloOf === null) throw new Error('NOT_STARTED: the gate lets nobody in before start');
    return this.#helloOf();
  }

  /** Without the peer id. */
  #addresses(): string[] {
    const suffix = `/p2p/${this.self}`;
    const addresses = (this.#host?.getMultiaddrs() ?? []).map((address) => address.toString());
    return addresses.map((address) => (address.endsWith(suffix) ? address.slice(0, -suffix.length) : address));
  }

  #listening(): void {
    const addresses = this.#addresses().map((address) => `${address}/p2p/${this.self}`);
    const told = addresses.join(' ');
    if (this.#emit === null || told === this.#toldAddresses) return;
    this.#toldAddresses = told;
    this.#tell({ type: 'listening', addresses });
  }

  #tell(event: NetworkEvent): void {
    if (this.#emit !== null && !this.#stopped) this.#emit(event);
  }

  // Admission: knock → admitted or not → connected.

  #knock(connection: RawConnection): boolean {
    if (this.#emit === null || this.#stopped) return true;
    const address = connection.remoteAddr.toString();
    const refusal = this.#gate.enter(hostOf(address), this.#host?.getConnections().length ?? 0);
    if (refusal !== null) {
      this.#refused(refusal, 'refused before its first byte', null, address);
      return true;
    }
    const knock: Knock = { address, atMs: nowMs(), settled: false };
    this.#knocks.set(connection.timeline, knock);
    connection.addEventListener('close', () => {
      if (knock.settled) return;
      const timedOut = nowMs() - knock.atMs >= this.#limits.admissionMs - 50;
      this.#settle(knock, false);
      if (timedOut) this.#refused('TIMED_OUT', `no handshake within ${this.#limits.admissionMs} ms`, null, address);
      else this.#refused('NO_PROOF', 'closed without speaking the admission protocol', null, address);
    });
    return false;
  }

  #settle(knock: Knock, admitted: boolean): void {
    if (knock.settled) return;
    knock.settled = true;
    this.#gate.leave(hostOf(knock.address), admitted);
  }

  #admitted(connection: RawConnection, hello: Hello): void {
    const knock = this.#knocks.get(connection.timeline);
    if (knock !== undefined) this.#settle(knock, true);
    this.#hellos.set(connection.timeline, hello);
  }

  #notAdmitted(connection: RawConnection, refused: AdmissionRefused, peer: string | null): void {
    const knock = this.#knocks.get(connection.timeline);
    if (knock !== undefined) this.#settle(knock, false);
    if (refused.code === ownAddress) return;
    this.#refused(refused.code, refused.message, peer, knock?.address ?? connection.remoteAddr?.toString() ?? null);
  }

  #refused(code: string, message: string, peer: PeerId | null, address: string | null): void {
    this.#options.sink.count('admission_refused_total', { code });
    const second = Math.floor(nowMs() / 1000);
    if (second !== this.#refusedSecond.second) this.#refusedSecond = { second, events: 0 };
    if (this.#refusedSecond.events++ >= this.#limits.refusedEventsPerSecondMax) return;
    this.#tell({ type: 'refused', code, message, peer, address });
  }

  #connected(connection: Connection): void {
    const hello = this.#hellos.get(connection.timeline);
    if (hello === undefined || this.#stopped) {
      connection.abort(new Error('no admission belongs to this connection'));
      return;
    }
    this.#links.add(connection, hello);
  }

  // Connections

  async #dial(addresses: readonly string[], timeLimitMs: number): Promise<PeerId> {
    if (this.#host === null || this.#stopped) throw new Error('STOPPED');
    const targets = addresses.map((address) => multiaddr(address));
    const connection = await this.#host.dial(targets, { signal: AbortSignal.timeout(timeLimitMs) });
    return connection.remotePeer.toString();
  }

  /** Those that can be dialled, as libp2p writes them. */
  #parsed(addresses: readonly string[]): string[] {
    return addresses.flatMap((address) => {
      try {
        return [parseAddress(address)];
      } catch (error) {
        this.#options.sink.log('warn', 'ADDRESS_INVALID', (error as Error).message, { address: address.slice(0, 256) });
        return [];
      }
    });
  }

  connect(addresses: readonly string[]): void {
    if (this.#dialler.keep(this.#parsed(addresses))) return;
    const facts = { addresses: addresses.slice(0, 8).join(' ') };
    this.#options.sink.log('warn', 'TOO_MANY_PEERS', 'more peers to keep connections to than there may be', facts);
  }

  dial(addresses: readonly string[]): void {
    this.#dials.dial(addresses);
  }

  async #dialOnce(addresses: readonly string[], wanted: PeerId | null): Promise<PeerId> {
    const parsed = this.#parsed(addresses);
    if (parsed.length === 0) throw new Error('NO_ADDRESS: none of these is an address that can be dialled');
    try {
      return await this.#dial(parsed, this.#limits.dialMs);
    } catch (error) {
      if (wanted === null && isOwn(error)) return this.self;
      throw error;
    }
  }

  release(peer: PeerId): void {
    this.#dialler.remove(peer);
  }

  disconnect(peer: PeerId): void {
    this.#dialler.remove(peer);
    queueMicrotask(() => this.#links.closePeer(peer, 'disconnected', 'close'));
  }

  drop(peer: PeerId, reason: string): void {
    queueMicrotask(() => this.#links.closePeer(peer, reason, 'abort'));
  }

  send(peer: PeerId, lane: Lane, message: Uint8Array): 'queued' | 'full' | 'unreachable' {
    return (this.#gossipLanes ?? this.#links).send(peer, lane, message);
  }

  subscribe(topic: string): void {
    this.#gossip?.subscribe(topic);
  }

  hear(isMember: (source: PeerId) => boolean): void {
    this.#isMember = isMember;
  }

  publish(topic: string, message: Uint8Array): 'queued' | 'full' {
    return this.#gossip?.publish(topic, message) ?? 'full';
  }

  stop(done: () => void): void {
    this.#stopping ??= this.#stop();
    this.#stopping.then(done, (error: Error) => {
      this.#options.sink.log('warn', 'STOP_FAILED', error.message);
      done();
    });
  }

  get #waitingBytes(): number {
    return this.#links.waitingBytes() + (this.#gossipLanes?.waitingBytes ?? 0) + (this.#gossip?.queuedBytes ?? 0);
  }

  async #stop(): Promise<void> {
    this.#stopped = true;
    this.#dialler.stop();
    this.#dials.stop();
    const untilMs = nowMs() + this.#limits.flushMs;
    while (this.#waitingBytes > 0 && nowMs() < untilMs) await new Promise((resolve) => setTimeout(resolve, 5));
    this.#gossipLanes?.stop();
    this.#gossip?.stop();
    this.#links.closeAll('stopping');
    await this.#host?.stop();
  }
}
