// What is left to do with each value of a cell: who must find it, who could put it, and when. Answers in constant time, forth and
// back, by lists in order of time with a pointer to the first item that is left.
import type { Layout } from './layout.ts';

/** How many operations in a row are followed back to see whether a value can come. */
const stepsForeseen = 3;
const never = Number.POSITIVE_INFINITY;

const nobody = { calls: [] as number[], lasting: [] as number[] };

const listOf = (lists: Map<number, number[]>, key: number): number[] => {
  let list = lists.get(key);
  if (list === undefined) lists.set(key, (list = []));
  return list;
};

/** How many of a sorted list are no later than `time`; with `times`, the list is of items. */
const countUpTo = (list: readonly number[], time: number, times?: Float64Array): number => {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = times === undefined ? list[middle]! : times[list[middle]!]!;
    if (at <= time) low = middle + 1;
    else high = middle;
  }
  return low;
};

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
    const at = countUpTo(list, time, this.#times);
    return at === list.length ? never : this.#times[list[at]!]!;
  }

  /** Those not placed whose time is no later than `until`: calls `look` with each until it answers true. */
  some(value: number, until: number, isPlaced: Uint8Array, look: (item: number) => boolean): boolean {
    const list = this.#lists[value]!;
    for (let at = this.#at[value]!; at < list.length && this.#times[list[at]!]! <= until; at++)
      if (isPlaced[list[at]!] === 0 && look(list[at]!)) return true;
    return false;
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
  readonly #isFree: (item: number) => boolean;
  /** Those that are due some time, and those that are free. */
  readonly #duePutters: Waiting;
  readonly #freePutters: Waiting;
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
    const isFree = (item: number): boolean => returnAt[item] === never;
    this.#duePutters = new Waiting(values, (item) => (isFree(item) ? -1 : puts[item]!), callAt);
    this.#freePutters = new Waiting(values, (item) => (isFree(item) ? puts[item]! : -1), callAt);
    this.#isFree = isFree;
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

  /**
   * The first answer that no order can give, whatever else it does. Infinity: there is none. Either all that puts the value found is
   * called after the answer, or was surely overwritten before the call; or more who change that value have been answered than
   * anybody has put it. `start` is there from the beginning.
   */
  unservedBy(start: number, { callAt, returnAt }: Layout): number {
    const reach = this.#reachOfPutters(callAt);
    const takers = new Map<number, number[]>();
    let first = never;
    for (let item = 0; item < this.#needs.length; item++) {
      const value = this.#needs[item]!;
      if (value < 0 || this.#isRequired[item] === 0) continue;
      if (this.#puts[item]! >= 0) listOf(takers, value).push(returnAt[item]!);
      if (returnAt[item]! >= first || (value === start && callAt[item]! <= this.startLastsUntil)) continue;
      const { calls, lasting } = reach.get(value) ?? nobody;
      const called = countUpTo(calls, returnAt[item]!);
      if (called === 0 || lasting[called - 1]! < callAt[item]!) first = returnAt[item]!;
    }
    for (const [value, returns] of takers) {
      const { calls } = reach.get(value) ?? nobody;
      const given = value === start ? 1 : 0;
      returns.sort((a, b) => a - b);
      const missed = returns.find((returnAt, taken) => countUpTo(calls, returnAt) + given <= taken);
      if (missed !== undefined && missed < first) first = missed;
    }
    return first;
  }

  /** By value: when those who put it are called, and how long the longest of so many of them can last. */
  #reachOfPutters(callAt: Float64Array): Map<number, { calls: number[]; lasting: number[] }> {
    const reach = new Map<number, { calls: number[]; lasting: number[] }>();
    for (let item = 0; item < this.#puts.length; item++) {
      const value = this.#puts[item]!;
      if (value < 0) continue;
      let its = reach.get(value);
      if (its === undefined) reach.set(value, (its = { calls: [], lasting: [] }));
      its.calls.push(callAt[item]!);
      its.lasting.push(Math.max(its.lasting.at(-1) ?? Number.NEGATIVE_INFINITY, this.lastsUntil[item]!));
    }
    return reach;
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
    (this.#isFree(item) ? this.#freePutters : this.#duePutters).placed(puts, this.#isPlaced);
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
    (this.#isFree(item) ? this.#freePutters : this.#duePutters).takenBack(puts, item);
  }

  /** Does anybody left need this value, and come in time to find it if it lasts until then? */
  isWanted(value: number, lastsUntil: number): boolean {
    return this.#wants.first(value) <= lastsUntil;
  }

  /**
   * The answer that nobody can give if the state is `state`: the first of those who must find `value` comes before anybody can put
   * it. Infinity: there is none.
   */
  missedBy(value: number, state: number): number {
    const demandedBy = this.#demands.first(value);
    return demandedBy === never || this.#canCome(value, demandedBy, state, stepsForeseen, false) ? never : demandedBy;
  }

  /** Could all who must find this value still find it, without help from what is free? */
  returnsSurely(value: number, state: number): boolean {
    const demandedBy = this.#demands.first(value);
    return demandedBy === never || this.#canCome(value, demandedBy, state, stepsForeseen, true);
  }

  /** Could it be put by somebody called by then, who finds what he needs for it? Beyond so many steps: perhaps. */
  #canCome(value: number, until: number, state: number, steps: number, isSure: boolean): boolean {
    if (value === state || steps === 0) return true;
    const puts = (item: number): boolean => {
      const need = this.#needs[item]!;
      return need < 0 || (need !== value && this.#canCome(need, until, state, steps - 1, isSure));
    };
    if (this.#duePutters.some(value, until, this.#isPlaced, puts)) return true;
    return !isSure && this.#freePutters.some(value, until, this.#isPlaced, puts);
  }

  /** The first answer that relies on finding this value. */
  demandedBy(value: number): number {
    return this.#demands.first(value);
  }

  /** Is there somebody who puts this value and is called within these times? */
  isPutBetween(value: number, after: number, until: number): boolean {
    return this.#putters.firstAfter(value, after) <= until;
  }
}
