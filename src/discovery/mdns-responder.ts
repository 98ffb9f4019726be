// When which record of this node is said on one link (RFC 6762 §6 to §10). Pure: time and chance are handed in, and what is to be
// sent is handed out. However much is asked, each record leaves at most once a second, so questions of strangers cost little.
import { type Asked, type Entry, identityOf, keyOf, type Message } from './mdns-packet.ts';
import { metaName } from './mdns-records.ts';

export type Said = { answers: Entry[]; additionals: Entry[] };

/** §6: no record is repeated on a link within a second; §8.3: announcements are a second apart. */
const repeatMs = 1_000;
const announcements = 2;
/** §6: several hosts may have an answer to a question for shared records, so each waits a little. */
const sharedDelayMs = { min: 20, max: 120 };
/** Two that fight for a name do so at this pace (§9). */
export const defendMs = 10_000;

export class Responder {
  readonly #entries: readonly { entry: Entry; key: string; identity: string }[];
  /** When each entry is to be said, and when it was last. */
  readonly #dueMs: number[];
  readonly #saidMs: number[];
  #announceMs: number[] = [];
  #defendedMs = Number.NEGATIVE_INFINITY;
  readonly #random: () => number;

  constructor(entries: readonly Entry[], random: () => number) {
    this.#entries = entries.map((entry) => ({ entry, key: keyOf(entry.name), identity: identityOf(entry) }));
    this.#dueMs = entries.map(() => Number.POSITIVE_INFINITY);
    this.#saidMs = entries.map(() => Number.NEGATIVE_INFINITY);
    this.#random = random;
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** Says everything, without being asked, now and a second later (§8.3). */
  announce(nowMs: number): void {
    if (this.#entries.length > 0)
      this.#announceMs = Array.from({ length: announcements }, (_, index) => nowMs + index * repeatMs);
  }

  asked({ questions, known }: Extract<Message, { type: 'query' }>, nowMs: number): void {
    const wanted = this.#wanted(questions);
    // §7.1: what the asker knows for at least half its time to live is not repeated.
    for (const entry of known) {
      const identity = identityOf(entry);
      for (const index of wanted) {
        const own = this.#entries[index]!;
        if (own.identity === identity && entry.ttlSeconds * 2 >= own.entry.ttlSeconds) wanted.delete(index);
      }
    }
    const shared = [...wanted].some((index) => !this.#entries[index]!.entry.flush);
    const { min, max } = sharedDelayMs;
    const delayMs = shared ? min + this.#random() * (max - min) : 0;
    for (const index of wanted) {
      const dueMs = Math.max(nowMs + delayMs, this.#saidMs[index]! + repeatMs);
      this.#dueMs[index] = Math.min(this.#dueMs[index]!, dueMs);
    }
  }

  #wanted(questions: readonly Asked[]): Set<number> {
    const wanted = new Set<number>();
    for (const { name, type } of questions) {
      const key = keyOf(name);
      const named = this.#entries.flatMap((own, index) => (own.key === key ? [index] : []));
      const matching = named.filter((index) => {
        const own = this.#entries[index]!.entry.type;
        return own !== 'NSEC' && (type === 'ANY' || own === type);
      });
      const answer = matching.length > 0 ? matching : named.filter((index) => this.#entries[index]!.entry.type === 'NSEC');
      for (const index of answer) wanted.add(index);
    }
    return wanted;
  }

  /**
   * Somebody else says under our names what we do not say, or that we are gone: an earlier life of this node, or a liar. We say it
   * again (§9), at a pace at which two that insist do no harm. True if so.
   */
  contested(entries: readonly Entry[], nowMs: number): boolean {
    if (nowMs < this.#defendedMs + defendMs || !entries.some((entry) => this.#contests(entry))) return false;
    this.#defendedMs = nowMs;
    const saidMs = Math.max(...this.#saidMs);
    this.#announceMs.push(Math.max(nowMs, saidMs + repeatMs));
    return true;
  }

  #contests(entry: Entry): boolean {
    const identity = identityOf(entry);
    const own = this.#entries.find((one) => one.identity === identity);
    if (own !== undefined) return entry.ttlSeconds === 0 && own.key !== metaName;
    const key = keyOf(entry.name);
    return this.#entries.some((one) => one.key === key && one.entry.flush && one.entry.type === entry.type);
  }

  /** When `due` has something to say, or infinity. */
  nextMs(): number {
    return Math.min(...this.#dueMs, ...this.#announceMs);
  }

  /** What is to be said now; it counts as said. */
  due(nowMs: number): Said | null {
    if (this.nextMs() > nowMs) return null;
    const announced = this.#announceMs.some((at) => at <= nowMs);
    this.#announceMs = this.#announceMs.filter((at) => at > nowMs);
    // Whatever waits only to spread answers over time leaves with the first (§6.4).
    const saying = this.#entries.flatMap(({ entry }, index) => {
      const waits = this.#dueMs[index]! < Number.POSITIVE_INFINITY && this.#saidMs[index]! + repeatMs <= nowMs;
      return (announced && entry.type !== 'NSEC') || waits ? [index] : [];
    });
    if (saying.length === 0) return null;
    const also = this.#additional(saying);
    for (const index of [...saying, ...also]) {
      this.#dueMs[index] = Number.POSITIVE_INFINITY;
      this.#saidMs[index] = nowMs;
    }
    const entriesAt = (indices: number[]): Entry[] => indices.map((index) => this.#entries[index]!.entry);
    return { answers: entriesAt(saying), additionals: entriesAt(also) };
  }

  /** RFC 6763 §12: with a PTR all that it leads to, with a SRV the addresses. */
  #additional(saying: readonly number[]): number[] {
    const said = new Set(saying);
    const types = new Set(saying.map((index) => this.#entries[index]!.entry.type));
    const instance = saying.some((index) => {
      const { entry, key } = this.#entries[index]!;
      return entry.type === 'PTR' && key !== metaName;
    });
    if (!instance && !types.has('SRV')) return [];
    const adds = ({ type }: Entry): boolean =>
      type === 'A' || type === 'AAAA' || (instance && (type === 'SRV' || type === 'TXT'));
    return this.#entries.flatMap(({ entry }, index) => (!said.has(index) && adds(entry) ? [index] : []));
  }

  /** That this node is gone (§10.1). That its type of service is there is others' to say as well, so it is not taken back. */
  goodbye(): Entry[] {
    return this.#entries
      .map(({ entry }) => entry)
      .filter(({ type, name }) => type !== 'NSEC' && name !== metaName)
      .map((entry) => ({ ...entry, ttlSeconds: 0 }));
  }
}
