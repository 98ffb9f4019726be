// Tells of this node on every link: at once and again, to whoever asks, and that it goes (RFC 6762 §8.3, §6, §10.1).
import type { Announcement } from '../../actors/ports/index.ts';
import type { Complain, Link } from './mdns-link.ts';
import type { LinkUser } from './mdns-links.ts';
import type { Message } from './mdns-packet.ts';
import { recordsOn } from './mdns-records.ts';
import { Responder } from './mdns-responder.ts';

export type AnnouncerOptions = {
  self: Announcement;
  service: string;
  nowMs: () => number;
  random: () => number;
  complain: Complain;
};

export class Announcer implements LinkUser {
  readonly #options: AnnouncerOptions;
  readonly #responders = new Map<Link, Responder>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  opened(link: Link): void {
    if (this.#responders.has(link)) return;
    const { self, service, nowMs, random } = this.#options;
    const entries = recordsOn(link.face, self, service);
    const responder = new Responder(entries, random);
    responder.announce(nowMs());
    this.#responders.set(link, responder);
    this.#say();
  }

  /** Is there a link that this node can be reached from, and so is announced on? */
  get isTold(): boolean {
    return [...this.#responders.values()].some((responder) => !responder.isEmpty);
  }

  closed(link: Link): void {
    this.#responders.delete(link);
  }

  heard(link: Link, message: Message, sender: string): void {
    const responder = this.#responders.get(link);
    if (responder === undefined) return;
    const nowMs = this.#options.nowMs();
    if (message.type === 'query') responder.asked(message, nowMs);
    else if (!this.#isOwn(sender) && responder.contested(message.entries, nowMs)) {
      const text = 'another host speaks under the names of this node in multicast DNS';
      this.#options.complain('MDNS_CONTESTED', text, { sender, interface: link.face.name });
    }
    this.#say();
  }

  /** What this node says on one link may be heard on another. */
  #isOwn(sender: string): boolean {
    return [...this.#responders.keys()].some(({ face }) => face.address === sender);
  }

  #say(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const nowMs = this.#options.nowMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [link, responder] of this.#responders) {
      const said = responder.due(nowMs);
      if (said !== null) void link.respond(said.answers, said.additionals);
      nextMs = Math.min(nextMs, responder.nextMs());
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.#timer = setTimeout(() => this.#say(), Math.max(1, Math.ceil(nextMs - nowMs)));
  }

  /** Resolves when it has left. */
  async goodbye(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    const leaving = [...this.#responders].map(async ([link, responder]) => {
      const entries = responder.goodbye();
      if (entries.length > 0) await link.respond(entries, []);
    });
    this.#responders.clear();
    await Promise.all(leaving);
  }
}
