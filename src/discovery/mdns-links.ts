// On which links of the machine a source listens: opened with the first who needs them, closed with the last, and looked at again
// now and then, as interfaces come and go.
import type { Socket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import type { SinkPort } from '../../actors/ports/index.ts';
import { chooseFaces, type Face, faceKey, type Interfaces } from './mdns-faces.ts';
import { type Complain, createComplaints, createSharedSocket, Link, linkLimits, reasonOf } from './mdns-link.ts';
import type { DnsCodec, Message } from './mdns-packet.ts';
import { LookupFault } from './source.ts';

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
  createSocket?: () => Socket;
};

/** All links of one source. */
export class Links {
  readonly #ports: Required<LinkPorts>;
  readonly #complain: Complain;
  /** Who hears, and whether he was told of the links that are open. */
  readonly #users = new Map<LinkUser, { told: boolean }>();
  readonly #open = new Map<string, Link>();
  /** Why an interface could not be opened, by its key. */
  readonly #refused = new Map<string, string>();
  /** Links that seemed lost at the last look. A node that was held up sees its own packets a moment after its own timers. */
  #suspected: ReadonlySet<Link> = new Set();
  readonly #ending = new Set<() => void>();
  #looking: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;
  #saidAlone = false;

  constructor(ports: LinkPorts) {
    this.#ports = {
      ...{ interfaces: networkInterfaces, nowMs: () => performance.now(), createSocket: createSharedSocket },
      ...ports,
    };
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
      this.#sayIfAlone();
      for (const link of this.all) user.opened?.(link);
      this.#timer ??= setInterval(() => void this.#look().catch(() => {}), linkLimits.lookAgainMs);
      return;
    }
    const fault = this.fault();
    this.leave(user);
    throw fault;
  }

  /** A machine with public addresses alone finds nobody else, until its owner says that he wants that. */
  #sayIfAlone(): void {
    if (this.#saidAlone || this.#ports.wanted !== null || this.all.some(({ face }) => !face.loopback)) return;
    this.#saidAlone = true;
    const message = 'multicast DNS is spoken on this machine alone: no other interface has a private address (see ?interface=)';
    this.#ports.sink.log('info', 'MDNS_ALONE', message);
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
    const looked = this.#looking.then(() => this.#lookNow());
    this.#looking = looked.catch(() => {});
    return looked;
  }

  #faces(): Map<string, Face> {
    try {
      const faces = chooseFaces(this.#ports.interfaces(), this.#ports.wanted);
      return new Map(faces.map((face) => [faceKey(face), face]));
    } catch {
      // Some sandboxes do not tell.
      this.#refused.set('every interface', 'the system does not list them');
      return new Map();
    }
  }

  async #lookNow(): Promise<void> {
    this.#refused.clear();
    this.#refused.clear();
    const faces = this.#faces();
    const lost = new Set(this.all.filter((link) => link.isLost()));
    for (const [key, link] of this.#open)
      if (!faces.has(key) || (lost.has(link) && this.#suspected.has(link))) this.#lose(key, link);
    this.#suspected = lost;
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
    this.#complain('MDNS_DEAF', 'nobody can be found on an interface', { interface: face.name, reason });
  }

  #lose(key: string, link: Link): void {
    this.#open.delete(key);
    link.close();
    for (const user of this.#users.keys()) user.closed?.(link);
  }

  async #add(key: string, face: Face): Promise<void> {
    const ports = { ...this.#ports, complain: this.#complain };
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
