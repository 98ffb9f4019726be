// The socket of multicast DNS on one interface. It is bound to the group, not to an address, so that nothing that was sent to this
// host alone reaches it: what is sent to 224.0.0.251 passes no router (RFC 6762 §11). Linux hands a packet to every socket of the
// group, whichever interface it came by, so the sender's network tells which link it belongs to.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { SinkPort } from '../../actors/ports/index.ts';
import { type Face, isOnLink } from './mdns-faces.ts';
import {
  type Asked,
  type DnsCodec,
  decodeMessage,
  type Entry,
  encodeQuery,
  encodeResponse,
  type Message,
} from './mdns-packet.ts';

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
  /** So long after that a socket which used to work is opened anew, if it is still so at the next look. */
  lostMs: 5_000,
  /** One warning of a kind in this time. */
  quietMs: 60_000,
} as const;

/** Trouble of the network in words. */
export const reasonOf = (error: Error): string => {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') return 'another program holds UDP port 5353 and does not share it';
  if (code === 'EACCES' || code === 'EPERM') return 'this process may not use UDP port 5353';
  if (code === 'ENETUNREACH' || code === 'ENODEV' || code === 'EADDRNOTAVAIL') return 'there is no multicast on it';
  return error.message;
};

/** What may be said of a kind of trouble once in a while, so that no stranger fills the log. */
export const createComplaints = (sink: SinkPort, nowMs: () => number) => {
  const saidMs = new Map<string, number>();
  return (code: string, message: string, facts: Record<string, unknown>): void => {
    if (nowMs() < (saidMs.get(code) ?? Number.NEGATIVE_INFINITY) + linkLimits.quietMs) return;
    saidMs.set(code, nowMs());
    sink.log('warn', code, message, facts);
  };
};

export type Complain = ReturnType<typeof createComplaints>;

/**
 * How much of the processor reading may take: a short packet can be long to read. Counted in time of the processor, not of the clock,
 * since a busy machine is no flood.
 */
export class ReadingBudget {
  #leftMs: number = linkLimits.readingBurstMs;
  #sinceMs: number;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /** May one more packet be read? */
  allows(nowMs: number): boolean {
    const moreMs = (nowMs - this.#sinceMs) * linkLimits.readingPart;
    this.#leftMs = Math.min(linkLimits.readingBurstMs, this.#leftMs + moreMs);
    this.#sinceMs = nowMs;
    return this.#leftMs > 0;
  }

  /** What the last one took. */
  spend(processorMs: number): void {
    this.#leftMs -= Math.max(linkLimits.packetMinMs, processorMs);
  }
}

export type SocketPorts = {
  codec: DnsCodec;
  nowMs: () => number;
  complain: Complain;
  createSocket: () => Socket;
};

/** Other programs of this machine speak multicast DNS too. */
export const createSharedSocket = (): Socket => createSocket({ type: 'udp4', reuseAddr: true });

/** One interface on which multicast DNS is spoken. */
export class Link {
  readonly face: Face;
  readonly #socket: Socket;
  readonly #codec: DnsCodec;
  readonly #nowMs: () => number;
  readonly #complain: Complain;
  readonly #budget: ReadingBudget;
  /** Since when what was sent has not come back, nor anything else. */
  #waitingMs: number | null = null;
  #worked = false;
  #closed = false;
  #problem: string | null = null;

  private constructor(face: Face, ports: SocketPorts) {
    this.face = face;
    this.#codec = ports.codec;
    this.#nowMs = ports.nowMs;
    this.#complain = ports.complain;
    this.#budget = new ReadingBudget(ports.nowMs());
    this.#socket = ports.createSocket();
  }

  static async open(
    face: Face,
    ports: SocketPorts,
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
    this.#complain('MDNS_SEND_FAILED', 'multicast DNS could not be sent', {
      interface: this.face.name,
      reason: this.#problem,
    });
  }

  #received(bytes: Buffer, from: RemoteInfo, heard: (link: Link, message: Message, sender: string) => void): void {
    if (!isOnLink(this.face, from.address)) return;
    this.#waitingMs = null;
    this.#worked = true;
    if (!this.#budget.allows(this.#nowMs())) {
      const message = 'more multicast DNS than is read: some of it is dropped';
      this.#complain('MDNS_FLOOD', message, { interface: this.face.name });
      return;
    }
    const before = process.cpuUsage();
    const message = decodeMessage(this.#codec, bytes);
    // §6: answers come from the port, everything else is no multicast DNS. §6.7: questions from elsewhere want answers to one alone.
    if (message !== null && from.port === port) heard(this, message, from.address);
    const { user, system } = process.cpuUsage(before);
    this.#budget.spend((user + system) / 1_000);
  }

  query(questions: readonly Asked[], known: readonly Entry[]): Promise<void> {
    return this.#send(encodeQuery(this.#codec, questions, known));
  }

  respond(answers: readonly Entry[], additionals: readonly Entry[]): Promise<void> {
    return this.#send(encodeResponse(this.#codec, answers, additionals));
  }

  /** Resolves when the bytes have left or could not. */
  #send(bytes: Buffer): Promise<void> {
    this.#waitingMs ??= this.#nowMs();
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
    if (this.#waitingMs === null) return null;
    if (this.#problem !== null) return this.#problem;
    const silent = this.#nowMs() >= this.#waitingMs + linkLimits.echoMs;
    return silent ? `what is sent to ${group} does not come back (a firewall on UDP port 5353, or no multicast)` : null;
  }

  /** It worked and does not any more: the interface was perhaps made anew under the same name, without this socket in the group. */
  isLost(): boolean {
    return this.#worked && this.#waitingMs !== null && this.#nowMs() >= this.#waitingMs + linkLimits.lostMs;
  }

  close(): void {
    this.#closed = true;
    this.#socket.removeAllListeners('message');
    this.#socket.close();
  }
}
