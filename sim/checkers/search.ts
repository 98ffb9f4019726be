// Is there an order of the operations, each between its call and its answer, in which every answer is right? The search of Wing and
// Gong (1993) with the memory of Lowe ("Testing for linearizability", 2017), depth first, so that an order that exists is found soon.
// What keeps it small:
// - A read that fits is taken at once: it changes nothing, so whatever else is possible stays possible.
// - Of operations that do the same and were answered the same, the one that is due first goes first.
// - What is free (of unknown outcome) is used only where somebody needs it, and of two ways to one place the one that used less stays.
// - For a cell: a state that somebody still needs and nobody can put again is not left; a value that nobody needs is put just before
//   another value, where it disturbs nobody; states that nobody needs are one state.
import { nextUint32, type RandomState, randomFrom } from '../../machines/random.ts';
import type { Budget } from './budget.ts';
import { type Layout, layOut } from './layout.ts';
import { Memo } from './memo.ts';
import { type Part, unseen } from './part.ts';
import type { Space } from './space.ts';
import { Values } from './values.ts';

/** `paused`: nothing is known yet; `run` goes on. `full`: the memory is used up. */
export type Progress = 'found' | 'exhausted' | 'paused' | 'full';

export type SearchOptions = {
  /** No foresight, but a memory of how far it came: for explanations. */
  readonly isPlain?: boolean;
  /** Now and then tries the second first, by this seed. */
  readonly luck?: number;
};

const never = Number.POSITIVE_INFINITY;
/** How often a lucky search takes what it would have taken second. */
const swapsOf32Bits = 0.15 * 0x1_0000_0000;
const noMoves: number[] = [];
const noStates: readonly number[] = [];

type Frame = {
  /** Length of the trail before the reads that this frame took. */
  readonly trail: number;
  /** What may come next: item and state after it, in turn; ~item: it is due, and happened before the part or never. */
  readonly moves: readonly number[];
  readonly isOwed: boolean;
  next: number;
};

/** The longest order found that ends before an answer that no order gets past; items by number. */
export type Stuck = {
  readonly order: readonly number[];
  readonly due: number;
  readonly state: number;
  readonly placed: number;
};

export class Search {
  readonly #space: Space<unknown, unknown>;
  readonly #part: Part<unknown>;
  readonly #layout: Layout;
  readonly #memo: Memo;
  readonly #row: Int32Array;
  readonly #budget: Budget;
  readonly #isPlain: boolean;
  readonly #luck: RandomState | null;
  readonly #isSkipped: Uint8Array;
  /** The items not placed, in order of calls: a ring with a head at `count`. */
  readonly #before: Int32Array;
  readonly #after: Int32Array;
  readonly #trail: Int32Array;
  #placed = 0;
  #state: number;
  #requiredLeft = 0;
  /** Null unless the object is a cell. */
  readonly #values: Values | null;
  readonly #frames: Frame[] = [];
  #startsTried = 0;
  /** Of the latest look around. */
  readonly #candidates: number[] = [];
  #due = -1;
  readonly #bestRequired: Int32Array;
  readonly #bestPassing: Int32Array;
  readonly #bestFree: Int32Array;
  readonly #kinds: number[] = [];
  /**
   * By state: the latest look that saw somebody who may come next and needs it: one who surely happened, or one who may be left out
   * and is useful.
   */
  readonly #openWants: Float64Array;
  /** The states that they need, and, by state, the latest look at which what may come next could lead there. */
  readonly #demands: number[] = [];
  readonly #reachable: Float64Array;
  /** What was put last may be left out, so it was put for somebody: who comes next must need it. */
  #isOwed = false;
  #look = 0;
  /** How far it came: the latest answer that was ever waited for. */
  deepest = Number.NEGATIVE_INFINITY;
  stuck: Stuck | null = null;

  constructor(part: Part<unknown>, space: Space<unknown, unknown>, budget: Budget, options: SearchOptions = {}) {
    this.#luck = options.luck === undefined ? null : randomFrom(options.luck);
    const layout = layOut(part, space);
    const { count, dueWords, freeWords } = layout;
    this.#space = space;
    this.#part = part;
    this.#layout = layout;
    this.#budget = budget;
    this.#isPlain = options.isPlain === true;
    this.#memo = new Memo(2 + dueWords, freeWords, budget.memoBytesMax);
    this.#row = new Int32Array(2 + dueWords + freeWords);
    this.#before = Int32Array.from({ length: count + 1 }, (_, at) => (at === 0 ? count : at - 1));
    this.#after = Int32Array.from({ length: count + 1 }, (_, at) => (at === count ? 0 : at + 1));
    this.#trail = new Int32Array(count);
    this.#state = unseen;
    this.#isSkipped = new Uint8Array(count);
    this.#values = space.isCell && !this.#isPlain ? new Values(layout, space.states.length) : null;
    for (let item = 0; item < count; item++) this.#requiredLeft += layout.isRequired[item]!;
    this.#reachable = new Float64Array(space.isCell ? space.states.length : 0);
    this.#openWants = new Float64Array(space.isCell ? space.states.length : 0);
    const kinds = space.actions.length;
    this.#bestRequired = new Int32Array(kinds).fill(-1);
    this.#bestPassing = new Int32Array(kinds).fill(-1);
    this.#bestFree = new Int32Array(kinds).fill(-1);
  }

  run(stepsMax: number): Progress {
    for (let steps = 0; steps < stepsMax; steps++) {
      const frame = this.#frames.at(-1);
      if (frame === undefined) {
        const start = this.#part.starts[this.#startsTried++];
        if (start === undefined) return 'exhausted';
        this.#isOwed = false;
        if (!this.#isHopeless(start) && this.#enter(this.#startState(start), 0)) return 'found';
        continue;
      }
      if (frame.next === frame.moves.length) {
        this.#leave(frame);
        continue;
      }
      if (!this.#budget.spend()) return 'paused';
      const item = frame.moves[frame.next]!;
      const state = frame.moves[frame.next + 1]!;
      frame.next += 2;
      const trail = this.#placed;
      this.#isOwed = item < 0 ? frame.isOwed : this.#values !== null && this.#layout.isRequired[item] === 0;
      if (item >= 0) this.#absorb(item);
      this.#isSkipped[item < 0 ? ~item : item] = item < 0 ? 1 : 0;
      this.#place(item < 0 ? ~item : item);
      if (this.#enter(item < 0 ? state : this.#stateAs(state, item), trail)) return 'found';
      if (this.#memo.isFull) return 'full';
    }
    return 'paused';
  }

  /**
   * Gives up what was decided last, so many decisions: when a mistake lies far back, trying everything after it takes for ever. What
   * was seen stays remembered, so that something else is tried; `exhausted` proves nothing from now on.
   */
  giveUp(decisions: number): void {
    for (let count = 0; count < decisions && this.#frames.length > 1; count++) this.#leave(this.#frames.at(-1)!);
  }

  // -------------------------------------------------------------- placing and taking back

  #flip(item: number): void {
    const { bit, returnAt, dueWords } = this.#layout;
    const from = 2 + (returnAt[item] === Number.POSITIVE_INFINITY ? dueWords : 0);
    this.#row[from + (bit[item]! >>> 5)]! ^= 1 << (bit[item]! & 31);
  }

  #place(item: number): void {
    const [before, after] = [this.#before[item]!, this.#after[item]!];
    this.#after[before] = after;
    this.#before[after] = before;
    this.#trail[this.#placed++] = item;
    this.#flip(item);
    this.#requiredLeft -= this.#layout.isRequired[item]!;
    this.#values?.place(item);
  }

  #takeBackTo(length: number): void {
    while (this.#placed > length) {
      const item = this.#trail[--this.#placed]!;
      this.#after[this.#before[item]!] = item;
      this.#before[this.#after[item]!] = item;
      this.#flip(item);
      this.#requiredLeft += this.#layout.isRequired[item]!;
      this.#values?.takeBack(item);
    }
  }

  // -------------------------------------------------------------- going forth and back

  /** True: an order is found. Otherwise a new frame stands, or all since `trail` is taken back. */
  #enter(state: number, trail: number): boolean {
    this.#state = state;
    this.#lookAround();
    // What nobody needs any more may have been needed by the reads just taken.
    if (this.#values !== null && this.#state >= 0 && !this.#values.isWanted(this.#state, never)) this.#state = unseen;
    if (this.#requiredLeft === 0) return true;
    const due = this.#due;
    const dueAt = this.#layout.returnAt[due]!;
    if (dueAt > this.deepest) this.deepest = dueAt;
    this.#row[0] = due;
    this.#row[1] = 2 * this.#state + (this.#isOwed ? 1 : 0);
    if (this.#memo.knows(this.#row)) {
      this.#takeBackTo(trail);
      return false;
    }
    if (this.#isPlain) this.#rememberStuck(due);
    this.#frames.push({ trail, moves: this.#moves(), isOwed: this.#isOwed, next: 0 });
    return false;
  }

  #leave(frame: Frame): void {
    this.#frames.pop();
    this.#takeBackTo(frame.trail);
  }

  #rememberStuck(due: number): void {
    const { returnAt } = this.#layout;
    const isFurther =
      this.stuck === null ||
      returnAt[due]! > returnAt[this.stuck.due]! ||
      (due === this.stuck.due && this.#placed > this.stuck.placed);
    if (!isFurther) return;
    const order = [...this.#trail.subarray(0, this.#placed)].filter((item) => this.#isSkipped[item] === 0);
    this.stuck = { order, due, state: this.#state, placed: this.#placed };
  }

  /** Takes the reads that fit, finds what is due first and, of each kind, what may come next. */
  #lookAround(): void {
    const { callAt, returnAt, kind, count } = this.#layout;
    const placed = this.#placed;
    this.#forgetCandidates();
    let firstReturnAt = never;
    this.#due = -1;
    for (let item = this.#after[count]!; item !== count && callAt[item]! <= firstReturnAt; item = this.#after[item]!) {
      if (this.#isFittingRead(kind[item]!)) {
        this.#place(item);
        continue;
      }
      if (returnAt[item]! < firstReturnAt) {
        firstReturnAt = returnAt[item]!;
        this.#due = item;
      }
      this.#offer(item);
    }
    if (this.#placed > placed) this.#isOwed = false;
  }

  #isFittingRead(kind: number): boolean {
    const { isRead, isCell, needs } = this.#space;
    if (!isRead[kind]) return false;
    if (isCell) return needs[kind]! < 0 || needs[kind] === this.#state;
    return this.#space.after(this.#state, kind).length > 0;
  }

  #forgetCandidates(): void {
    this.#look++;
    this.#demands.length = 0;
    for (const kind of this.#kinds) {
      this.#bestRequired[kind] = -1;
      this.#bestPassing[kind] = -1;
      this.#bestFree[kind] = -1;
    }
    this.#kinds.length = 0;
  }

  #offer(item: number): void {
    const { kind, isRequired, returnAt, needs } = this.#layout;
    const its = kind[item]!;
    const need = needs[item]!;
    if (isRequired[item] === 1 && need >= 0 && this.#values !== null && this.#openWants[need] !== this.#look) {
      this.#openWants[need] = this.#look;
      this.#demands.push(need);
    }
    if (this.#space.isRead[its]) return;
    if (this.#bestRequired[its]! + this.#bestPassing[its]! + this.#bestFree[its]! === -3) this.#kinds.push(its);
    const isFree = returnAt[item] === Number.POSITIVE_INFINITY;
    const best = isRequired[item] === 1 ? this.#bestRequired : isFree ? this.#bestFree : this.#bestPassing;
    if (best[its] === -1 || returnAt[item]! < returnAt[best[its]!]!) best[its] = item;
  }

  // -------------------------------------------------------------- what may come next

  #moves(): number[] {
    this.#gatherCandidates();
    if (this.#values !== null) {
      this.#spreadWants(this.#values);
      if (!this.#reachesDemands(this.#values)) return noMoves;
    }
    const { isRequired, needs, puts, returnAt } = this.#layout;
    const wanted = needs[this.#due]!;
    const isHelped = this.#candidates.some((item) => isRequired[item] === 1 && puts[item] === wanted);
    const moves: { item: number; state: number; rank: number; dueAt: number }[] = [];
    for (const item of this.#candidates) {
      if (this.#values !== null && this.#isOwed && needs[item] !== this.#state) continue;
      const dueAt = Math.min(returnAt[item]!, Number.MAX_VALUE);
      for (const state of this.#statesAfter(item)) moves.push({ item, state, dueAt, rank: this.#rank(item, state, isHelped) });
    }
    if (isRequired[this.#due] === 0) moves.push({ item: ~this.#due, state: this.#state, rank: -1, dueAt: 0 });
    moves.sort((a, b) => a.rank - b.rank || a.dueAt - b.dueAt);
    if (this.#luck !== null)
      for (let at = 1; at < moves.length; at++)
        if (nextUint32(this.#luck) < swapsOf32Bits) [moves[at - 1], moves[at]] = [moves[at]!, moves[at - 1]!];
    return moves.flatMap(({ item, state }) => [item, state]);
  }

  #gatherCandidates(): void {
    this.#candidates.length = 0;
    for (const kind of this.#kinds) {
      const [required, passing, free] = [this.#bestRequired[kind]!, this.#bestPassing[kind]!, this.#bestFree[kind]!];
      if (required >= 0) this.#candidates.push(required);
      if (passing >= 0) this.#candidates.push(passing);
      if (free >= 0 && required < 0 && passing < 0) this.#candidates.push(free);
    }
  }

  /**
   * Whoever could usefully put something, and needs something for it, makes that wanted too. What is free waits until somebody who
   * may come next wants what it puts. What was under way when the part began cannot wait: it comes before its answer, or never, so
   * it counts as soon as anybody, however much later he is called, may find what it puts.
   */
  #spreadWants(values: Values): void {
    const { isRequired, needs, puts } = this.#layout;
    const wants = this.#openWants;
    for (let spreads = true; spreads; ) {
      spreads = false;
      for (const item of this.#candidates) {
        const need = needs[item]!;
        if (isRequired[item] === 1 || need < 0 || wants[need] === this.#look) continue;
        if (!this.#isUseful(item, puts[item]!, values)) continue;
        wants[need] = this.#look;
        spreads = true;
      }
    }
  }

  /** False if somebody must find a value to which nothing leads that may be called before his answer. */
  #reachesDemands(values: Values): boolean {
    const { needs, puts } = this.#layout;
    const reachable = this.#reachable;
    const look = this.#look;
    if (this.#state >= 0) reachable[this.#state] = look;
    for (const item of this.#candidates) if (needs[item]! < 0 || needs[item] === this.#state) reachable[puts[item]!] = look;
    const isNear = (value: number, by: number): boolean => reachable[value] === look || this.#isPutLater(values, value, by);
    const far = this.#demands
      .map((value) => ({ value, by: values.demandedBy(value) }))
      .filter(({ value, by }) => !isNear(value, by));
    far.sort((a, b) => a.by - b.by);
    return far.every(({ value, by }) => {
      this.#spreadReachable(values, by);
      return reachable[value] === look || this.#isInTime(by);
    });
  }

  #isPutLater(values: Values, value: number, until: number): boolean {
    return values.isPutBetween(value, this.#layout.returnAt[this.#due]!, until);
  }

  #spreadReachable(values: Values, until: number): void {
    const { needs, puts } = this.#layout;
    const reachable = this.#reachable;
    const look = this.#look;
    for (let spreads = true; spreads; ) {
      spreads = false;
      for (const item of this.#candidates) {
        const need = needs[item]!;
        if (reachable[puts[item]!] === look) continue;
        if (need >= 0 && reachable[need] !== look && !this.#isPutLater(values, need, until)) continue;
        reachable[puts[item]!] = look;
        spreads = true;
      }
    }
  }

  /**
   * Smaller is tried earlier: what the one that is due waits for, what needs the state as it is, the others as they are due. Where
   * only something of unknown outcome can help, it is taken before all else is tried in vain.
   */
  #rank(item: number, state: number, isHelped: boolean): number {
    const { isRequired, needs } = this.#layout;
    const isSure = isRequired[item] === 1;
    const late = state !== this.#state && !this.#returnsSurely(item) ? 8 : 0;
    if (needs[this.#due]! >= 0 && needs[this.#due] === state) return late + (isSure || !isHelped ? 0 : 3);
    if (!isSure) return late + 4;
    return late + (needs[item]! >= 0 ? 1 : 2);
  }

  /** False: somebody must still find the present state, which only something of unknown outcome could bring back after `item`. */
  #returnsSurely(item: number): boolean {
    const values = this.#values;
    if (values === null || this.#state < 0) return true;
    values.place(item);
    const returns = values.returnsSurely(this.#state, this.#layout.puts[item]!);
    values.takeBack(item);
    return returns;
  }

  #statesAfter(item: number): readonly number[] {
    const { kind, isRequired, needs, puts } = this.#layout;
    const values = this.#values;
    if (values === null) return this.#space.after(this.#state, kind[item]!);
    const need = needs[item]!;
    const put = puts[item]!;
    if (need >= 0 && need !== this.#state) return noStates;
    if (isRequired[item] === 0 && (put === this.#state || !this.#isUseful(item, put, values))) return noStates;
    return this.#mayLeave(item, put) ? [put] : noStates;
  }

  /** What may be left out is put only where somebody needs it: of what is free, right before that one. */
  #isUseful(item: number, put: number, values: Values): boolean {
    return this.#layout.returnAt[item] === never
      ? this.#openWants[put] === this.#look
      : values.isWanted(put, values.lastsUntil[item]!);
  }

  /** False if somebody must still find the present state, and nobody can put it in time once `item` has put another. */
  #mayLeave(item: number, put: number): boolean {
    const state = this.#state;
    const values = this.#values!;
    if (state < 0 || put === state) return true;
    values.place(item);
    const missedBy = values.missedBy(state, put);
    values.takeBack(item);
    return this.#isInTime(missedBy);
  }

  /** A prediction that an answer cannot be given reaches as far as that answer. */
  #isInTime(missedBy: number): boolean {
    if (missedBy !== never && missedBy > this.deepest) this.deepest = missedBy;
    return missedBy === never;
  }

  /** Some answer cannot be given in any order that begins with this state. */
  #isHopeless(start: number): boolean {
    const values = this.#values;
    return values !== null && !this.#isInTime(values.unservedBy(start, this.#layout));
  }

  #startState(start: number): number {
    const values = this.#values;
    return values === null || (start >= 0 && values.isWanted(start, values.startLastsUntil)) ? start : unseen;
  }

  /** A value that nobody comes in time to find is as good as any other such. */
  #stateAs(state: number, item: number): number {
    const values = this.#values;
    return values === null || values.isWanted(state, values.lastsUntil[item]!) ? state : unseen;
  }

  /** Before `item` puts a value over whatever was there, values that nobody will find may come and go. */
  #absorb(item: number): void {
    const { callAt, returnAt, isRequired, needs, puts, count } = this.#layout;
    const values = this.#values;
    if (values === null || needs[item]! >= 0) return;
    let firstReturnAt = Number.POSITIVE_INFINITY;
    for (let at = this.#after[count]!; at !== count && callAt[at]! <= firstReturnAt; at = this.#after[at]!) {
      const isSilent =
        at !== item && isRequired[at] === 1 && needs[at]! < 0 && !values.isWanted(puts[at]!, values.lastsUntil[at]!);
      if (isSilent) this.#place(at);
      else firstReturnAt = Math.min(firstReturnAt, returnAt[at]!);
    }
  }
}
