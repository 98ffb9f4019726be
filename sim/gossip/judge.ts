// Judges what a crowd hears: nothing that nobody announced, nothing twice in one life, nothing that has ended, in the order of its
// source unless it is called late; and, once all is mended, everything that holds and that anybody heard, everybody.
import type { Delivery } from '../../machines/gossip/index.ts';

/** Who announces and hears. */
export interface Speaker {
  readonly name: string;
  readonly peer: string;
  /** Number of its process. */
  readonly life: number;
  /** Starts of its process, as its disk counts them. */
  readonly epoch: number;
}

type Said = { by: Speaker; source: string; epoch: number; sequence: number; endsMs: number; body: Uint8Array };

/** What passing on takes is not taken off the time that is left. */
const slackMs = 2_000;

const keyOf = (source: string, epoch: number, sequence: number): string => `${source} ${epoch} ${sequence}`;
const isSame = (a: Uint8Array, b: Uint8Array): boolean =>
  a.byteLength === b.byteLength && a.every((byte, at) => byte === b[at]);

/** `last` of what is judged, `beside` of all else, by source and epoch. */
type Ear = { life: number; heard: Set<string>; last: Map<string, number>; beside: Map<string, number> };

export class GossipJudge {
  violation: string | null = null;
  readonly refusals = new Map<string, number>();
  /** Deliveries in all, and of them those that came late. */
  deliveries = 0;
  late = 0;
  /** Hears of every delivery. */
  listen: ((node: Speaker, key: string) => void) | null = null;
  readonly #nowMs: () => number;
  readonly #said = new Map<string, Said>();
  /** By source, in which of its lives it said something last; what it said before has ended. */
  readonly #latest = new Map<string, number>();
  readonly #ears = new Map<Speaker, Ear>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** It announced something, be it what nobody judges here: whatever an earlier process of it announced has ended. */
  spoke(source: string, epoch: number): void {
    this.#latest.set(source, Math.max(epoch, this.#latest.get(source) ?? 0));
  }

  /** Answers the announcement's key. */
  said(by: Speaker, sequence: number, ttlMs: number, body: Uint8Array): string {
    const { peer: source, epoch } = by;
    const key = keyOf(source, epoch, sequence);
    this.spoke(source, epoch);
    this.#said.set(key, { by, source, epoch, sequence, endsMs: this.#nowMs() + ttlMs, body });
    return key;
  }

  #earOf(node: Speaker): Ear {
    const known = this.#ears.get(node);
    if (known?.life === node.life) return known;
    const ear: Ear = { life: node.life, heard: new Set(), last: new Map(), beside: new Map() };
    this.#ears.set(node, ear);
    return ear;
  }

  delivered(node: Speaker, { source, epoch, sequence, body, late }: Delivery): void {
    const key = keyOf(source, epoch, sequence);
    const ear = this.#earOf(node);
    const said = this.#said.get(key);
    const broken = (what: string): void => {
      this.violation ??= `${node.name} heard ${key} ${what}`;
    };
    if (said === undefined || !isSame(said.body, body)) return broken('which nobody said');
    if (ear.heard.has(key)) broken('twice');
    if (this.#nowMs() > said.endsMs + slackMs) broken(`${Math.round(this.#nowMs() - said.endsMs)} ms after its end`);
    const of = `${source} ${epoch}`;
    const last = ear.last.get(of) ?? 0;
    if (!late && sequence < last) broken(`after ${last}`);
    if (late && sequence >= Math.max(last, ear.beside.get(of) ?? 0)) broken('late, though nothing after it came before');
    ear.last.set(of, Math.max(last, sequence));
    ear.heard.add(key);
    this.deliveries++;
    if (late) this.late++;
    this.listen?.(node, key);
  }

  /** It heard what nobody judges here; what the same source announced before that is late now. */
  heardBeside(node: Speaker, { source, epoch, sequence }: Delivery): void {
    const { beside } = this.#earOf(node);
    const of = `${source} ${epoch}`;
    beside.set(of, Math.max(sequence, beside.get(of) ?? 0));
  }

  refused(_node: Speaker, code: string): void {
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
  }

  hasHeard(node: Speaker, key: string): boolean {
    return this.#earOf(node).heard.has(key);
  }

  /** Somebody who has not heard what holds, what its source did not end by starting again, and what is known to any of them. */
  whyNotAllHeard(up: readonly Speaker[]): string | null {
    const nowMs = this.#nowMs();
    for (const [key, { by, source, epoch, endsMs }] of this.#said) {
      if (endsMs < nowMs + slackMs || epoch < this.#latest.get(source)! || (source === by.peer && epoch !== by.epoch)) continue;
      if (!up.some((node) => this.hasHeard(node, key))) continue;
      const deaf = up.find((node) => !this.hasHeard(node, key));
      if (deaf !== undefined) return `${deaf.name} has not heard ${key} of ${by.name}`;
    }
    return null;
  }
}
