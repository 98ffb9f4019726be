// Time, order and chance of a simulated world: one queue in order of time, what falls on one instant shuffled by the seed, and a
// generator of its own for every purpose, so that a new draw in one place moves no other. Nothing here waits for a real clock.
import { nextBetween, nextUint32, type RandomState, randomFrom } from '../machines/random.ts';
import type { Trace } from './trace.ts';

export type Handle = { cancel(): void };

class Event implements Handle {
  readonly atMs: number;
  readonly tie: number;
  readonly sequence: number;
  /** Null: cancelled. */
  run: (() => void) | null;

  constructor(atMs: number, tie: number, sequence: number, run: () => void) {
    this.atMs = atMs;
    this.tie = tie;
    this.sequence = sequence;
    this.run = run;
  }

  cancel(): void {
    this.run = null;
  }
}

const isBefore = (a: Event, b: Event): boolean =>
  a.atMs !== b.atMs ? a.atMs < b.atMs : a.tie !== b.tie ? a.tie < b.tie : a.sequence < b.sequence;

/** A seed for a purpose: FNV-1a of both. */
const seedOf = (seed: number, label: string): number => {
  let hash = 0x811c9dc5 ^ seed;
  for (let at = 0; at < label.length; at++) hash = Math.imul(hash ^ label.charCodeAt(at), 0x01000193);
  return hash ^ (hash >>> 15);
};

/** Chance with the few words the world needs. */
export class Chance {
  readonly #state: RandomState;

  constructor(state: RandomState) {
    this.#state = state;
  }

  uint32(): number {
    return nextUint32(this.#state);
  }

  /** A whole number in [from, to). */
  between(from: number, to: number): number {
    return nextBetween(this.#state, from, to);
  }

  /** A fraction in [0, 1). */
  fraction(): number {
    return nextUint32(this.#state) / 0x1_0000_0000;
  }

  /** True once in `1 / probability` times. */
  happens(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** In [min, max), mostly small, now and then far out: a tail like that of disks and networks. */
  tail(min: number, max: number): number {
    const square = this.fraction() ** 2;
    return min + (max - min) * square * square;
  }

  pick<Item>(items: readonly Item[]): Item {
    if (items.length === 0) throw new Error('nothing to pick from');
    return items[this.between(0, items.length)]!;
  }

  shuffled<Item>(items: readonly Item[]): Item[] {
    const shuffled = [...items];
    for (let at = shuffled.length - 1; at > 0; at--) {
      const other = this.between(0, at + 1);
      [shuffled[at], shuffled[other]] = [shuffled[other]!, shuffled[at]!];
    }
    return shuffled;
  }
}

export class World {
  readonly seed: number;
  readonly trace: Trace;
  /** Virtual milliseconds since the world began, in whole microseconds. */
  nowMs = 0;
  /** Events that have happened. */
  steps = 0;
  readonly #heap: Event[] = [];
  readonly #ties: Chance;
  #sequence = 0;

  constructor(seed: number, trace: Trace) {
    this.seed = seed;
    this.trace = trace;
    this.#ties = this.chance('ties');
  }

  chance(label: string): Chance {
    return new Chance(randomFrom(seedOf(this.seed, label)));
  }

  after(delayMs: number, run: () => void): Handle {
    let atMs = Math.ceil((this.nowMs + Math.max(0, delayMs)) * 1_000) / 1_000;
    // What takes time takes a microsecond at least: who waits for what a rounding error leaves would wait at one instant for ever.
    if (delayMs > 0 && atMs <= this.nowMs) atMs = (Math.round(this.nowMs * 1_000) + 1) / 1_000;
    // 31 bits: a number that the engine need not put into a box.
    const event = new Event(atMs, this.#ties.uint32() >>> 1, this.#sequence++, run);
    this.#push(event);
    return event;
  }

  /** The next event; false if nothing will ever happen again. */
  step(): boolean {
    const next = this.#next();
    if (next !== undefined) this.#happen(next);
    return next !== undefined;
  }

  #happen(next: Event): void {
    this.#pop();
    this.nowMs = next.atMs;
    this.steps++;
    next.run!();
  }

  /** Lets `durationMs` pass, or less if `until` becomes true; says whether it did. */
  run(durationMs: number, until: () => boolean = () => false): boolean {
    const endMs = this.nowMs + durationMs;
    while (!until()) {
      const next = this.#next();
      if (next === undefined || next.atMs > endMs) {
        this.nowMs = endMs;
        return until();
      }
      this.#happen(next);
    }
    return true;
  }

  #next(): Event | undefined {
    while (this.#heap.length > 0 && this.#heap[0]!.run === null) this.#pop();
    return this.#heap[0];
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}
