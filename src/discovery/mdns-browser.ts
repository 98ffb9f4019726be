// Asks on every link who is there, keeps what is said, and tells when it changed (RFC 6762 §5.2: the first question at once, then
// after 1 s, 3 s, 9 s and so on up to a minute; what grows old is asked for at 80 % of its time).
import type { Finding } from '../../actors/ports/index.ts';
import { LinkCache, type LinkCacheOptions } from './mdns-cache.ts';
import type { Link } from './mdns-link.ts';
import type { LinkUser } from './mdns-links.ts';
import { keyOf, type Message } from './mdns-packet.ts';
import { sourceLimits } from './source.ts';

const askGaps = { firstMs: 1_000, factor: 3, maxMs: 60_000 };
/** The first questions are everybody's own. */
const spareGapMs = 3_000;
/** Not at the same time as everybody else, who may have started together: the first to ask spares the others. */
const spread = (gapMs: number): number => (gapMs <= spareGapMs ? gapMs : gapMs * (0.9 + 0.2 * Math.random()));
/** Not asked again on a link within this, whoever wants to know (§5.2). */
const askPauseMs = 1_000;
/** Records that claim to live for a moment only make nobody ask more often than this. */
const timerMinMs = 100;
/** Many answers that come together are told together. */
const gatherMs = 50;

type Known = { cache: LinkCache; askAtMs: number; askGapMs: number; askedMs: number };

export type BrowserOptions = Omit<LinkCacheOptions, 'loopback' | 'spread'> & {
  self: string;
  nowMs: () => number;
};

/** What one link knows of a peer and what another does is one finding with the addresses of both. */
const merge = (findings: readonly Finding[]): Finding[] => {
  const merged = new Map<string, Finding>();
  for (const finding of findings) {
    const key = finding.peer ?? finding.addresses.join(' ');
    const known = merged.get(key);
    if (known === undefined) {
      merged.set(key, finding);
      continue;
    }
    const addresses = [...new Set([...known.addresses, ...finding.addresses])].slice(0, sourceLimits.addressesMax);
    merged.set(key, { ...known, addresses, ttlMs: Math.min(known.ttlMs, finding.ttlMs) });
  }
  return [...merged.values()].slice(0, sourceLimits.findingsMax);
};

const withoutTime = (findings: readonly Finding[]): string =>
  JSON.stringify(findings.map(({ ttlMs: _, ...rest }) => rest).toSorted((a, b) => ((a.peer ?? '') < (b.peer ?? '') ? -1 : 1)));

export class Browser implements LinkUser {
  readonly #options: BrowserOptions;
  readonly #known = new Map<Link, Known>();
  readonly #watching = new Set<() => void>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: BrowserOptions) {
    this.#options = options;
  }

  /** Calls when what is known may have changed, until the function that it returns is called. */
  watch(changed: () => void): () => void {
    this.#watching.add(changed);
    return () => this.#watching.delete(changed);
  }

  opened(link: Link): void {
    if (this.#known.has(link)) return;
    const { service, cluster, leaveOut, nowMs } = this.#options;
    const cache = new LinkCache({ service, cluster, leaveOut, spread: Math.random(), loopback: link.face.loopback });
    this.#known.set(link, { cache, askAtMs: nowMs(), askGapMs: askGaps.firstMs, askedMs: Number.NEGATIVE_INFINITY });
    this.#tick();
  }

  closed(link: Link): void {
    this.#known.delete(link);
    this.#changed();
  }

  #changed(): void {
    for (const changed of this.#watching) changed();
  }

  heard(link: Link, message: Message, sender: string): void {
    const known = this.#known.get(link);
    if (known === undefined) return;
    if (message.type === 'query') {
      if (sender !== link.face.address) this.#spared(known, message);
      return;
    }
    known.cache.apply(message.entries, sender, this.#options.nowMs());
    this.#schedule();
    this.#changed();
  }

  /** §7.3: somebody else asked what we would ask soon, and all that he knows is known here, so we shall hear whatever we lack. */
  #spared(known: Known, { questions, known: theirs }: Extract<Message, { type: 'query' }>): void {
    const { service, nowMs } = this.#options;
    const isOurs = questions.some(({ name, type }) => type === 'PTR' && keyOf(name) === keyOf(service));
    if (!isOurs || known.askGapMs <= spareGapMs || !known.cache.hasAll(theirs, nowMs())) return;
    known.askAtMs = nowMs() + spread(known.askGapMs);
    known.askGapMs = Math.min(known.askGapMs * askGaps.factor, askGaps.maxMs);
  }

  findings(): Finding[] {
    const nowMs = this.#options.nowMs();
    const all = [...this.#known.values()].flatMap(({ cache }) => cache.findings(nowMs));
    return merge(all.filter(({ peer }) => peer !== this.#options.self));
  }

  /** Asks everybody anew, as in the beginning. */
  ask(): void {
    for (const known of this.#known.values()) {
      known.askAtMs = Math.max(this.#options.nowMs(), known.askedMs + askPauseMs);
      known.askGapMs = askGaps.firstMs;
    }
    this.#tick();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#known.clear();
  }

  #tick(): void {
    const nowMs = this.#options.nowMs();
    for (const [link, known] of this.#known) {
      known.cache.expire(nowMs);
      const browsing = known.askAtMs <= nowMs;
      const questions = known.cache.questions(nowMs);
      if (browsing) {
        known.askedMs = nowMs;
        known.askAtMs = nowMs + spread(known.askGapMs);
        known.askGapMs = Math.min(known.askGapMs * askGaps.factor, askGaps.maxMs);
        if (!questions.some(({ type }) => type === 'PTR')) questions.unshift({ name: this.#options.service, type: 'PTR' });
      }
      if (questions.length > 0) void link.query(questions, known.cache.known(nowMs));
    }
    this.#schedule();
    this.#changed();
  }

  #schedule(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    const nowMs = this.#options.nowMs();
    const dueMs = Math.min(...[...this.#known.values()].map(({ cache, askAtMs }) => Math.min(askAtMs, cache.nextMs())));
    this.#timer = null;
    if (dueMs < Number.POSITIVE_INFINITY)
      this.#timer = setTimeout(() => this.#tick(), Math.max(timerMinMs, Math.ceil(dueMs - nowMs)));
  }
}

const leastTtlMs = (findings: readonly Finding[]): number => Math.min(...findings.map(({ ttlMs }) => ttlMs));

/** Tells of each change at once, of several that come together once, and of what was confirmed before what was told runs out. */
export class Teller {
  readonly #findings: () => Finding[];
  readonly #tell: (findings: Finding[]) => void;
  readonly #nowMs: () => number;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #told: string | null = null;
  #toldMs = Number.NEGATIVE_INFINITY;
  /** How long the shortest of what was told may be believed. */
  #toldTtlMs = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(findings: () => Finding[], tell: (findings: Finding[]) => void, nowMs: () => number) {
    this.#findings = findings;
    this.#tell = tell;
    this.#nowMs = nowMs;
  }

  /** Something may have changed. */
  look(): void {
    if (this.#timer !== null) return;
    const waitMs = this.#lookedMs + gatherMs - this.#nowMs();
    if (waitMs <= 0) return this.#lookNow();
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#lookNow();
    }, waitMs);
  }

  /** The first answer, even if it is that nobody is there. */
  begin(): void {
    if (this.#told === null) this.#say(this.#findings());
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #lookNow(): void {
    this.#lookedMs = this.#nowMs();
    const findings = this.#findings();
    if (this.#told === null && findings.length === 0) return;
    // Half of what was told has passed, and more is known now than is left of it.
    const nowMs = this.#nowMs();
    const moreMs = nowMs + leastTtlMs(findings) - (this.#toldMs + this.#toldTtlMs);
    const confirmed = nowMs >= this.#toldMs + this.#toldTtlMs / 2 && moreMs > gatherMs;
    if (withoutTime(findings) !== this.#told || confirmed) this.#say(findings);
  }

  #say(findings: Finding[]): void {
    this.#told = withoutTime(findings);
    this.#toldMs = this.#nowMs();
    this.#toldTtlMs = leastTtlMs(findings);
    this.#tell(findings);
  }
}
