// What waits for an actor, first come first served, no more than a limit: a ring in an array that is made with the first item, so that
// the hundred thousand actors of a node for whom nothing waits cost nothing. Also the run queue of a node's turns.

type Slots = unknown[];

const slotsMin = 8;
/** A ring that became larger than this is let go of once it is empty: a burst must not keep its memory for ever. */
const slotsKept = 64;

/**
 * Empty rings that were let go of, by their length, for the next one that grows: where bursts follow upon each other, whoever has one would
 * make a new ring each time. No more than 250 KiB of a process.
 */
const spare = new Map<number, Slots[]>();
const spareSlotsMax = 4_096;
const sparesMax = 4;

const ringOf = (length: number): Slots => spare.get(length)?.pop() ?? new Array(length).fill(undefined);

const letGo = (ring: Slots): void => {
  if (ring.length <= slotsKept || ring.length > spareSlotsMax) return;
  const rings = spare.get(ring.length);
  if (rings === undefined) spare.set(ring.length, [ring]);
  else if (rings.length < sparesMax) rings.push(ring);
};

export class Mailbox<Item> {
  /** Undefined where nothing is. Its length is a power of two. */
  #slots: (Item | undefined)[] | null = null;
  #first = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** False: as many as `max` wait already, it was not taken. */
  push(item: Item, max: number): boolean {
    const size = this.#size;
    if (size >= max) return false;
    let slots = this.#slots;
    if (slots === null) slots = this.#slots = ringOf(slotsMin) as (Item | undefined)[];
    else if (size === slots.length) slots = this.#grow(slots);
    slots[(this.#first + size) & (slots.length - 1)] = item;
    this.#size = size + 1;
    return true;
  }

  shift(): Item | undefined {
    const slots = this.#slots;
    if (slots === null || this.#size === 0) return undefined;
    const at = this.#first;
    const item = slots[at];
    slots[at] = undefined;
    this.#first = (at + 1) & (slots.length - 1);
    if (--this.#size === 0 && slots.length > slotsKept) {
      letGo(slots);
      this.#slots = null;
      this.#first = 0;
    }
    return item;
  }

  /** Takes out all of them, the one that waits longest first. */
  drain(): Item[] {
    const items: Item[] = [];
    for (let item = this.shift(); item !== undefined; item = this.shift()) items.push(item);
    return items;
  }

  /** A copy, in the same order. */
  items(): Item[] {
    const slots = this.#slots ?? [];
    return Array.from({ length: this.#size }, (_, n) => slots[(this.#first + n) & (slots.length - 1)]!);
  }

  #grow(slots: (Item | undefined)[]): (Item | undefined)[] {
    const larger = ringOf(slots.length * 2) as (Item | undefined)[];
    for (let n = 0; n < slots.length; n++) larger[n] = slots[(this.#first + n) & (slots.length - 1)];
    letGo(slots.fill(undefined));
    this.#slots = larger;
    this.#first = 0;
    return larger;
  }
}
