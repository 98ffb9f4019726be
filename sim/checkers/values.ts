// What is left to do with each value of a cell: who must find it, who could put it, and when. Answers in constant time, forth and
// back, by lists in order of time with a pointer to the first item that is left.
import type { Layout } from './layout.ts';

const never = Number.POSITIVE_INFINITY;

/** Items of each value in order of a time of theirs; `first` is that of the first one not placed. */
class Waiting {
  readonly #lists: number[][];
  readonly #at: Int32Array;
  readonly #place: Int32Array;
  readonly #times: Float64Array;

  constructor(values: number, its: (item: number) => number, times: Float64Array) {
    this.#lists = Array.from({ length: values }, () => []);
    this.#at = new Int32Array(values);
    this.#place = new Int32Array(times.length).fill(-1);
    this.#times = times;
    for (let item = 0; item < times.length; item++) if (its(item) >= 0) this.#lists[its(item)]!.push(item);
    for (const list of this.#lists) {
      list.sort((a, b) => times[a]! - times[b]!);
      for (const [place, item] of list.entries()) this.#place[item] = place;
    }
  }

  first(value: number): number {
    const item = this.#lists[value]![this.#at[value]!];
    return item === undefined ? never : this.#times[item]!;
  }

  /** The first after this time, placed or not. */
  firstAfter(value: number, time: number): number {
    const list = this.#lists[value]!;
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#times[list[middle]!]! <= time) low = middle + 1;
      else high = middle;
    }
    return low === list.length ? never : this.#times[list[low]!]!;
  }

  placed(value: number, isPlaced: Uint8Array): void {
    const list = this.#lists[value]!;
    let at = this.#at[value]!;
    while (at < list.length && isPlaced[list[at]!] === 1) at++;
    this.#at[value] = at;
  }

  takenBack(value: number, item: number): void {
    const place = this.#place[item]!;
    if (place < this.#at[value]!) this.#at[value] = place;
  }
}

export class Values {
  readonly #needs: Int32Array;
  readonly #puts: Int32Array;
  readonly #isRequired: Uint8Array;
  readonly #isPlaced: Uint8Array;
  readonly #demands: Waiting;
  readonly #wants: Waiting;
  readonly #putters: Waiting;
  readonly #surePutters: Waiting;
  /** By item: no later than this, what it put is gone, since something was surely put after it. */
  readonly lastsUntil: Float64Array;
  /** The same for the state at the beginning. */
  readonly startLastsUntil: number;

  constructor({ count, callAt, returnAt, isRequired, needs, puts }: Layout, values: number) {
    this.#needs = needs;
    this.#puts = puts;
    this.#isRequired = isRequired;
    this.#isPlaced = new Uint8Array(count);
    this.#demands = new Waiting(values, (item) => (isRequired[item] === 1 ? needs[item]! : -1), returnAt);
    this.#wants = new Waiting(values, (item) => needs[item]!, callAt);
    this.#putters = new Waiting(values, (item) => puts[item]!, callAt);
    this.#surePutters = new Waiting(values, (item) => (isRequired[item] === 1 ? puts[item]! : -1), callAt);
    this.lastsUntil = new Float64Array(count).fill(never);
    const surePuts = [...callAt.keys()].filter((item) => isRequired[item] === 1 && puts[item]! >= 0);
    const doneFrom = new Float64Array(surePuts.length + 1).fill(never);
    for (let at = surePuts.length - 1; at >= 0; at--) doneFrom[at] = Math.min(doneFrom[at + 1]!, returnAt[surePuts[at]!]!);
    this.startLastsUntil = doneFrom[0]!;
    const byReturn = [...callAt.keys()].sort((a, b) => returnAt[a]! - returnAt[b]!);
    let later = 0;
    for (const item of byReturn) {
      if (returnAt[item] === never) break;
      while (later < surePuts.length && callAt[surePuts[later]!]! <= returnAt[item]!) later++;
      this.lastsUntil[item] = doneFrom[later]!;
    }
  }

  place(item: number): void {
    this.#isPlaced[item] = 1;
    const needs = this.#needs[item]!;
    const puts = this.#puts[item]!;
    if (needs >= 0) {
      this.#wants.placed(needs, this.#isPlaced);
      if (this.#isRequired[item] === 1) this.#demands.placed(needs, this.#isPlaced);
    }
    if (puts < 0) return;
    this.#putters.placed(puts, this.#isPlaced);
    if (this.#isRequired[item] === 1) this.#surePutters.placed(puts, this.#isPlaced);
  }

  takeBack(item: number): void {
    this.#isPlaced[item] = 0;
    const needs = this.#needs[item]!;
    const puts = this.#puts[item]!;
    if (needs >= 0) {
      this.#wants.takenBack(needs, item);
      if (this.#isRequired[item] === 1) this.#demands.takenBack(needs, item);
    }
    if (puts < 0) return;
    this.#putters.takenBack(puts, item);
    if (this.#isRequired[item] === 1) this.#surePutters.takenBack(puts, item);
  }

  /** Does anybody left need this value, and come in time to find it if it lasts until then? */
  isWanted(value: number, lastsUntil: number): boolean {
    return this.#wants.first(value) <= lastsUntil;
  }

  /**
   * The answer that nobody can give, if this value is not there now: the first of those who must find it comes before anybody can
   * put it. Infinity: there is none.
   */
  missedBy(value: number): number {
    const demandedBy = this.#demands.first(value);
    return demandedBy < this.#putters.first(value) ? demandedBy : never;
  }

  /** The first answer that relies on finding this value. */
  demandedBy(value: number): number {
    return this.#demands.first(value);
  }

  /** Is there somebody who puts this value and is called within these times? */
  isPutBetween(value: number, after: number, until: number): boolean {
    return this.#putters.firstAfter(value, after) <= until;
  }

  /** Could all who must find this value still find it, put by what surely happened? */
  returnsSurely(value: number): boolean {
    const demandedBy = this.#demands.first(value);
    return demandedBy === never || this.#surePutters.first(value) <= demandedBy;
  }
}
