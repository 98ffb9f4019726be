// The sockets of multicast DNS: one for each interface, opened with the first who needs them and closed with the last. A socket is
// bound to the group, not to an address, so that nothing that was sent to this host alone reaches it: what is sent to 224.0.0.251
// passes no router (RFC 6762 §11). Linux hands a packet to every socket of the group, whichever interface it came by, so the
// sender's network tells which link it belongs to.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import type { SinkPort } from '../../actors/ports/index.ts';
import { chooseFaces, type Face, faceKey, type Interfaces, isOnLink } from './mdns-faces.ts';
import {
  type Asked,
  type DnsCodec,
  decodeMessage,
  type Entry,
  encodeQuery,
  encodeResponse,
  type Message,
} from './mdns-packet.ts';
import { LookupFault } from './source.ts';

export const group = '224.0.0.251';
const port = 5353;

export const linkLimits = {
  /** Reading what others send may take this part of a processor; the rest of a flood is dropped unread. */
  readingPart: 0.05,
  readingBurstMs: 250,
  /** No packet is cheaper than this. */
  packetMinMs: 0.02,
  /** Interfaces come and go. */
  lookAgainMs: 2_000,
  /** What is sent comes back to the sender at once; if it did not within this, multicast does not work here. */
  echoMs: 1_000,
  /** One warning of a kind in this time. */
  quietMs: 60_000,
} as const;

export type LinkUser = {
  opened?(link: Link): void;
  closed?(link: Link): void;
  heard(link: Link, message: Message, sender: string): void;
};

export type LinkPorts = {
  codec: DnsCodec;
  sink: SinkPort;
  /** The address of the one interface to use, or null for all that are safe. */
  wanted: string | null;
  interfaces?: () => Interfaces;
  nowMs?: () => number;
};

const reasonOf = (error: Error): string => {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') return 'another program holds UDP port 5353 and does not share it';
  if (code === 'EACCES' || code === 'EPERM') return 'this process may not use UDP port 5353';
  if (code === 'ENETUNREACH' || code === 'ENODEV' || code === 'EADDRNOTAVAIL') return 'there is no multicast on it';
  return error.message;
};

/** What may be said of a kind of trouble once in a while, so that no stranger fills the log. */
export const createComplaints = (sink: SinkPort, nowMs: () => number) => {
  const saidMs = new Map<string, number>();
  return (level: 'debug' | 'warn', code: string, message: string, facts: Record<string, unknown>): void => {
    if (nowMs() < (saidMs.get(code) ?? Number.NEGATIVE_INFINITY) + linkLimits.quietMs) return;
    saidMs.set(code, nowMs());
    sink.log(level, code, message, facts);
  };
};

type Complain = ReturnType<typeof createComplaints>;

/** One interface on which multicast DNS is spoken. */
export class Link {
  readonly face: Face;
  readonly #socket: Socket;
  readonly #codec: DnsCodec;
  readonly #nowMs: () => number;
  readonly #complain: Complain;
  #readingMs: number = linkLimits.readingBurstMs;
  #readMs: number;
  #sentMs: number | null = null;
  #echoed = false;
  #closed = false;
  #problem: string | null = null;

  private constructor(face: Face, ports: { codec: DnsCodec; nowMs: () => number; complain: Complain }) {
    this.face = face;
    this.#codec = ports.codec;
    this.#nowMs = ports.nowMs;
    this.#complain = ports.complain;
    this.#readMs = ports.nowMs();
    this.#socket = createSocket({ type: 'udp4', reuseAddr: true });
  }

  static async open(
    face: Face,
    ports: { codec: DnsCodec; nowMs: () => number; complain: Complain },
    heard: (link: Link, message: Message, sender: string) => void,
  ): Promise<Link> {
    const link = new Link(face, ports);
    const socket = link.#socket;
    socket.on('message', (bytes, from) => link.#received(bytes, from, heard));
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        // Windows binds to no group; there the sender's network alone decides.
        socket.bind({ port, address: process.platform === 'win32' ? '0.0.0.0' : group, exclusive: true }, resolve);
      });
      socket.addMembership(group, face.address);
      socket.setMulticastInterface(face.address);
      socket.setMulticastTTL(255);
      socket.setMulticastLoopback(true);
    } catch (error) {
      socket.removeAllListeners('error').on('error', () => {});
      socket.close();
      throw error;
    }
    socket.removeAllListeners('error').on('error', (error) => link.#failed(error));
    return link;
  }

  #failed(error: Error): void {
    this.#problem = reasonOf(error);
    this.#complain('warn', 'MDNS_SEND_FAILED', 'multicast DNS could not be sent', {
      interface: this.face.name,
      reason: this.#problem,
    });
  }

  #received(bytes: Buffer, from: RemoteInfo, heard: (link: Link, message: Message, sender: string) => void): void {
    if (from.port === port && from.address === this.face.address) this.#echoed = true;
    if (!isOnLink(this.face, from.address)) return;
    const startMs = this.#nowMs();
    this.#readingMs += (startMs - this.#readMs) * linkLimits.readingPart;
    this.#readingMs = Math.min(linkLimits.readingBurstMs, this.#readingMs);
    this.#readMs = startMs;
    if (this.#readingMs <= 0) {
      this.#complain('warn', 'MDNS_FLOOD', 'more multicast DNS than is read: some of it is dropped', {
        interface: this.face.name,
      });
      return;
    }
    const message = decodeMessage(this.#codec, bytes);
    // §6: answers come from the port, everything else is no multicast DNS. §6.7: questions from elsewhere want answers to one alone.
    if (message !== null && from.port === port) heard(this, message, from.address);
    this.#readingMs -= Math.max(linkLimits.packetMinMs, this.#nowMs() - startMs);
  }

  query(questions: readonly Asked[], known: readonly Entry[]): Promise<void> {
    return this.#send(encodeQuery(this.#codec, questions, known));
  }

  respond(answers: readonly Entry[], additionals: readonly Entry[]): Promise<void> {
    return this.#send(encodeResponse(this.#codec, answers, additionals));
  }

  /** Resolves when the bytes have left or could not. */
  #send(bytes: Buffer): Promise<void> {
    this.#sentMs ??= this.#nowMs();
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#socket.send(bytes, port, group, (error) => {
        if (error !== null) this.#failed(error);
        else this.#problem = null;
        resolve();
      });
    });
  }

  /** Why nothing can be heard on this link, in words; null if it works or it is too early to tell. */
  trouble(): string | null {
    if (this.#echoed) return null;
    if (this.#problem !== null) return this.#problem;
    const silent = this.#sentMs !== null && this.#nowMs() >= this.#sentMs + linkLimits.echoMs;
    return silent ? `what is sent to ${group} does not come back (a firewall on UDP port 5353, or no multicast)` : null;
  }

  close(): void {
    this.#closed = true;
    this.#socket.removeAllListeners('message');
    this.#socket.close();
  }
}

/** All links of one source. */
export class Links {
  readonly #ports: Required<LinkPorts>;
  readonly #complain: Complain;
  /** Who hears, and whether he was told of the links that are open. */
  readonly #users = new Map<LinkUser, { told: boolean }>();
  readonly #open = new Map<string, Link>();
  /** Why an interface could not be opened, by its key. */
  readonly #refused = new Map<string, string>();
  readonly #ending = new Set<() => void>();
  #looking: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;

  constructor(ports: LinkPorts) {
    this.#ports = { interfaces: networkInterfaces, nowMs: () => performance.now(), ...ports };
    this.#complain = createComplaints(ports.sink, this.#ports.nowMs);
  }

  get all(): readonly Link[] {
    return [...this.#open.values()];
  }

  /** From now on this user hears; the links that are open are named at once. Rejects where there is none. */
  async join(user: LinkUser): Promise<void> {
    const state = this.#users.get(user) ?? { told: false };
    this.#users.set(user, state);
    await this.#look();
    if (this.#users.get(user) === state && this.#open.size > 0) {
      state.told = true;
      for (const link of this.all) user.opened?.(link);
      this.#timer ??= setInterval(() => void this.#look(), linkLimits.lookAgainMs);
      return;
    }
    const fault = this.fault();
    this.leave(user);
    throw fault;
  }

  leave(user: LinkUser): void {
    this.#users.delete(user);
    if (this.#users.size > 0) return;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    for (const link of this.#open.values()) link.close();
    this.#open.clear();
  }

  /** Why nobody can be found, if nothing is open or nothing that is open works; an error in any case. */
  fault(): LookupFault {
    const { wanted } = this.#ports;
    const reasons = this.all.map((link) => [link.face.name, link.trouble()] as const);
    const words = [...reasons, ...this.#refused].map(([name, reason]) => `${name}: ${reason ?? 'silent'}`).join('; ');
    if (words !== '') return new LookupFault('SOURCE_UNREACHABLE', `multicast DNS works on no interface (${words})`);
    const message =
      wanted === null
        ? 'there is no interface with a private IPv4 address to speak multicast DNS on'
        : `no interface that is up has the address ${wanted}`;
    return new LookupFault('SOURCE_UNREACHABLE', message);
  }

  /** Resolves when the signal says so; rejects when no interface is left. For those who have joined. */
  untilOver(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const over = (): void => {
        this.#ending.delete(gone);
        resolve();
      };
      const gone = (): void => {
        signal.removeEventListener('abort', over);
        reject(this.fault());
      };
      if (signal.aborted) return resolve();
      this.#ending.add(gone);
      signal.addEventListener('abort', over, { once: true });
    });
  }

  /** Does no open link work? */
  isDeaf(): boolean {
    return this.all.every((link) => link.trouble() !== null);
  }

  /** One look at a time: closes what is gone, opens what is new. */
  #look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#lookNow());
    return this.#looking;
  }

  async #lookNow(): Promise<void> {
    const faces = new Map(chooseFaces(this.#ports.interfaces(), this.#ports.wanted).map((face) => [faceKey(face), face]));
    this.#refused.clear();
    for (const [key, link] of this.#open) if (!faces.has(key)) this.#lose(key, link);
    for (const [key, face] of faces) if (!this.#open.has(key)) await this.#add(key, face);
    for (const link of this.all) {
      const reason = link.trouble();
      if (reason !== null) this.#warn(link, reason);
    }
    if (this.#open.size > 0) return;
    for (const gone of this.#ending) gone();
    this.#ending.clear();
  }

  /** Trouble of one interface is said even where another works; the caller says it when none does. */
  #warn({ face }: Link, reason: string): void {
    this.#complain('warn', 'MDNS_DEAF', 'nobody can be found on an interface', { interface: face.name, reason });
  }

  #lose(key: string, link: Link): void {
    this.#open.delete(key);
    link.close();
    for (const user of this.#users.keys()) user.closed?.(link);
  }

  async #add(key: string, face: Face): Promise<void> {
    const ports = { codec: this.#ports.codec, nowMs: this.#ports.nowMs, complain: this.#complain };
    try {
      const link = await Link.open(face, ports, (from, message, sender) => {
        for (const user of this.#users.keys()) user.heard(from, message, sender);
      });
      if (this.#users.size === 0) return link.close();
      this.#open.set(key, link);
      for (const [user, { told }] of this.#users) if (told) user.opened?.(link);
    } catch (error) {
      this.#refused.set(face.name, reasonOf(error as Error));
    }
  }
}
